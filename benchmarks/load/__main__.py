"""Many people at one studio for some minutes, each of whom must be served.

    python -m benchmarks.load --users 30 --minutes 5 --json load.json

Starts `python -m app` with a data directory of its own on 127.0.0.1, on two cores if there are more. One order of each
kind warms it up: models are loaded, and parts of the program that nobody needed before. Then so many users come, each
from an address of their own, open the page and order one job after another with time to think in between: texts,
classes, attacks, transfers, now and then an evaluation of a few images, some of it on the page. Some stop theirs, read
their history, fetch results, delete them. Who is told to come again does so; it counts as waiting. At the end all wait
for what they ordered.

It prints how long they waited (seconds from when a job was first asked for), and what must hold, and ends with code 1
where it does not: no answer is 5xx, no job failed or was lost, no fault is in the log, the longest wait for the end of
a job is at most three times the median of its kind, and memory in the second minute and in the last one differ by
less than 10 %.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import machine, run_benchmark, table, write_json
from benchmarks.hostile.server import app_running, memory_mb
from benchmarks.load.figures import Found, faults_of
from benchmarks.load.orders import KINDS
from benchmarks.load.tally import Tally, middle
from benchmarks.load.users import User
from foundation.command_line.program import Parser
from foundation.errors import StudioError
from foundation.files.places import result_file
from foundation.files.text_files import read_text

WARM_S = 60.0
LONGEST_END_S = 900.0
"""For how long users may wait for their last orders."""
SAMPLES_S = 60.0
"""Memory is the median over so many seconds: jobs come and go, and each takes some while it runs."""
CURVE_S = 10.0
LOG_SHOWN = 20_000
"""Characters of the server's log that are shown where a fault is in it."""
MOST_USERS = 250
"""Each has an address of the machine's own network."""


class Memory:
    """The memory that a process has in use, looked at twice a second by a thread of its own."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._seen: list[tuple[float, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(0.5):
            self._seen.append((time.monotonic(), memory_mb(self._pid)))

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    def curve(self, begin: float) -> list[tuple[float, float]]:
        """Seconds after a moment, and MB, about every ten seconds."""
        return [(round(at - begin, 1), round(mb, 1)) for at, mb in self._seen[:: int(2 * CURVE_S)]]

    def around(self, moment: float) -> float:
        """In MB, the median of the seconds until a moment."""
        near = [mb for at, mb in self._seen if moment - SAMPLES_S <= at <= moment]
        return middle(near or [mb for _, mb in self._seen])


def run(users: int, minutes: float, data: Path) -> Found:
    """Let so many users at a studio for some minutes; what was seen."""
    tally = Tally()
    with app_running(data) as (process, port):
        first = User(users, port, 0.0, Tally())
        first.try_all()
        tally.faults += first.tally.faults
        memory, begin = Memory(process.pid), time.monotonic()
        until = begin + 60 * minutes
        threads = [
            threading.Thread(target=User(number, port, until, tally).run, daemon=True) for number in range(users)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, until + LONGEST_END_S - time.monotonic()))
        memory.end()
        alive = process.poll() is None
    text = read_text(data.parent / "server.log")
    log = faults_of(text)
    if log:
        print(f"the end of the server's log:\n{text[-LOG_SHOWN:]}", file=sys.stderr)
    warm = memory.around(begin + min(WARM_S + SAMPLES_S, 30 * minutes))
    return Found.of(tally, log, warm, memory.around(until), memory.curve(begin), alive=alive)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print what was seen, and write it if asked to; 1 where something does not hold."""
    parser = Parser(
        prog="python -m benchmarks.load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=30, help="how many there are (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=5.0, help="for how long they order (default: %(default)g)")
    parser.add_argument("--json", type=result_file, help="write what was seen here")
    options = parser.parse_args(arguments)
    if not 1 <= options.users <= MOST_USERS or not 0 < options.minutes < 24 * 60:
        raise StudioError(f"--users is 1 to {MOST_USERS}, and --minutes more than 0.")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    with tempfile.TemporaryDirectory() as folder:
        found = run(options.users, options.minutes, Path(folder) / "data")
    print(table(found.rows()), end="\n\n")
    judged = [[what, seen[:100], "yes" if holds else "NO"] for what, seen, holds in found.judged()]
    print(table([["what must hold", "seen", ""], *judged]))
    print(f"\nmemory: {found.warm_mb:.0f} MB after warm-up, {found.end_mb:.0f} MB at the end")
    if options.json:
        setting = {"users": options.users, "minutes": options.minutes, "kinds": [*KINDS]}
        write_json(options.json, {"machine": machine(), **setting, **found.to_json()})
    return 0 if all(holds for _, _, holds in found.judged()) else 1


if __name__ == "__main__":
    run_benchmark(main)
