"""A studio for many, over the network: nobody comes in without a login."""

import re
from collections.abc import Callable
from html import unescape
from urllib.parse import urlencode

import pytest

from app.accounts.accounts import WRONG
from app.web.routes import OF_ACCOUNTS
from foundation.limits import Limits
from tests.app.accounts.people import PASSWORD, add
from tests.app.web.asked import FOREIGN, ONE_OF_EACH
from tests.app.web.conftest import Site
from tests.app.web.door import FORM, arrived, log_in, post, token_of


def test_without_a_login_there_is_the_page_for_it_and_nothing_else(many: Site) -> None:
    client = many.client()
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


def test_an_owner_in_a_header_is_nobody_there(many: Site) -> None:
    answer = many.client().get("/api/v1/jobs", headers={"X-Owner": "0123456789abcdef0123456789abcdef"})
    assert answer.status == 401 and "token of their user" in answer.json()["error"]


@pytest.mark.slow
def test_a_studio_of_one_person_has_none_of_it(start: Callable[..., Site]) -> None:
    alone = start()
    assert alone.client().get("/").status == 200
    for route in OF_ACCOUNTS:
        assert alone.client().request(route.methods[0], route.pattern.pattern).status == 404
    assert "Log out" not in arrived(alone, alone.client(), "one1")


def test_the_right_password_opens_the_page(many: Site) -> None:
    answer = post(many.client(), "/login", name="Anna", password=PASSWORD)
    assert (answer.status, answer.headers["location"]) == (303, "./")
    client = log_in(many, "anna")
    assert client.get("/").status == client.get("/account").status == 200
    assert client.get("/login").status == 303
    assert "<b>anna</b> (owner)" in unescape(arrived(many, client, "anna1").replace('\\"', '"'))


def test_the_cookie_is_for_this_server_alone(many: Site) -> None:
    body = urlencode({"name": "anna", "password": PASSWORD}).encode()
    for headers, secure in (({}, False), ({"X-Forwarded-Proto": "https"}, True)):
        answer = many.client().request("POST", "/login", body, {**FORM, **headers})
        login, tag = answer.headers["set-cookie"].split(", ")
        assert login.startswith(f"crossmax-login-{many.port}=") and tag.startswith("crossmax-account=")
        assert all(word in login for word in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=1209600"))
        assert ("Secure" in login) is ("Secure" in tag) is secure
        assert PASSWORD not in str(answer.headers)


def test_a_wrong_password_and_a_wrong_name_are_told_alike(many: Site) -> None:
    wrong = post(many.client("127.0.0.9"), "/login", name="anna", password="not hers")
    nobody = post(many.client("127.0.0.9"), "/login", name="nobody", password=PASSWORD)
    assert wrong.status == nobody.status == 401
    assert WRONG in wrong.text and wrong.text.replace("anna", "nobody") == nobody.text
    assert "set-cookie" not in wrong.headers
    odd = post(many.client("127.0.0.9"), "/login", name='"><b>x', password="\0\ud7ff")
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
def test_another_site_logs_nobody_in_or_out(many: Site, foreign: dict[str, str]) -> None:
    """Else it could have somebody work under its own name, and read it."""
    answer = post(many.client(), "/login", foreign, name="anna", password=PASSWORD)
    assert answer.status == 403 and "set-cookie" not in answer.headers
    client = log_in(many, "anna")
    for path in ("/logout", "/account"):
        assert post(client, path, foreign, act="token").status == 403
    assert client.get("/account").status == 200


def test_a_link_leads_to_the_page_for_logging_in(many: Site) -> None:
    visit = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert many.client().get("/", headers=visit).status == 303
    assert many.client().get("/login", headers=visit).status == 200
    assert log_in(many, "anna").get("/account", headers=visit).status == 403


def test_forms_are_bounded(many: Site) -> None:
    client = many.client()
    assert post(client, "/login", name="x" * 9000, password="y").status == 413
    assert client.request("POST", "/login", b"{}", {"Content-Type": "application/json"}).status == 415
    many = "&".join(f"a{number}=1" for number in range(50)).encode()
    assert client.request("POST", "/login", many, FORM).status == 400
    assert client.request("POST", "/login", b"name=\xff", FORM).status == 400


def test_logging_out_ends_the_login(many: Site) -> None:
    client = log_in(many, "ben")
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


def test_few_passwords_are_looked_at_at_once(many: Site, monkeypatch: pytest.MonkeyPatch) -> None:
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
        clients = [many.client(f"127.0.1.{number}") for number in range(1, 13)]
        answers = list(pool.map(lambda client: post(client, "/login", name=client.address, password="x"), clients))
    assert {answer.status for answer in answers} == {401}
    assert most == AT_ONCE
