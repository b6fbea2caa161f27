"""What a hostile visitor does to the running app, and to another visitor who clicks meanwhile.

    python -m benchmarks.hostile --minutes 10 --json hostile.json

Starts `python -m app` with a data directory of its own on 127.0.0.1. Some threads then send it whatever they can think
of, by raw HTTP (`tests/hostile.py`): routes that are none, requests of other sites, forged calls, uploads, floods. From
another address of this machine an honest visitor brings a photo, makes a picture and clicks. At the end it prints what
must hold, and ends with code 1 where it does not: nothing of the honest visitor or of the machine was read, the server
is alive and its page loads, memory is within 200 MB of the start, and the 95th percentile of the honest clicks is below
2 s.
"""

import argparse
import itertools
import json
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks._harness import machine, run_benchmark, table, write_json
from foundation.command_line.program import Parser
from foundation.files.places import result_file
from tests.hostile import Answer, Hostile, form_of

MOST_GROWTH_MB = 200.0
MOST_SECONDS = 2.0
PAUSE_S = 0.02
SETTLED_S, SETTLED_MB, LONGEST_START_S = 15.0, 5.0, 300.0
THREADS = 4
HONEST, EVIL = "127.0.0.2", ("127.0.0.1", "127.0.0.3", "127.0.0.4")
UPLOAD = "attack-upload"
FILE = {"meta": {"_type": "gradio.FileData"}}
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 10**30, 1e308, "", "x" * 100_000, "\x00", "\ud800", " " * 200_000, "1" + " " * 40_000 + "x"),
    *([], {}, [[]] * 100, {"owner": "0" * 32}, {"path": "/etc/passwd", **FILE}, {"path": "/cache/../secret", **FILE}),
)


class PageConfig:
    """What a page says of itself: its functions, and what stands in its fields at first."""

    def __init__(self, html: str) -> None:
        found = re.search(r"window\.gradio_config = (\{.*?\});</script>", html, re.DOTALL)
        if found is None:
            raise SystemExit("The page has no configuration in it.")
        config = json.loads(found[1])
        self.functions: dict[int, dict[str, Any]] = {one["id"]: one for one in config["dependencies"]}
        self._components = {one["id"]: one["props"] for one in config["components"]}

    def triggered(self, event: str, elem_id: str | None = None) -> int:
        """The function that an event starts, on the component with this id."""
        return next(
            number
            for number, function in self.functions.items()
            for target, name in function["targets"]
            if name == event and (elem_id is None or self._components.get(target, {}).get("elem_id") == elem_id)
        )

    def fields(self, number: int, owner: Any, given: Mapping[str, Any] | None = None) -> list[Any]:
        """What a page sends with a function whose fields nobody has touched, but for those with these ids."""
        sent = []
        for one in self.functions[number]["inputs"]:
            props = self._components.get(one, {})
            name = props.get("elem_id")
            if given and name in given:
                sent.append(given[name])
            else:
                sent.append(owner if props.get("storage_key") is not None else props.get("value"))
        return sent


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
    owner: Any = field(default_factory=dict)
    session: str = "honestvisitor"

    def click(self, number: int, data: list[Any] | None = None) -> Answer:
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
            count = len(self.config.functions[number]["inputs"])
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
        bomb = _bomb(7000)
        yield "a picture that unpacks to much", lambda: self.bring(client, bomb, turn)
        yield (
            "paint",
            lambda: client.upload(
                b"x", "b", {"index": "40000000", "id": f"a{turn}"}, path="/gradio_api/component_server"
            ),
        )
        yield "half an upload", lambda: self._half(client)

    def bring(self, client: Hostile, data: bytes, turn: int) -> Answer:
        """Bring a picture to the attack tab."""
        sent = client.upload(data, "bomb.png")
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


def _bomb(side: int) -> bytes:
    """A small file of a large picture: PNG, 16 bits of grey, all black."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + 2 * side)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 16, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@contextmanager
def app_running(data: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """The real app, for as long as the context lasts; gives its process and its port."""
    options = ["--port", "0", "--data-dir", str(data), "--device", "cpu", "--no-browser"]
    with (data.parent / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", *options], stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        if found is None:
            process.kill()
            raise SystemExit(f"The app did not start: {(data.parent / 'server.log').read_text()[-2000:]}")
        try:
            yield process, int(found[1])
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def memory_mb(pid: int) -> float:
    """Memory of a process that is in use, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def settled_mb(pid: int) -> float:
    """Memory once the models are loaded, the first picture is made and the program has found out its speed."""
    last, since, begin = memory_mb(pid), time.monotonic(), time.monotonic()
    while time.monotonic() - since < SETTLED_S and time.monotonic() - begin < LONGEST_START_S:
        time.sleep(1)
        now = memory_mb(pid)
        if abs(now - last) > SETTLED_MB:
            last, since = now, time.monotonic()
    return memory_mb(pid)


