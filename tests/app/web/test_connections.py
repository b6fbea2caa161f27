"""Connections, sessions and tokens: nobody is kept out by somebody else's many, and nobody gets in without a token."""

import asyncio
import dataclasses
import resource
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from app.web import listening
from app.web.connections import Sparing
from app.web.hosts import Hosts, check_name, is_loopback
from app.web.sessions import Sessions
from foundation.errors import StudioError
from foundation.limits import Limits
from tests.app.web.asked import ONE_OF_EACH
from tests.app.web.conftest import Site
from tests.hostile import form_of, is_open, read_answer

FEW = Limits(connections_per_address=12, streams_per_address=6, connections=30, streams=15)


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return holds()


@pytest.mark.slow
def test_idle_heartbeats_do_not_shut_others_out(start: Callable[..., Site]) -> None:
    """S12: many heartbeats from one address: the page still loads there, and for others."""
    site = start(FEW)
    client = site.client()
    with client.holding(60, client.head("GET", "/gradio_api/heartbeat/abc")) as held:
        assert client.get("/").status == 200
        assert site.client("127.0.0.2").get("/").status == 200
        assert client.call(site.body("arrive")).status == 200
        assert eventually(lambda: sum(is_open(one, 0.02) for one in held) <= FEW.streams_per_address)
        assert eventually(lambda: is_open(held[-1], 0.05)), "the newest stays"


@pytest.mark.slow
def test_connections_without_a_request_make_room(start: Callable[..., Site]) -> None:
    """S12: silent connections go before anybody is refused."""
    site = start(FEW)
    with site.client().holding(60, b""):
        assert site.client().get("/").status == 200
        with site.client("127.0.0.3").holding(60, b"GET / HTTP/1.1\r\n"):
            assert site.client("127.0.0.2").get("/").status == 200


@pytest.mark.slow
def test_half_a_request_is_not_waited_for(start: Callable[..., Site]) -> None:
    """S12: headers that do not end, and bodies that do not, are given up with a sentence."""
    site = start(dataclasses.replace(Limits(), header_seconds=0.5, body_seconds=0.5))
    client = site.client()
    silent = client.raw(b"GET / HT")
    assert (silent.status, silent.text) == (408, "This connection waited too long for a request.\n")
    head = client.head("POST", "/gradio_api/run/predict", {"Content-Type": "application/json", "Content-Length": "99"})
    half = client.raw(head + b'{"data":', "POST")
    assert half.status == 408
    assert "in time" in half.json()["error"]
    kind, form = form_of(b"x" * 5000)
    head = client.head("POST", "/gradio_api/upload", {"Content-Type": kind, "Content-Length": str(len(form))})
    assert client.raw(head + form[:3000], "POST").status == 408
    assert [path for path in (site.data.parent / "cache").rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_dripping_headers_get_no_more_time(start: Callable[..., Site]) -> None:
    """S12: a byte now and then does not prolong the time for a request."""
    site = start(dataclasses.replace(Limits(), header_seconds=0.6))
    connection = site.client().connect()
    started = time.monotonic()
    try:
        while time.monotonic() - started < 10:
            connection.sendall(b"G")
            time.sleep(0.1)
    except OSError:
        pass
    assert time.monotonic() - started < 8
    connection.close()


def test_a_connection_serves_one_request_after_another(site: Site) -> None:
    """S12: the limits leave ordinary connections as they are."""
    client = site.client()
    connection = client.connect()
    for _ in range(3):
        connection.sendall(client.head("GET", "/theme.css"))
        assert read_answer(connection).status == 200
    connection.close()


def test_large_headers_are_refused(site: Site) -> None:
    """S8: a request's head is bounded too."""
    assert site.client().get("/", headers={"X": "x" * 100_000}).status == 431
    assert site.client().get("/").status == 200


def test_files_are_left_for_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """S12: of the files that a process may open, connections leave some; too few are refused in words."""
    limits = Limits()
    monkeypatch.setattr(resource, "setrlimit", lambda *_args: None)
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (512, 512))
    assert listening.files_for_connections(limits) == 512 - limits.files_kept
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (100_000, 100_000))
    assert listening.files_for_connections(limits) == limits.connections
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (64, 64))
    with pytest.raises(StudioError, match="ulimit -n"):
        listening.files_for_connections(limits)


