"""Two visitors of the app: one who uses the page as it is meant, and one who sends whatever can be thought of."""

import json
import re
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.hostile import Answer, Hostile, form_of

UPLOAD = "attack-upload"
FILE = {"meta": {"_type": "gradio.FileData"}}
VALUES: tuple[object, ...] = (
    *(None, True, -1, 10**30, 1e308, "", "x" * 100_000, "\x00", "\ud800", " " * 200_000, "1" + " " * 40_000 + "x"),
    *([], {}, [[]] * 100, {"owner": "0" * 32}, {"path": "/etc/passwd", **FILE}, {"path": "/cache/../secret", **FILE}),
)


@dataclass(frozen=True)
class Function:
    """A function of a page: the events that start it, each with its component, and the components that it reads."""

    targets: tuple[tuple[int | None, str], ...]
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class Component:
    """A component of a page: its id there, what stands in it at first, and whether the browser keeps it."""

    elem_id: str | None = None
    value: object = None  # which is only sent back
    stored: bool = False


class PageConfig:
    """What a page says of itself: its functions, and what stands in its fields at first."""

    def __init__(self, html: str) -> None:
        found = re.search(r"window\.gradio_config = (\{.*?\});</script>", html, re.DOTALL)
        if found is None:
            raise SystemExit("The page has no configuration in it.")
        config = json.loads(found[1])
        self.functions: dict[int, Function] = {
            one["id"]: Function(tuple((target, name) for target, name in one["targets"]), tuple(one["inputs"]))
            for one in config["dependencies"]
        }
        self._components = {one["id"]: _component(one["props"]) for one in config["components"]}

    def triggered(self, event: str, elem_id: str | None = None) -> int:
        """The function that an event starts, on the component with this id."""
        return next(
            number
            for number, function in self.functions.items()
            for target, name in function.targets
            if name == event and (elem_id is None or self._component(target).elem_id == elem_id)
        )

    def fields(self, number: int, owner: Mapping[str, str], given: Mapping[str, object] | None = None) -> list[object]:
        """What a page sends with a function whose fields nobody has touched, but for those with these ids."""
        sent: list[object] = []
        for component in map(self._component, self.functions[number].inputs):
            name = component.elem_id
            if given and name is not None and name in given:
                sent.append(given[name])
            else:
                sent.append(owner if component.stored else component.value)
        return sent

    def _component(self, number: int | None) -> Component:
        return self._components.get(number, Component())


def _component(props: Any) -> Component:
    """A component of Gradio's properties, of which each kind has its own."""
    return Component(props.get("elem_id"), props.get("value"), props.get("storage_key") is not None)


@dataclass
class Honest:
    """A visitor who uses the page as it is meant.

    Attributes:
        seconds: of every click.
        secrets: what nobody else may see.
    """

    client: Hostile
    config: PageConfig
    seconds: list[float] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    owner: dict[str, str] = field(default_factory=dict)
    session: str = "honestvisitor"

    def click(self, number: int, data: list[object] | None = None) -> Answer:
        """One click, and how long it took."""
        body = {
            "data": self.config.fields(number, self.owner) if data is None else data,
            "fn_index": number,
            "trigger_id": None,
            "event_data": None,
            "session_hash": self.session,
        }
        begin = time.perf_counter()
        answer = self.client.call(body, timeout=60)
        self.seconds.append(time.perf_counter() - begin)
        if answer.status != 200:
            self.faults.append(f"{answer.status}: {answer.text[:120]}")
        return answer

    def arrive(self) -> None:
        """Open the page."""
        answer = self.click(self.config.triggered("load"))
        if answer.status == 200 and (found := re.search(r'"owner":\s*"([0-9a-f]{32})"', answer.text)):
            self.owner = {"owner": found[1]}
            self.secrets.add(found[1])

    def bring(self, photo: bytes) -> None:
        """Bring a photo to the attack tab."""
        answer = self.client.upload(photo, "holiday.png")
        if answer.status != 200:
            self.faults.append(f"upload {answer.status}: {answer.text[:120]}")
            return
        address = answer.json()[0]
        self.secrets.add(address.split("/")[2])
        number = self.config.triggered("upload", UPLOAD)
        shown = self.click(number, self.config.fields(number, self.owner, {UPLOAD: {"path": address, **FILE}}))
        self.secrets |= set(re.findall(r"uploads/([0-9a-f]{64})", shown.text))

    def make(self) -> None:
        """Make a picture with everything as it is."""
        answer = self.click(self.config.triggered("click", "text-start"))
        self.secrets |= set(re.findall(r'data-job=\\?"([0-9a-f]{32})', answer.text))


