"""A studio for many, over the network: nobody without a login, and nobody to what is another's."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from app.accounts.accounts import WRONG
from app.web.routes import OF_ACCOUNTS
from foundation.jobs.service import JobService
from foundation.limits import Limits
from tests.app.accounts.people import ANOTHER, PASSWORD, add
from tests.app.web.conftest import Site, serving
from tests.app.web.test_routes import FOREIGN, ONE_OF_EACH
from tests.browser.standins import fade
from tests.hostile import Answer, Hostile

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ORDER = {"recipe": {"models": ["crossmax-cifar10"], "classes": ["frog"], "size": [32, 32], "steps": 2}}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data = tmp_path_factory.mktemp("many") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(data / "cache"))
        with serving(data, many=True) as found:
            add(found.jobs.users, "anna", "owner")
            add(found.jobs.users, "ben")
            yield found


def post(client: Hostile, path: str, headers: dict[str, str] | None = None, **fields: str) -> Answer:
    return client.request("POST", path, urlencode(fields).encode(), {**FORM, **(headers or {})})


def log_in(site: Site, name: str, password: str = PASSWORD, address: str = "127.0.0.1") -> Hostile:
    """Somebody's browser."""
    answer = post(site.client(address), "/login", name=name, password=password)
    assert answer.status == 303, answer.text
    cookie = re.search(rf"crossmax-login-{site.port}=[^;]+", answer.headers["set-cookie"])
    assert cookie is not None
    return site.client(address, Cookie=cookie[0])


def token_of(client: Hostile) -> str:
    found = re.search(r"<code>(cxs_[0-9a-f]+)</code>", post(client, "/account", act="token").text)
    assert found is not None
    return found[1]


def program(site: Site, name: str) -> Hostile:
    """Somebody's program, with a token."""
    return site.client(Authorization=f"Bearer {token_of(log_in(site, name))}")


def order(client: Hostile) -> Any:
    """A job that a program has submitted, once it has ended."""
    given = {"Content-Type": "application/json"}
    answer = client.request("POST", "/api/v1/class", json.dumps(ORDER).encode(), given)
    assert answer.status == 202, answer.text
    return client.get(f"/api/v1/jobs/{answer.json()['id']}/wait?seconds=20").json()


def arrived(site: Site, client: Hostile, session: str) -> str:
    """What the page shows somebody who opens it."""
    return json.dumps(client.call(site.body("arrive", session)).json())


def media(said: str) -> str:
    """The address of a picture of a result, as the page says it."""
    found = re.search(r"media/data/jobs/[^\\\"' ]+", unescape(said))
    assert found is not None
    return f"/{found[0]}"


# ---------------------------------------------------------------------- who comes in


def test_without_a_login_there_is_the_page_for_it_and_nothing_else(site: Site) -> None:
    client = site.client()
    opened = client.get("/")
    assert (opened.status, opened.headers["location"]) == (303, "login")
    shown = client.get("/login")
    assert shown.status == 200 and 'name="password" type="password"' in shown.text
    assert shown.headers["content-security-policy"].startswith("default-src 'none'")
    assert shown.headers["cache-control"] == "no-store"
    assert not re.search(r"<script|src=|https?:|url\(", shown.text), "it asks for nothing else"
    for method, path in ONE_OF_EACH:
        if path != "/":
            answer = client.request(method, path, b"{}" if method == "POST" else b"")
            assert answer.status == 401 and "Log in first" in answer.text, path
    assert client.get("/healthz").status == client.get("/readyz").status == 200
    assert post(client, "/logout").status == 401 and client.get("/account").status == 303


def test_an_owner_in_a_header_is_nobody_there(site: Site) -> None:
    answer = site.client().get("/api/v1/jobs", headers={"X-Owner": "0123456789abcdef0123456789abcdef"})
    assert answer.status == 401 and "token of their user" in answer.json()["error"]


