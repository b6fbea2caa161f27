"""A studio for many in a real browser: coming in and going, and two users who never see each other's."""

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.accounts.people import PASSWORD
from tests.browser.actions import open_classes, wait_for_another_job
from tests.browser.conftest import Server, Watch, free_port, new_context, serving
from tests.browser.holding import Hold

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser
PEOPLE = ("anna:owner", "ben:guest", "carl:guest", "dora:guest")
WIDTHS = (390, 1400)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page with stand-ins for models, where these people log in."""
    folder, port = tmp_path_factory.mktemp("many"), free_port()
    script = Path(__file__).parents[1] / "standin_app.py"
    with serving([sys.executable, str(script), str(folder / "data"), str(port), *PEOPLE], folder, port) as found:
        yield found


@contextlib.contextmanager
def somebody(browser: "sync_api.Browser", studio: Server, name: str) -> Iterator["sync_api.Page"]:
    """A browser in which somebody has logged in; fails afterwards if anything went wrong on the page."""
    with new_context(browser) as context:
        page, watch = context.new_page(), Watch()
        watch.follow(page, studio.address)
        page.goto(studio.address)
        log_in(page, name)
        yield page
        page.close()
        assert watch.faults == []


def say_who(page: "sync_api.Page", name: str, password: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def log_in(page: "sync_api.Page", name: str) -> None:
    say_who(page, name, PASSWORD)
    page.wait_for_selector("#text-start:enabled", state="attached")


def draw(page: "sync_api.Page", name: str) -> str:
    """Make a picture of a class; its job."""
    open_classes(page)
    page.locator("#class-chips").get_by_text(name, exact=True).click()
    page.click("#class-create")
    wait_for_another_job(page, "", "done", "image")
    return page.locator("#image-stage [data-job]").get_attribute("data-job") or ""


def expect_results(page: "sync_api.Page", *starts: str) -> None:
    found = page.locator("#results .cx-result > span:nth-child(2)")
    sync_api.expect(found).to_have_text([re.compile(f"^{re.escape(start)}") for start in starts])


def test_two_users_never_see_each_others(browser: "sync_api.Browser", studio: Server) -> None:
    """Neither in the list, nor by the address of a file, nor over HTTP; and one's own is there on another device."""
    with somebody(browser, studio, "anna") as anna, somebody(browser, studio, "ben") as ben:
        job = draw(anna, "frog")
        expect_results(anna, "frog")
        other = draw(ben, "ship")
        expect_results(ben, "ship")
        assert other != job
        sync_api.expect(anna.locator("#account")).to_contain_text("anna (owner)")
        sync_api.expect(ben.locator("#account")).to_contain_text("ben (guest)")
        sync_api.expect(ben.locator("#account")).to_contain_text("0 of 2 waiting jobs")
        image = anna.locator("#image-stage img").first.evaluate("one => one.src")
        assert "/media/data/jobs/" in image and anna.request.get(image).status == 200
        assert ben.request.get(image).status == 404
        api = f"{studio.address}api/v1/jobs"
        assert [one["id"] for one in anna.request.get(api).json()["jobs"]] == [job]
        assert [one["id"] for one in ben.request.get(api).json()["jobs"]] == [other]
        for tail in ("", "/files/image-1.png", "/wait?seconds=0"):
            assert anna.request.get(f"{api}/{job}{tail}").status == 200
            assert ben.request.get(f"{api}/{job}{tail}").status == 404
        assert ben.request.delete(f"{api}/{job}").status == 404
        forge = "b => { b = b.querySelector('[data-pick]'); b.dataset.pick = ID; b.click(); }".replace("ID", f"'{job}'")
        ben.locator("#results .cx-card").first.evaluate(forge)
        ben.wait_for_selector("#results-notice .cx-bad")
        assert "frog" not in ben.locator("#results-notice").inner_text()
        with somebody(browser, studio, "anna") as device:
            expect_results(device, "frog")
        expect_results(anna, "frog")


def test_a_wrong_password_is_told_and_the_right_one_goes_on(browser: "sync_api.Browser", studio: Server) -> None:
    with new_context(browser) as context:
        page = context.new_page()
        page.goto(studio.address)
        assert page.url.endswith("/login") and page.title() == "Log in - CrossMax Studio"
        say_who(page, "carl", "not carl's")
        sync_api.expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
        sync_api.expect(page.get_by_label("Name")).to_have_value("carl")
        sync_api.expect(page.get_by_label("Password")).to_have_value("")
        sync_api.expect(page.get_by_label("Password")).to_be_focused()
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_selector("#text-start:enabled", state="attached")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        page.goto(studio.address)
        assert page.url.endswith("/login")