def run(minutes: float, port: int, pid: int, data: Path) -> dict[str, Any]:
    """Let both visitors at the server for some minutes; returns what was seen."""
    config = PageConfig(Hostile(port).get("/", timeout=120).text)
    honest = Honest(Hostile(port, HONEST), config)
    honest.arrive()
    honest.bring(_bomb(64))
    honest.make()
    evil = Evil(port, config, data, honest.secrets)
    evil.bring(Hostile(port, EVIL[0]), _bomb(7000), -1)  # what a large picture needs once is no growth
    before = settled_mb(pid)
    honest.seconds.clear()
    end = time.monotonic() + 60 * minutes
    highest = [before]

    def attack(number: int) -> None:
        client = Hostile(port, EVIL[number % len(EVIL)])
        for turn in itertools.count(number * 100_000):
            for what, send in evil.attacks(turn, client):
                if time.monotonic() > end:
                    return
                try:
                    evil.see(what, send())
                except OSError:
                    evil.statuses[0] += 1
                time.sleep(PAUSE_S)

    def hold() -> None:
        client = Hostile(port, EVIL[0])
        beats = client.head("GET", "/gradio_api/heartbeat/evil")
        while time.monotonic() < end:
            with client.holding(150, beats), client.holding(100, b"GET / HT"):
                time.sleep(3)

    threads = [threading.Thread(target=attack, args=(number,), daemon=True) for number in range(THREADS)]
    threads.append(threading.Thread(target=hold, daemon=True))
    for thread in threads:
        thread.start()
    for turn in itertools.count():
        if time.monotonic() > end:
            break
        honest.arrive()
        if turn % 10 == 0:
            honest.bring(_bomb(64 + turn % 7))
        highest.append(memory_mb(pid))
        time.sleep(0.5)
    for thread in threads:
        thread.join(90)
    after = settled_mb(pid)  # what is in use, as at the start: not what a request had for a moment
    seconds = sorted(honest.seconds)
    return {
        "minutes": minutes,
        "requests": sum(evil.statuses.values()),
        "statuses": {str(status): count for status, count in sorted(evil.statuses.items())},
        "read": sorted(set(evil.read))[:20],
        "page_loads": Hostile(port, HONEST).get("/").status == 200,
        "memory_start_mb": before,
        "memory_end_mb": after,
        "memory_highest_mb": max(highest),
        "honest_clicks": len(seconds),
        "honest_faults": honest.faults[:20],
        "honest_median_s": statistics.median(seconds),
        "honest_p95_s": seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))],
    }


def judge(found: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What must hold, what was seen, and whether it does."""
    growth = found["memory_end_mb"] - found["memory_start_mb"]
    return [
        (
            "nothing of others, of the machine, or of a fault was read",
            "; ".join(found["read"]) or "-",
            not found["read"],
        ),
        ("the server is alive and its page loads", str(found["page_loads"]), found["page_loads"]),
        (f"memory within {MOST_GROWTH_MB:.0f} MB", f"{growth:+.0f} MB", growth < MOST_GROWTH_MB),
        ("honest clicks all answered", "; ".join(found["honest_faults"]) or "-", not found["honest_faults"]),
        (
            f"their 95th percentile < {MOST_SECONDS:g} s",
            f"{found['honest_p95_s']:.2f} s",
            found["honest_p95_s"] < MOST_SECONDS,
        ),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Attack, print what was seen, and write it if asked to; 1 where something does not hold."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long it takes (default: %(default)g)")
    parser.add_argument("--json", type=result_file, help="write what was seen here")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with app_running(data) as (process, port):
            found = run(options.minutes, port, process.pid, data)
            found["alive"] = process.poll() is None
        found["log_bytes"] = (data.parent / "server.log").stat().st_size
    judged = judge(found)
    print(table([["what must hold", "seen", ""], *[[a, b[:100], "yes" if c else "NO"] for a, b, c in judged]]))
    print(json.dumps({key: value for key, value in found.items() if key != "read"}, indent=1))
    if options.json:
        write_json(options.json, {"machine": machine(), **found})
    return 0 if found["alive"] and all(holds for _, _, holds in judged) else 1


if __name__ == "__main__":
    run_benchmark(main)