@pytest.mark.slow
def test_a_studio_of_one_person_has_none_of_it(start: Callable[..., Site]) -> None:
    alone = start()
    assert alone.client().get("/").status == 200
    for route in OF_ACCOUNTS:
        assert alone.client().request(route.methods[0], route.pattern.pattern).status == 404
    assert "Log out" not in arrived(alone, alone.client(), "one1")


def test_the_right_password_opens_the_page(site: Site) -> None:
    answer = post(site.client(), "/login", name="Anna", password=PASSWORD)
    assert (answer.status, answer.headers["location"]) == (303, "./")
    client = log_in(site, "anna")
    assert client.get("/").status == client.get("/account").status == 200
    assert client.get("/login").status == 303
    assert "<b>anna</b> (owner)" in unescape(arrived(site, client, "anna1").replace('\\"', '"'))


def test_the_cookie_is_for_this_server_alone(site: Site) -> None:
    body = urlencode({"name": "anna", "password": PASSWORD}).encode()
    for headers, secure in (({}, False), ({"X-Forwarded-Proto": "https"}, True)):
        answer = site.client().request("POST", "/login", body, {**FORM, **headers})
        login, tag = answer.headers["set-cookie"].split(", ")
        assert login.startswith(f"crossmax-login-{site.port}=") and tag.startswith("crossmax-account=")
        assert all(word in login for word in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=1209600"))
        assert ("Secure" in login) is ("Secure" in tag) is secure
        assert PASSWORD not in str(answer.headers)


def test_a_wrong_password_and_a_wrong_name_are_told_alike(site: Site) -> None:
    wrong = post(site.client("127.0.0.9"), "/login", name="anna", password="not hers")
    nobody = post(site.client("127.0.0.9"), "/login", name="nobody", password=PASSWORD)
    assert wrong.status == nobody.status == 401
    assert WRONG in wrong.text and wrong.text.replace("anna", "nobody") == nobody.text
    assert "set-cookie" not in wrong.headers
    odd = post(site.client("127.0.0.9"), "/login", name='"><b>x', password="\0\ud7ff")
    assert odd.status == 401 and "<b>x" not in odd.text


@pytest.mark.slow
def test_too_many_wrong_passwords_are_not_looked_at(start: Callable[..., Site]) -> None:
    site = start(Limits(login_tries_per_name=3, login_tries_per_address=6), many=True)
    add(site.jobs.users, "anna")
    inside = log_in(site, "anna")
    for _ in range(3):
        assert post(site.client(), "/login", name="anna", password="wrong").status == 401
    refused = post(site.client("127.0.0.2"), "/login", name="anna", password=PASSWORD)
    assert refused.status == 429 and "Too many wrong passwords: try again in 15 minutes" in refused.text
    assert inside.get("/account").status == 200, "whoever is inside stays"
    for number in range(3):
        post(site.client(), "/login", name=f"name{number}", password="wrong")
    assert post(site.client(), "/login", name="another", password="wrong").status == 429
    assert post(site.client("127.0.0.2"), "/login", name="another", password="wrong").status == 401


@pytest.mark.parametrize("foreign", FOREIGN[:7])
def test_another_site_logs_nobody_in_or_out(site: Site, foreign: dict[str, str]) -> None:
    """Else it could have somebody work under its own name, and read it."""
    answer = post(site.client(), "/login", foreign, name="anna", password=PASSWORD)
    assert answer.status == 403 and "set-cookie" not in answer.headers
    client = log_in(site, "anna")
    for path in ("/logout", "/account"):
        assert post(client, path, foreign, act="token").status == 403
    assert client.get("/account").status == 200


def test_a_link_leads_to_the_page_for_logging_in(site: Site) -> None:
    visit = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert site.client().get("/", headers=visit).status == 303
    assert site.client().get("/login", headers=visit).status == 200
    assert log_in(site, "anna").get("/account", headers=visit).status == 403


def test_forms_are_bounded(site: Site) -> None:
    client = site.client()
    assert post(client, "/login", name="x" * 9000, password="y").status == 413
    assert client.request("POST", "/login", b"{}", {"Content-Type": "application/json"}).status == 415
    many = "&".join(f"a{number}=1" for number in range(50)).encode()
    assert client.request("POST", "/login", many, FORM).status == 400
    assert client.request("POST", "/login", b"name=\xff", FORM).status == 400


def test_logging_out_ends_the_login(site: Site) -> None:
    client = log_in(site, "ben")
    assert client.get("/account").status == 200
    answer = post(client, "/logout")
    assert (answer.status, answer.headers["location"]) == (303, "login")
    assert answer.headers["clear-site-data"] == '"storage"', "what the forms of the page hold goes, too"
    assert client.get("/account").status == 303 and client.get("/api/v1/jobs").status == 401


@pytest.mark.slow
def test_on_a_network_the_token_is_asked_for_besides(start: Callable[..., Site]) -> None:
    site = start(host="0.0.0.0", many=True)
    add(site.jobs.users, "anna", "owner")
    assert site.client().get("/login").status == 401 and "?token=" in site.client().get("/").text
    assert post(site.client(), "/login", name="anna", password=PASSWORD).status == 401
    secret = site.served.address.partition("token=")[2]
    cookie = site.client().get(f"/?token={secret}").headers["set-cookie"].partition(";")[0]
    known = site.client(Cookie=cookie)
    assert known.get("/").status == 303 and known.get("/api/v1/jobs").status == 401
    answer = post(known, "/login", name="anna", password=PASSWORD)
    login = re.search(rf"crossmax-login-{site.port}=[^;]+", answer.headers["set-cookie"])
    assert login is not None
    assert site.client(Cookie=login[0]).get("/").status == 401, "a login is no token"
    both = site.client(Cookie=f"{cookie}; {login[0]}")
    assert both.get("/").status == 200
    own = site.client(Authorization=f"Bearer {token_of(both)}")
    assert own.get("/api/v1/jobs").status == 200, "whoever has a user's token was inside"
    watcher = site.client(Authorization=f"Bearer {secret}")
    assert watcher.get("/metrics").status == 200 and watcher.get("/api/v1/jobs").status == 401


# ---------------------------------------------------------------------- what is whose


def test_nobody_reaches_what_is_anothers(site: Site) -> None:
    """Neither by the list, nor by the job, its files, their addresses on the page, nor by ending it."""
    anna, ben = program(site, "anna"), program(site, "ben")
    job = order(anna)
    assert job["status"] == "done"
    place = f"/api/v1/jobs/{job['id']}"
    assert anna.get("/api/v1/jobs").json()["jobs"][0]["id"] == job["id"]
    assert job["id"] not in ben.get("/api/v1/jobs").text and job["id"] not in ben.get("/api/v1/queue").text
    assert anna.get(f"{place}/files/image-1.png").body.startswith(b"\x89PNG")
    for method, path in (
        ("GET", place),
        ("GET", f"{place}/wait"),
        ("GET", f"{place}/files/image-1.png"),
        ("POST", f"{place}/stop"),
        ("DELETE", place),
    ):
        assert ben.request(method, path).status == 404, path
    assert ben.get(place, headers={"X-Owner": site.jobs.snapshot(job["id"]).owner}).status == 404

    hers, his = log_in(site, "anna"), log_in(site, "ben")
    said = arrived(site, hers, "annas")
    address = media(said)
    assert hers.get(address).status == 200
    assert his.get(address).status == 404 and site.client().get(address).status == 401
    assert job["id"] in said and job["id"] not in arrived(site, his, "bens")
    assert job["id"] not in arrived(site, his, "annas"), "whoever knows what a page is called has nothing of it"
    forged = site.body("arrive", "bens")
    forged["data"] = [{"owner": site.jobs.snapshot(job["id"]).owner}, None]
    assert job["id"] not in his.call(forged).text


def test_clients_and_assistants_act_as_their_user(site: Site) -> None:
    """What they make is on their user's page, and nothing of another's is there for them."""
    from crossmax_studio.assistants.desk import Desk
    from crossmax_studio.client import Studio
    from foundation.errors import StudioError

    place = f"http://127.0.0.1:{site.port}"
    hers = order(program(site, "anna"))["id"]
    with Studio(place, token=token_of(log_in(site, "ben"))) as studio:
        job = studio.wait(studio.class_image("frog", preset="quick", size=[24, 32], steps=2))
        assert job.id in arrived(site, log_in(site, "ben"), "bens") and studio.read(job, "image-1.png")
        desk = Desk(lambda: studio, None)
        said = json.dumps(dict(desk.jobs().facts))
        assert job.id in said and hers not in said
        for reach in (lambda: studio.job(hers), lambda: desk.results(hers, 0.0, save=False), lambda: desk.stop(hers)):
            with pytest.raises(StudioError, match="not yours"):
                reach()
    with Studio(place) as nobody, pytest.raises(StudioError, match="Log in first"):
        nobody.jobs()


def test_what_one_makes_by_a_program_is_there_on_the_page(site: Site) -> None:
    job = order(program(site, "ben"))
    assert job["id"] in arrived(site, log_in(site, "ben", address="127.0.0.5"), "otherdevice")


def test_pictures_are_their_bringers_alone(site: Site, tmp_path: Path) -> None:
    from foundation.images.files import save_png

    save_png(fade(3, 8, (40, 40), 1), tmp_path / "photo.png")
    anna, ben = program(site, "anna"), program(site, "ben")
    kind = {"Content-Type": "application/octet-stream"}
    digest = anna.request("POST", "/api/v1/uploads", (tmp_path / "photo.png").read_bytes(), kind).json()["digest"]
    attack = {"recipe": {"models": ["crossmax-cifar10"], "classes": ["frog"], "steps": 2}, "source": digest}
    given = {"Content-Type": "application/json"}
    refused = ben.request("POST", "/api/v1/attack", json.dumps(attack).encode(), given)
    assert refused.status == 422 and "no longer here" in refused.json()["error"]
    assert anna.request("POST", "/api/v1/attack", json.dumps(attack).encode(), given).status == 202


def test_figures_are_for_owners(site: Site) -> None:
    assert program(site, "anna").get("/metrics").status == log_in(site, "anna").get("/metrics").status == 200
    refused = program(site, "ben").get("/metrics")
    assert refused.status == 403 and "crossmax_jobs" not in refused.text


def test_jobs_take_turns_by_user_and_not_by_address(site: Site) -> None:
    from app.visitors.visitor import job_address

    job = order(program(site, "anna"))
    row = next(one for one in site.jobs._jobs.all() if one.record.id == job["id"])
    assert row.record.address == "" == job_address()


# ---------------------------------------------------------------------- limits


def few(**more: float) -> Limits:
    return dataclasses.replace(Limits(), **more)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_share_is_told_before_it_bites_and_refused_in_words(start: Callable[..., Site]) -> None:
    site = start(few(guest_result_bytes=2_000.0), many=True)
    add(site.jobs.users, "ben")
    ben, page = program(site, "ben"), log_in(site, "ben")
    assert "0 MB of 1 MB of results" in arrived(site, page, "a1")
    order(ben)
    assert "1 MB of 1 MB of results" in page.get("/account").text
    refused = ben.request("POST", "/api/v1/class", json.dumps(ORDER).encode(), {"Content-Type": "application/json"})
    assert refused.status == 507 and re.search("Your results take .* delete some", refused.json()["error"])


@pytest.mark.slow
def test_pictures_brought_have_their_share(start: Callable[..., Site], tmp_path: Path) -> None:
    from foundation.images.files import save_png

    site = start(few(guest_upload_bytes=100.0, owner_upload_bytes=1e9), many=True)
    add(site.jobs.users, "ben")
    add(site.jobs.users, "anna", "owner")
    for number in range(2):
        save_png(fade(3, 8, (40, 40), number), tmp_path / f"{number}.png")
    kind = {"Content-Type": "application/octet-stream"}
    said = {}
    for name in ("ben", "anna"):
        client = program(site, name)
        bodies = [(tmp_path / f"{number}.png").read_bytes() for number in range(2)]
        said[name] = [client.request("POST", "/api/v1/uploads", body, kind) for body in bodies]
    assert [answer.status for answer in said["anna"]] == [201, 201]
    assert [answer.status for answer in said["ben"]] == [201, 507]
    assert "as much as is kept for one visitor" in said["ben"][1].json()["error"]


# ---------------------------------------------------------------------- one's own account


def test_a_password_is_changed_on_the_page(site: Site) -> None:
    add(site.jobs.users, "carl")
    here, there = log_in(site, "carl"), log_in(site, "carl")
    wrong = post(here, "/account", act="password", old="wrong", new=ANOTHER)
    assert wrong.status == 422 and WRONG in wrong.text
    weak = post(here, "/account", act="password", old=PASSWORD, new="short")
    assert weak.status == 422 and "10 to 200" in weak.text
    changed = post(here, "/account", act="password", old=PASSWORD, new=ANOTHER)
    assert changed.status == 200 and "another password" in changed.text
    cookie = changed.headers["set-cookie"].partition(";")[0]
    assert site.client(Cookie=cookie).get("/account").status == 200
    assert here.get("/account").status == there.get("/account").status == 303
    log_in(site, "carl", ANOTHER)


def test_a_token_is_made_and_deleted_on_the_page(site: Site) -> None:
    add(site.jobs.users, "dora")
    page = log_in(site, "dora")
    token = token_of(page)
    own = site.client(Authorization=f"Bearer {token}")
    assert own.get("/api/v1/jobs").status == 200 and token not in page.get("/account").text
    assert "deleted" in post(page, "/account", act="drop").text
    assert own.get("/api/v1/jobs").status == 401


def test_delete_everything_takes_the_token_along_and_leaves_others(site: Site) -> None:
    for name in ("fred", "gina"):
        add(site.jobs.users, name)
    fred, gina = program(site, "fred"), program(site, "gina")
    page = log_in(site, "gina")
    order(fred)
    order(gina)
    body = site.body("forget", "bens")
    assert page.call(body).status == 200
    assert gina.get("/api/v1/jobs").status == 401 and len(fred.get("/api/v1/jobs").json()["jobs"]) == 1
    owner = site.jobs.users.named("gina").owner  # type: ignore[union-attr]
    assert site.jobs.list(owner) == [] and page.get("/account").status == 200


@pytest.mark.slow
def test_whoever_was_removed_is_out_and_what_was_theirs_goes(site: Site) -> None:
    from app.ui.forgetting import forget_visitor
    from app.visitors.uploads import Uploads

    user = add(site.jobs.users, "emil")
    page, own = log_in(site, "emil"), program(site, "emil")
    job = order(own)
    jobs: JobService = site.jobs
    jobs.users.remove(user.id)
    assert jobs.list(user.owner)
    uploads = Uploads(site.data / "uploads")
    for owner in jobs.users.removed():
        forget_visitor(jobs, uploads, owner)
    assert jobs.list(user.owner) == [] and not (site.data / "jobs" / job["id"]).exists()
    assert post(site.client(), "/login", name="emil", password=PASSWORD).status == 401
    import time

    time.sleep(2.1)
    assert page.get("/account").status == 303 and own.get("/api/v1/jobs").status == 401


def test_few_passwords_are_looked_at_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes tens of megabytes: of many that come together two are computed, and the others wait."""
    import threading
    from concurrent.futures import ThreadPoolExecutor

    from app.accounts.passwords import Passwords
    from app.web.door import AT_ONCE

    now, most, lock = 0, 0, threading.Lock()

    def slow(_self: Passwords, _hashed: str | None, _password: str) -> bool:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.05)
        with lock:
            now -= 1
        return False

    monkeypatch.setattr(Passwords, "fits", slow)
    with ThreadPoolExecutor(12) as pool:
        clients = [site.client(f"127.0.1.{number}") for number in range(1, 13)]
        answers = list(pool.map(lambda client: post(client, "/login", name=client.address, password="x"), clients))
    assert {answer.status for answer in answers} == {401}
    assert most == AT_ONCE
