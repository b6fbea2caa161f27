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
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.harness import machine, run_benchmark, table, write_json
from benchmarks.hostile.server import app_running, memory_mb, settled_mb
from benchmarks.hostile.visitors import Evil, Honest, PageConfig, picture_bomb
from foundation.command_line.program import Parser
from foundation.files.places import result_file
from tests.hostile import Hostile

MOST_GROWTH_MB = 200.0
MOST_SECONDS = 2.0
PAUSE_S = 0.02
THREADS = 4
HONEST, EVIL = "127.0.0.2", ("127.0.0.1", "127.0.0.3", "127.0.0.4")


@dataclass(frozen=True)
class Seen:
    """What was seen in some minutes.

    Attributes:
        requests: of the hostile visitor, and `statuses` how often they were answered so (0: not at all).
        read: what was read that must not be.
        page_loads: whether the page still does.
        memory_start_mb, memory_end_mb, memory_highest_mb: memory of the server.
        honest_clicks, honest_faults, honest_median_s, honest_p95_s: what the other visitor met.
    """

    minutes: float
    requests: int
    statuses: dict[str, int]
    read: list[str]
    page_loads: bool
    memory_start_mb: float
    memory_end_mb: float
    memory_highest_mb: float
    honest_clicks: int
    honest_faults: list[str]
    honest_median_s: float
    honest_p95_s: float

    @property
    def growth_mb(self) -> float:
        """Of memory, from the start to the end."""
        return self.memory_end_mb - self.memory_start_mb


def run(minutes: float, port: int, pid: int, data: Path) -> Seen:
    """Let both visitors at the server for some minutes; returns what was seen."""
    config = PageConfig(Hostile(port).get("/", timeout=120).text)
    honest = Honest(Hostile(port, HONEST), config)
    honest.arrive()
    honest.bring(picture_bomb(64))
    honest.make()
    evil = Evil(port, config, data, honest.secrets)
    evil.bring(Hostile(port, EVIL[0]), picture_bomb(7000), -1)  # what a large picture needs once is no growth
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
            honest.bring(picture_bomb(64 + turn % 7))
        highest.append(memory_mb(pid))
        time.sleep(0.5)
    for thread in threads:
        thread.join(90)
    after = settled_mb(pid)  # what is in use, as at the start: not what a request had for a moment
    seconds = sorted(honest.seconds)
    return Seen(
        minutes=minutes,
        requests=sum(evil.statuses.values()),
        statuses={str(status): count for status, count in sorted(evil.statuses.items())},
        read=sorted(set(evil.read))[:20],
        page_loads=Hostile(port, HONEST).get("/").status == 200,
        memory_start_mb=before,
        memory_end_mb=after,
        memory_highest_mb=max(highest),
        honest_clicks=len(seconds),
        honest_faults=honest.faults[:20],
        honest_median_s=statistics.median(seconds),
        honest_p95_s=seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))],
    )


def judge(seen: Seen) -> list[tuple[str, str, bool]]:
    """What must hold, what was seen, and whether it does."""
    growth, slow = seen.growth_mb, seen.honest_p95_s
    return [
        ("nothing of others, of the machine, or of a fault was read", "; ".join(seen.read) or "-", not seen.read),
        ("the server is alive and its page loads", str(seen.page_loads), seen.page_loads),
        (f"memory within {MOST_GROWTH_MB:.0f} MB", f"{growth:+.0f} MB", growth < MOST_GROWTH_MB),
        ("honest clicks all answered", "; ".join(seen.honest_faults) or "-", not seen.honest_faults),
        (f"their 95th percentile < {MOST_SECONDS:g} s", f"{slow:.2f} s", slow < MOST_SECONDS),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Attack, print what was seen, and write it if asked to; 1 where something does not hold."""
    parser = Parser(
        prog="python -m benchmarks.hostile",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="how long it takes (default: %(default)g)")
    parser.add_argument("--json", type=result_file, help="write what was seen here")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with app_running(data) as (process, port):
            seen = run(options.minutes, port, process.pid, data)
            alive = process.poll() is None
        log_bytes = (data.parent / "server.log").stat().st_size
    judged = judge(seen)
    found: dict[str, object] = {**asdict(seen), "alive": alive, "log_bytes": log_bytes}
    print(table([["what must hold", "seen", ""], *[[a, b[:100], "yes" if c else "NO"] for a, b, c in judged]]))
    print(json.dumps({key: value for key, value in found.items() if key != "read"}, indent=1))
    if options.json:
        write_json(options.json, {"machine": machine(), **found})
    return 0 if alive and all(holds for _, _, holds in judged) else 1


if __name__ == "__main__":
    run_benchmark(main)