@dataclass
class Evil:
    """Everything that is sent to the server, and what came back of it."""

    port: int
    config: PageConfig
    data: Path
    secrets: set[str]
    statuses: Counter[int] = field(default_factory=Counter)
    read: list[str] = field(default_factory=list)

    def see(self, what: str, answer: Answer) -> None:
        """Count an answer, and look for what it must not have."""
        self.statuses[answer.status] += 1
        text = answer.text
        forbidden = [*self.secrets, "root:x:0:", str(self.data), "Traceback (most recent"]
        self.read += [f"{what}: {secret[:40]}" for secret in forbidden if secret in text]
        if answer.status >= 500 and answer.status not in (503, 507):
            self.read.append(f"{what}: {answer.status} {text[:100]}")

    def attacks(self, turn: int, client: Hostile) -> Iterator[tuple[str, Callable[[], Answer]]]:
        """One round of everything."""
        for path in _PATHS:
            yield path, lambda path=path: client.get(path)  # type: ignore[misc]
        for headers in _FOREIGN:
            yield str(headers), lambda headers=headers: client.get("/", headers=headers)  # type: ignore[misc]
        yield "foreign upload", lambda: client.upload(b"x", headers={"Origin": "http://evil.example"})
        yield "2 MB of JSON", lambda: client.call(b"[" + b"[]," * 700_000 + b"[]]")
        yield "deep JSON", lambda: client.call(b"[" * 200_000)
        yield "many values", lambda: client.call(b"[" + b"0," * 300_000 + b"0]")
        numbers = list(self.config.functions)
        for index in range(12):
            number = numbers[(turn * 12 + index) % len(numbers)]
            value = VALUES[(turn + index) % len(VALUES)]
            count = len(self.config.functions[number].inputs)
            body = {
                "data": [value] * count,
                "event_data": {"pick": value, "index": value, "value": value},
                "fn_index": number,
                "session_hash": f"evil{turn}x{index}",
            }
            yield f"call {number} with {str(value)[:20]}", lambda body=body: client.call(body)  # type: ignore[misc]
        load = self.config.triggered("load")
        for index in range(5):
            page = {"data": [{}], "fn_index": load, "session_hash": f"page{turn}x{index}"}
            yield "another page", lambda page=page: client.call(page)  # type: ignore[misc]
        bomb = picture_bomb(7000)
        yield "a picture that unpacks to much", lambda: self.bring(client, bomb, turn)
        yield (
            "paint",
            lambda: client.upload(
                b"x", "b", {"index": "40000000", "id": f"a{turn}"}, path="/gradio_api/component_server"
            ),
        )
        yield "half an upload", lambda: self._half(client)

    def bring(self, client: Hostile, picture: bytes, turn: int) -> Answer:
        """Bring a picture to the attack tab."""
        sent = client.upload(picture, "bomb.png")
        if sent.status != 200:
            return sent
        number = self.config.triggered("upload", UPLOAD)
        data = self.config.fields(number, {"owner": "e" * 32}, {UPLOAD: {"path": sent.json()[0], **FILE}})
        return client.call({"data": data, "fn_index": number, "session_hash": f"bomb{turn}"})

    def _half(self, client: Hostile) -> Answer:
        kind, form = form_of(b"x" * 100_000)
        head = client.head("POST", "/gradio_api/upload", {"Content-Type": kind, "Content-Length": str(len(form))})
        return client.raw(head + form[:50_000], "POST", timeout=0.2)


_PATHS = (
    *("/pwa_icon/999999", "/config", "/gradio_api/info", "/gradio_api/startup-events", "/monitoring/summary"),
    *("/gradio_api/deep_link?session_hash=honestvisitor", "/gradio_api/queue/data?session_hash=honestvisitor"),
    *("/gradio_api/file=/etc/passwd", "/gradio_api/file=http://127.0.0.1:1/", "/gradio_api/file=/cache/../secret"),
    *(
        "/media/data/secret?k=0",
        "/media/data/../secret?k=0",
        "/media/data/jobs?k=",
        "/static/..%2f..%2f..%2fetc/passwd",
    ),
    *("/assets/%00", "/?token=x", "/?deep_link=../x", "/gradio_api/proxy=http://127.0.0.1:1/x"),
)
_FOREIGN = (
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"X-Forwarded-Host": "evil.example"},
    {"X": "x" * 200_000},
)


def picture_bomb(side: int) -> bytes:
    """A small file of a large picture: PNG, 16 bits of grey, all black."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + 2 * side)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 16, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
