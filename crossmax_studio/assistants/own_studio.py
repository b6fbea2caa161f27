"""A studio of the assistant's own: a process that is started when it is first needed, and ends with the tools."""

import contextlib
import os
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from foundation.errors import StudioError

START_SECONDS = 300.0
END_SECONDS = 10.0
ROOT = Path(__file__).resolve().parents[2]
"""Where our packages lie: the process takes them from here, and not from the folder that it is started in."""
_ADDRESS = re.compile(r"CrossMax Studio: (http://\S+)")
_SAID = 3
"""Last lines that a refusal repeats."""


def command_of(data_root: Path, device: str | None) -> tuple[str, ...]:
    """The command that starts a studio of this machine's own, on any port that is free."""
    flags = ("--no-browser", "--host", "127.0.0.1", "--port", "0", "--data-dir", str(data_root))
    return (sys.executable, "-P", "-m", "app", *flags, *(("--device", device) if device else ()))


class OwnStudio:
    """The process. What it prints goes to this program's standard error, where assistants keep logs.

    Args:
        command: that starts it, and prints its address.
        environment: of the process, beside where our packages lie.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] = os.environ) -> None:
        self._command = tuple(command)
        paths = [str(ROOT), *filter(None, [environment.get("PYTHONPATH", "")])]
        self._environment = {**environment, "PYTHONPATH": os.pathsep.join(paths)}
        self._process: subprocess.Popen[str] | None = None
        self._lock, self._settled = threading.Lock(), threading.Event()
        self._address, self._said = "", deque[str](maxlen=_SAID)

    def address(self) -> str:
        """Where it answers, once it does; it is started by the first question. StudioError: it does not start."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
        if not self._settled.wait(START_SECONDS) or not self._address:
            said = " ".join(self._said) or "It said nothing."
            raise StudioError(
                f"The studio could not be started: {said} One that is running already can be named: --studio ADDRESS."
            )
        return self._address

    def close(self) -> None:
        """End it: it keeps what it made, and is given some seconds for that."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        self._settled.clear()
        self._address = ""
        self._said.clear()
        try:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise StudioError(f"The studio could not be started: {error.strerror or error}.") from error
        threading.Thread(target=self._listen, args=(self._process,), name="own studio", daemon=True).start()

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout as lines, contextlib.suppress(ValueError, OSError):  # the streams end with the program
            for line in lines:
                found = _ADDRESS.search(line)
                if found is not None:
                    self._address = found[1]
                    self._settled.set()
                self._said.append(line.strip())
                print(line, end="", file=sys.stderr, flush=True)
        self._settled.set()
        process.wait()  # it ended, or closed its output to end: nobody else may ask for it again
