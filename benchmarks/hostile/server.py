"""The real app, run for a while, and the memory that it has in use."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SETTLED_S, SETTLED_MB, LONGEST_START_S = 15.0, 5.0, 300.0


@contextmanager
def app_running(
    data: Path, environment: Mapping[str, str] | None = None
) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """The real app, for as long as the context lasts, in an `environment` or this one; gives its process and port."""
    options = ["--port", "0", "--data-dir", str(data), "--device", "cpu", "--no-browser"]
    with (data.parent / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", *options], stdout=subprocess.PIPE, stderr=log, text=True, env=environment
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


def memory_mb(pid: int, field: str = "VmRSS") -> float:
    """Memory of a process that is in use ("VmRSS"), or was at most ("VmHWM"), in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"{field}:\s+(\d+) kB", status)
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
