"""The client against a server that answers, and against one that does whatever servers do."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from PIL import Image

from foundation.errors import StudioError
from generator.vlm.client import HIDDEN, VlmClient, VlmError, VlmRefusedError
from generator.vlm.costs import CapReached
from generator.vlm.transport import Stopped, takes_proxies
from generator.vlm.wire import Ask
from tests.generator.vlm.server import (
    KEY,
    Behaviour,
    Endpoint,
    answer,
    completion,
    drip,
    events,
    flood,
    half,
    hang_up,
    piece,
    raw,
    serving,
    silence,
    status,
)


def asking(number: int = 0, picture: Image.Image | None = None) -> Ask:
    return Ask("eyes", "What is this?", picture or Image.new("RGB", (9, 8), (1, 2, 3)), number, 0.5)


def test_a_question_arrives_as_the_protocol_has_it(endpoint: Endpoint) -> None:
    picture = Image.effect_noise((13, 8), 90).convert("RGB")
    picture.info["crossmax-studio"] = "the recipe"
    with VlmClient(endpoint.settings(max_tokens=33)) as client:
        reply = client.ask(asking(7, picture))
    (seen,) = endpoint.seen
    assert (reply.text, reply.usage.prompt, reply.usage.completion) == ("a cat on a mat", 100, 10)
    assert seen.path == "/v1/chat/completions" and seen.headers["authorization"] == f"Bearer {KEY}"
    assert {k: v for k, v in seen.body.items() if k != "messages"} == {
        "model": "eyes",
        "max_tokens": 33,
        "stream": False,
        "temperature": 0.5,
        "seed": 7,
    }
    assert seen.text == "What is this?" and seen.picture.tobytes() == picture.tobytes()
    assert seen.picture.info == {} and b"tEXt" not in seen.png


def test_what_a_server_cannot_take_is_left_out(endpoint: Endpoint) -> None:
    settings = endpoint.settings(send_seed=False, tokens_field="max_completion_tokens", key=None)
    with VlmClient(settings) as client:
        client.ask(Ask("eyes", "What is this?", None, 1, None))
    (seen,) = endpoint.seen
    assert set(seen.body) == {"model", "messages", "max_completion_tokens", "stream"}
    assert seen.body["messages"] == [{"role": "user", "content": "What is this?"}]
    assert "authorization" not in seen.headers


@pytest.mark.parametrize(
    ("behaviour", "text"),
    [
        (answer([{"type": "text", "text": "a "}, {"type": "text", "text": "dog"}]), "a dog"),
        (answer(None, message={"content": None, "refusal": "I can't say."}), "I can't say."),
        (events(piece("a "), ": comment", piece("dog"), {"choices": [], "usage": {"prompt_tokens": 5}}), "a dog"),
        (events(piece("a dog"), stay=True), "a dog"),
        (events(piece("a dog", finish_reason="stop"), done=False), "a dog"),
        (answer("a\x1b[31m d\u202eog\x00\n"), "a[31m dog\n"),
        (answer(f"your key is {KEY}, {KEY}"), f"your key is {HIDDEN}, {HIDDEN}"),
        (answer(f"your key is {KEY[:5]}\u200b{KEY[5:]}"), f"your key is {HIDDEN}"),
    ],
)
def test_answers_of_many_forms_are_read(endpoint: Endpoint, behaviour: Behaviour, text: str) -> None:
    endpoint.default = behaviour
    with VlmClient(endpoint.settings(retries=0)) as client:
        assert client.ask(asking()).text == text


@pytest.mark.slow
@pytest.mark.parametrize(
    "behaviour",
    [
        hang_up,
        half,
        silence,
        drip,
        status(429),
        status(500, b"<html>oops"),
        status(503, b"\xff\xfe"),
        raw(b""),
        raw(b"{"),
        raw(b"null"),
        raw(b"[" * 100_000),
        raw(b'{"choices": []}'),
        raw(b'{"choices": [{"message": {"content": 5}}]}'),
        raw(b'{"choices": [{"message": {"content": "\\ud800"}}]}'),
        raw(completion("x", {"prompt_tokens": -5})),
        raw(completion("x", {"prompt_tokens": 10**30})),
        raw(completion("  ")),
        raw(completion("a cat"), "text/html"),
        raw(completion("a cat"), ""),
        events("garbage"),
        events(piece("a c"), done=False),
        events({"choices": [{"delta": {"content": 3}}]}),
    ],
    ids=lambda b: getattr(b, "__name__", "b"),
)
def test_what_passes_is_tried_again_and_what_stays_is_a_sentence(endpoint: Endpoint, behaviour: Behaviour) -> None:
    # Patience is short only where it is to run out: elsewhere a busy machine may take its time.
    bounds = {"read_s": 0.4, "total_s": 0.8} if behaviour in (silence, drip) else {}
    endpoint.behaviours = [behaviour, behaviour]
    with VlmClient(endpoint.settings(**bounds)) as client:
        assert client.ask(asking()).text == "a cat on a mat"
        endpoint.behaviours = [behaviour] * 3
        with pytest.raises(VlmError) as caught:
            client.ask(asking())
    assert len(endpoint.seen) == 6 and client.ledger.requests == 6
    assert "127.0.0.1" in str(caught.value) and str(caught.value).endswith("attempt 3, the last.")
    assert not isinstance(caught.value, VlmRefusedError) and KEY not in str(caught.value)


@pytest.mark.parametrize("declared", [True, False])
def test_a_flood_is_cut_off_and_not_asked_for_again(endpoint: Endpoint, declared: bool) -> None:
    endpoint.default = flood(declared)
    with VlmClient(endpoint.settings(max_response_bytes=100_000)) as client:
        with pytest.raises(VlmError, match="longer than 100,000 bytes"):
            client.ask(asking())
        assert endpoint.gone.wait(5)  # the connection was closed long before 50 MB
        assert len(endpoint.seen) == 1 and client.ledger.estimated == 1


def test_a_compressed_bomb_is_not_opened(endpoint: Endpoint) -> None:
    endpoint.default = lambda handler, _seen: handler.send(200, b"\x1f\x8b", Content_Encoding="gzip")
    with VlmClient(endpoint.settings()) as client, pytest.raises(VlmError, match="compressed"):
        client.ask(asking())
    assert endpoint.seen[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("code", "says", "final"),
    [
        (400, "refused (HTTP 400): no pictures here", False),
        (413, "refused (HTTP 413)", False),
        (401, "does not accept the key (HTTP 401): check it.", True),
        (403, "does not accept the key", True),
        (404, "no such address or model", True),
    ],
)
def test_what_does_not_pass_is_not_tried_again(endpoint: Endpoint, code: int, says: str, final: bool) -> None:
    endpoint.default = status(code, b'{"error": {"message": "no pictures\\n here %s"}}' % KEY.encode())
    with VlmClient(endpoint.settings()) as client, pytest.raises(VlmError) as caught:
        client.ask(asking())
    assert says in str(caught.value) and KEY not in str(caught.value)
    assert isinstance(caught.value, VlmRefusedError) is final and len(endpoint.seen) == 1


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_redirects_are_not_followed(endpoint: Endpoint, code: int) -> None:
    with serving() as thief:
        endpoint.default = status(code, Location=f"{thief.url}/chat/completions")
        with VlmClient(endpoint.settings()) as client, pytest.raises(VlmRefusedError, match="another address"):
            client.ask(asking())
        assert thief.seen == []


def date_in(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("header", "least"), [(lambda: "1", 1.0), (lambda: date_in(2), 0.9), (lambda: "soon", 0.0), (lambda: "-3", 0.0)]
)
def test_the_server_says_when_to_come_again(endpoint: Endpoint, header: Callable[[], str], least: float) -> None:
    endpoint.behaviours = [status(429, Retry_After=header())]
    started = time.monotonic()
    with VlmClient(endpoint.settings()) as client:
        client.ask(asking())
    assert least <= time.monotonic() - started < least + 2


def test_a_long_pause_ends_the_run(endpoint: Endpoint) -> None:
    endpoint.behaviours = [status(503, Retry_After="86400")]
    with VlmClient(endpoint.settings()) as client, pytest.raises(VlmRefusedError, match="86,400 s"):
        client.ask(asking())


def test_pauses_double(endpoint: Endpoint) -> None:
    endpoint.behaviours = [status(500)] * 2
    started = time.monotonic()
    with VlmClient(endpoint.settings(backoff_s=0.2)) as client:
        client.ask(asking())
    assert 0.6 <= time.monotonic() - started < 5.0  # 0.2 + 0.4 s, and what a busy machine adds


def test_the_rate_is_kept(endpoint: Endpoint) -> None:
    started = time.monotonic()
    with VlmClient(endpoint.settings(requests_per_minute=300, burst=1)) as client:
        for number in range(4):
            client.ask(asking(number))
    assert time.monotonic() - started >= 0.6


def test_the_cap_holds_over_failed_attempts(endpoint: Endpoint) -> None:
    endpoint.default = status(500)
    with VlmClient(endpoint.settings(max_requests=2, retries=9)) as client, pytest.raises(CapReached):
        client.ask(asking())
    assert len(endpoint.seen) == 2


def test_too_large_a_picture_is_not_sent(endpoint: Endpoint) -> None:
    picture = Image.effect_noise((64, 64), 90).convert("RGB")
    with VlmClient(endpoint.settings(max_upload_bytes=1024)) as client, pytest.raises(VlmError, match="scale"):
        client.ask(asking(0, picture))
    assert endpoint.seen == []


@pytest.mark.parametrize("behaviour", [silence, drip, status(429, Retry_After="60")])
def test_asked_to_stop_it_stops_at_once(endpoint: Endpoint, behaviour: Any) -> None:
    endpoint.default = behaviour
    asked: list[float] = []

    def should_stop() -> bool:
        if endpoint.seen and not asked:
            asked.append(time.monotonic())
        return bool(asked) and time.monotonic() - asked[0] > 0.3

    with VlmClient(endpoint.settings()) as client:
        with pytest.raises(Stopped):
            client.ask(asking(), should_stop)
        assert time.monotonic() - asked[0] < 1.0
        if behaviour in (silence, drip):
            assert endpoint.gone.wait(2)  # the connection is closed, too
            assert client.ledger.estimated == 1  # it may be charged for
        endpoint.default = answer("still there")
        assert client.ask(asking()).text == "still there"


def test_nobody_there_is_a_sentence() -> None:
    with serving() as endpoint:
        settings = endpoint.settings(retries=1)
    with VlmClient(settings) as client, pytest.raises(VlmError, match="cannot be reached"):
        client.ask(asking())
    assert client.ledger.record().prompt_tokens == 0


def test_this_machine_is_asked_without_the_users_proxies(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """F4: requests to one's own machine take no proxy, by whichever name and protocol."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with VlmClient(endpoint.settings()) as client:
        assert client.ask(asking()).text == "a cat on a mat"
    for url in ("https://localhost:8000/v1", "https://127.0.0.1/v1", "https://[::1]:1/v1", "http://example.org/v1"):
        assert not takes_proxies(url)
    assert takes_proxies("https://example.org/v1")


def test_a_proxy_that_cannot_be_used_is_a_sentence(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """F4: a SOCKS proxy needs a package that is not here; that is told, not thrown."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(StudioError, match="ALL_PROXY"):
        VlmClient(endpoint.settings(url="https://example.org/v1"))