def test_nonsense_does_not_fill_the_log() -> None:
    """S12: of many warnings in one moment a few are written."""
    import logging

    sparing = Sparing(3)
    records = [logging.makeLogRecord({"msg": "x", "created": 100.0 + index / 100}) for index in range(50)]
    kept = [record for record in records if sparing.filter(record)]
    assert len(kept) == 3
    assert "left out" in kept[-1].getMessage()
    assert sparing.filter(logging.makeLogRecord({"msg": "later", "created": 200.0}))


@pytest.mark.slow
def test_an_answer_that_is_cut_off_at_the_end_leaves_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    """S15: however busy the machine is, the server's end is no fault that a log tells of."""
    asked = threading.Event()

    async def never_answers(scope: Any, _receive: Any, _send: Any) -> None:
        if scope["type"] == "http":
            asked.set()
            await asyncio.sleep(3600)

    listener = listening.Listener(never_answers, listening.open_socket("127.0.0.1", 0), Limits())
    listener.start()
    with socket.create_connection(("127.0.0.1", listener.port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert asked.wait(30)
        listener.close()
    assert "graceful shutdown exceeded" in caplog.text  # it was cut off
    assert "Exception in ASGI application" not in caplog.text and "Traceback" not in caplog.text


@pytest.mark.slow
def test_pages_beyond_the_limit_cost_nothing(start: Callable[..., Site]) -> None:
    """S6: loads beyond capacity leave as many pages as are allowed, each of them small."""
    site = start(dataclasses.replace(Limits(), sessions=5))
    for index in range(12):
        assert site.client().call(site.body("arrive", f"page{index}")).status == 200
    kept = site.page.state_holder
    assert list(kept.session_data) == [f"page{index}" for index in range(7, 12)]
    assert all(not state.config_values for state in kept.session_data.values())


def test_nobody_loses_a_page_because_somebody_opens_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """S6: at the limit, the pages of the address go that has most of them."""
    import gradio as gr

    with gr.Blocks() as page:
        gr.State(0)
    sessions = Sessions(dataclasses.replace(Limits(), sessions=4))
    sessions.set_blocks(page)
    for address, name in [("one", "mine"), *(("many", f"other{index}") for index in range(20))]:
        monkeypatch.setattr("app.web.sessions.visitor_address", lambda address=address: address)
        sessions[name]
    assert "mine" in sessions
    assert len(sessions.session_data) == 4


def test_one_address_alone_does_not_fill_what_all_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """S6: of its own pages the one goes that was unused for longest."""
    import gradio as gr

    with gr.Blocks() as page:
        gr.State(0)
    sessions = Sessions(dataclasses.replace(Limits(), sessions=100, sessions_per_address=3))
    sessions.set_blocks(page)
    for address, name in [("one", "mine"), *(("many", f"other{index}") for index in (0, 1, 2, 0, 3))]:
        monkeypatch.setattr("app.web.sessions.visitor_address", lambda address=address: address)
        sessions[name]
    assert list(sessions.session_data) == ["mine", "other2", "other0", "other3"]


def test_pages_that_are_left_alone_are_forgotten() -> None:
    """S6: what is not used for long is given back."""
    import gradio as gr

    with gr.Blocks() as page:
        gr.State(0)
    sessions = Sessions(dataclasses.replace(Limits(), session_seconds=0.0))
    sessions.set_blocks(page)
    sessions["a"]
    time.sleep(0.01)
    sessions.delete_all_expired_state()
    assert len(sessions.session_data) == 0


@pytest.mark.slow
def test_on_a_network_the_token_is_demanded_everywhere(start: Callable[..., Site]) -> None:
    """S13: outside of loopback an address with a token is made; without the token every route answers 401."""
    site = start(host="0.0.0.0")
    assert not site.served.local
    address = site.served.address
    assert "/?token=" in address
    token = address.partition("token=")[2]
    assert len(token) >= 32
    client = site.client()
    for method, path in (*ONE_OF_EACH, ("GET", "/nothing"), ("GET", "/pwa_icon/9"), ("GET", "/gradio_api/queue/data")):
        answer = client.request(method, path, b"{}" if method == "POST" else b"")
        assert answer.status == 401, path
        assert "?token=" in answer.text
        assert token not in answer.text
    for wrong in ("", "x", token[:-1], token + "x"):
        assert client.get(f"/?token={wrong}").status == 401
    assert client.get("/", headers={"Cookie": f"crossmax-studio-{site.port}={token}"}).status == 401


@pytest.mark.slow
def test_the_token_opens_the_page_once_and_a_cookie_after_that(start: Callable[..., Site]) -> None:
    """S13: as Jupyter does: the address, then an HttpOnly SameSite cookie."""
    site = start(host="0.0.0.0")
    token = site.served.address.partition("token=")[2]
    welcome = site.client().get(f"/?token={token}")
    assert (welcome.status, welcome.headers["location"]) == (303, "./")
    cookie = welcome.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite" in cookie
    assert token not in cookie
    client = site.client(Cookie=cookie.partition(";")[0])
    assert client.get("/").status == 200
    assert client.call(site.body("arrive")).status == 200
    assert client.upload(b"x").status == 200
    assert client.get("/", headers={"Origin": "http://evil.example"}).status == 403
    assert client.get("/", host=f"192.168.1.5:{site.port}").status == 200  # an address cannot be made to point here
    assert client.get("/", host="evil.example").status == 403


@pytest.mark.slow
def test_a_token_that_was_set_is_asked_for_on_this_machine_too_and_stays(start: Callable[..., Site]) -> None:
    secret = "set-by-whoever-runs-it"
    for site in (start(token=secret), start(token=secret)):
        assert site.served.address.endswith(f"/?token={secret}")
        assert site.client().get("/").status == 401
        assert site.client().get("/?token=another-one-of-them").status == 401
        assert site.client().get(f"/?token={secret}").status == 303
        assert site.client(Authorization=f"Bearer {secret}").get("/").status == 200
        assert site.client().get("/readyz").status == 200


def test_on_this_machine_alone_no_token_is_asked(site: Site) -> None:
    """S13: loopback stays as it was."""
    assert site.served.local
    assert "token" not in site.served.address


@pytest.mark.parametrize(
    ("host", "allowed", "local"),
    [
        ("127.0.0.1", (), True),
        ("localhost", (), True),
        ("::1", (), True),
        ("127.0.0.5", ("localhost",), True),
        ("0.0.0.0", (), False),
        ("::", (), False),
        ("192.168.0.7", (), False),
        ("127.0.0.1", ("studio.example.org",), False),  # a proxy stands before it
    ],
)
def test_what_counts_as_this_machine_alone(host: str, allowed: tuple[str, ...], local: bool) -> None:
    """S13: a name for others, too, makes it a server on a network."""
    assert Hosts(host, allowed).local is local
    assert is_loopback("127.0.0.1.evil.example") is False


@pytest.mark.parametrize(
    "name", ["", " ", "http://x", "x:80", "*", "*.x", "a b", "a/b", "-a", "a..b", "a" * 300, "ä.org"]
)
def test_names_that_are_no_hosts_are_refused(name: str) -> None:
    """F20: hosts are checked before anything is started."""
    with pytest.raises(StudioError, match="no name of a host"):
        check_name(name)
