"""A real HTTP server on this machine that speaks the chat protocol, and misbehaves when asked to."""

import base64
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

from generator.vlm.settings import VlmSettings

KEY = "sk-never-to-be-seen-4711"
FAST: dict[str, Any] = {"backoff_s": 0.01, "requests_per_minute": 1e6, "burst": 1000, "retries": 2}


@dataclass
class Seen:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def text(self) -> str:
        content = self.body["messages"][0]["content"]
        return content if isinstance(content, str) else content[0]["text"]

    @property
    def uri(self) -> str:
        content = self.body["messages"][0]["content"]
        return "" if isinstance(content, str) else content[1]["image_url"]["url"]

    @property
    def png(self) -> bytes:
        return base64.b64decode(self.uri.removeprefix("data:image/png;base64,"))

    @property
    def picture(self) -> Image.Image:
        with Image.open(io.BytesIO(self.png)) as opened:
            opened.load()
            return opened


Behaviour = Callable[["Handler", Seen], None]


@dataclass
class Endpoint:
    """The server: `behaviours` are used up one by one, then `default` is what it does."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    behaviours: list[Behaviour] = field(default_factory=list)
    default: Behaviour = lambda handler, seen: answer("a cat on a mat")(handler, seen)
    closing: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when a client went away in the middle of a response."""

    def settings(self, **changes: Any) -> VlmSettings:
        return VlmSettings.model_validate({"url": self.url, "model": "eyes", "key": KEY} | FAST | changes)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    endpoint: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        seen = Seen(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        self.endpoint.seen.append(seen)
        behave = self.endpoint.behaviours.pop(0) if self.endpoint.behaviours else self.endpoint.default
        try:
            behave(self, seen)
        except (BrokenPipeError, ConnectionResetError):
            self.endpoint.gone.set()
            self.close_connection = True

    def send(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    handler = type("OwnHandler", (Handler,), {"endpoint": endpoint})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = False  # they are waited for, for no socket to be left open
    endpoint.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def completion(text: Any, usage: dict[str, int] | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", **more}
    counted = {"prompt_tokens": 100, "completion_tokens": 10} if usage is None else usage
    return json.dumps({"choices": [choice], "usage": counted or None}).encode()


def answer(text: Any, usage: dict[str, int] | None = None, **more: Any) -> Behaviour:
    return lambda handler, _seen: handler.send(200, completion(text, usage, **more))


def status(code: int, body: bytes = b"{}", **headers: str) -> Behaviour:
    return lambda handler, _seen: handler.send(code, body, **headers)


def raw(body: bytes, kind: str = "application/json") -> Behaviour:
    return lambda handler, _seen: handler.send(200, body, kind)


def silence(handler: Handler, _seen: Seen) -> None:
    """Say nothing until the client is gone or the test over."""
    handler.close_connection = True
    handler.connection.settimeout(0.02)
    while not handler.endpoint.closing.is_set():
        try:
            if handler.connection.recv(1) == b"":
                handler.endpoint.gone.set()
                return
        except TimeoutError:
            continue
        except OSError:
            handler.endpoint.gone.set()
            return


def drip(handler: Handler, _seen: Seen) -> None:
    """One byte every 20 ms, for ever."""
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    while not handler.endpoint.closing.is_set():
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.02)


def hang_up(handler: Handler, _seen: Seen) -> None:
    handler.close_connection = True


def half(handler: Handler, _seen: Seen) -> None:
    """Promise more than is sent, and hang up."""
    body = completion("a cat")
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])


def flood(declared: bool) -> Behaviour:
    """50 MB, with or without saying so beforehand."""

    def behave(handler: Handler, _seen: Seen) -> None:
        handler.close_connection = True
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        if declared:
            handler.send_header("Content-Length", str(50 * 2**20))
        handler.end_headers()
        for _ in range(50):
            handler.wfile.write(b"x" * 2**20)

    return behave


def events(*chunks: Any, done: bool = True, stay: bool = False) -> Behaviour:
    """A stream of server-sent events, and comments (": ..."); `stay` leaves the line open after it."""

    def behave(handler: Handler, seen: Seen) -> None:
        handler.close_connection = True
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream; charset=utf-8")
        handler.end_headers()
        for chunk in chunks:
            text = chunk if isinstance(chunk, str) else json.dumps(chunk)
            handler.wfile.write((text if text.startswith(":") else f"data: {text}").encode() + b"\r\n\r\n")
        if done:
            handler.wfile.write(b"data: [DONE]\n\n")
        if stay:
            handler.wfile.flush()
            silence(handler, seen)

    return behave


def piece(text: str, **more: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}, **more}]}


def echo(handler: Any, seen: Any) -> None:
    """A server that tells everyone everything that it was sent."""
    handler.send(200, json.dumps({"choices": [{"message": {"content": str(seen.headers)}}]}).encode(), X_Echo=KEY)


def echo_error(handler: Any, seen: Any) -> None:
    handler.send(400, json.dumps({"error": {"message": f"bad {seen.headers['authorization']}"}}).encode())


SAYS = ("a red bus", "a green frog", "a blue whale")


def look(handler: Handler, seen: Seen) -> None:
    """See what is there by the strongest channel; as a judge find everything 0.4 alike."""
    if not seen.uri:
        handler.send(200, completion("0.4", {"prompt_tokens": 50, "completion_tokens": 1}))
        return
    means = [sum(band.tobytes()) for band in seen.picture.split()]
    handler.send(200, completion(SAYS[means.index(max(means))]))