def test_by_the_keyboard_alone(browser: "sync_api.Browser", studio: Server) -> None:
    """In, to one's account and back, and out again."""
    with new_context(browser) as context:
        page = context.new_page()
        page.goto(studio.address)
        sync_api.expect(page.get_by_label("Name")).to_be_focused()
        page.keyboard.type("carl")
        page.keyboard.press("Tab")
        sync_api.expect(page.get_by_label("Password")).to_be_focused()
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("#text-start:enabled", state="attached")
        link = page.get_by_role("link", name="Your account")
        for _ in range(30):
            if link.evaluate("one => one === document.activeElement"):
                break
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/account")
        sync_api.expect(page.get_by_role("heading", level=1)).to_have_text("carl")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_selector("#text-start:enabled", state="attached")
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == "Log out":
                break
        page.keyboard.press("Enter")
        page.wait_for_url("**/login")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_accounts_are_for_everybody(
    browser: "sync_api.Browser", studio: Server, width: int, scheme: str
) -> None:
    """No fault that axe finds, on neither page, nothing beyond the edge, and no request to elsewhere."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme) as context:
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{studio.address}login")
        expect_no_fault(page, axe)
        say_who(page, "dora", "wrong")
        page.get_by_role("alert").wait_for()
        expect_no_fault(page, axe)
        assert set(asked) <= {f"{studio.address}login"}
        say_who(page, "dora", PASSWORD)
        page.wait_for_url(studio.address, wait_until="commit")  # the studio's own page has tests enough
        page.goto(f"{studio.address}account")
        page.get_by_role("button", name=re.compile("Make a")).click()
        page.get_by_text("shown this once").wait_for()
        expect_no_fault(page, axe)
        assert all(url.startswith((studio.address, "data:")) for url in asked)


def expect_no_fault(page: "sync_api.Page", axe: object) -> None:
    found = axe.run(page).response["violations"]  # type: ignore[attr-defined]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_limit_is_told_before_it_bites_and_refused_on_the_page(browser: "sync_api.Browser", studio: Server) -> None:
    hold = Hold(studio.data_dir)
    hold.start()
    try:
        with somebody(browser, studio, "dora") as page:
            open_classes(page)
            page.locator("#class-chips").get_by_text("frog", exact=True).click()
            page.click("#class-create")
            page.wait_for_selector("#image-stage [data-status=running]")
            api = f"{studio.address}api/v1/class"
            order = {"recipe": {"models": ["crossmax-cifar10"], "classes": ["ship"], "steps": 3}}
            same = {"Origin": studio.address.rstrip("/")}
            answers = [page.request.post(api, data=order, headers=same) for _ in range(4)]  # one may have its turn
            assert answers[0].status == 202 and answers[-1].status == 429
            assert "2 of 2 jobs waiting" in answers[-1].json()["error"]
            sync_api.expect(page.locator("#account [data-nearly]")).to_contain_text("2 of 2 waiting jobs")
            page.get_by_role("tab", name="Text to image").click()
            page.locator("#text-prompt textarea").first.fill("a frog")
            page.click("#text-start")
            refusal = page.locator(".cx-notice-area .cx-bad:visible")  # the one, and of nothing else
            sync_api.expect(refusal).to_contain_text("2 of 2 jobs waiting")
    finally:
        hold.release()


def test_forms_are_their_users_in_a_browser_that_several_use(browser: "sync_api.Browser", studio: Server) -> None:
    """Also where nobody logged out: each has the own forms."""
    with new_context(browser) as context:
        page = context.new_page()
        page.goto(studio.address)
        log_in(page, "carl")
        prompt = page.locator("#text-prompt textarea").first
        prompt.fill("carl's secret frog")
        page.wait_for_function("Object.values(localStorage).join().includes('secret frog')")
        context.clear_cookies(name=re.compile("crossmax-login-.*"))  # its time is over
        page.goto(studio.address)
        log_in(page, "dora")
        sync_api.expect(prompt).not_to_have_value("carl's secret frog")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        log_in(page, "carl")
        assert page.evaluate("Object.values(localStorage).join()").find("secret frog") == -1


def test_a_login_that_has_ended_meanwhile_leads_to_the_page_for_it(browser: "sync_api.Browser", studio: Server) -> None:
    with new_context(browser) as context:
        page = context.new_page()
        page.goto(studio.address)
        log_in(page, "carl")
        context.clear_cookies(name=re.compile("crossmax-login-.*"))
        page.wait_for_url("**/login")  # the page asks now and then how its jobs stand
