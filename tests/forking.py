"""Programs of tests, each a child of one process that has imported already what all of them need.

A fresh Python with `foundation.jobs` takes most of a second, one with PyTorch several. The children have nothing of
each other: each is forked from a process that has imported, and done nothing else. `forking`, of `tests.conftest`, is
that process for all tests of a session.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tests.sources import ROOT

COMPILER = "torch._dynamo"
"""What PyTorch imports as soon as an optimiser is made, and takes two seconds for."""
# Reads one order after another: imports modules, forks a child that runs a program, or waits for one to be gone.
FORKING = """
import importlib, json, os, socket, sys

orders = socket.socket(fileno=int(sys.argv[1]))
while True:
    order, given, _, _ = socket.recv_fds(orders, 1 << 20, 1)
    if not order:
        break
    asked = json.loads(order)
    if "wait" in asked:
        answer = os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1])
    elif "import" in asked:
        for name in asked["import"]:
            importlib.import_module(name)
        answer = 0
    else:
        answer = os.fork()
        if answer == 0:
            orders.close()
            os.dup2(given[0], 1)
            os.close(given[0])
            os.chdir(asked["folder"])
            sys.argv = ["-c", *asked["arguments"]]
            status = 1
            try:
                exec(compile(asked["code"], "<program>", "exec"), {"__name__": "__main__"})
                sys.stdout.flush()
                status = 0
            except BaseException:
                import traceback
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(given[0])
    orders.sendall(json.dumps(answer).encode())
"""


@dataclass
class Program:
    """A program that runs: what it prints, and an end to it."""

    number: int
    stdout: TextIO
    _forking: "Forking"

    def kill(self) -> None:
        """SIGKILL, and until it is gone with all that it held."""
        os.kill(self.number, signal.SIGKILL)  # it was not waited for: the number is still the child's
        self._forking.wait(self.number)


class Forking:
    """A process that imports what programs need, and starts them as its children."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", FORKING, str(theirs.fileno())],
                cwd=ROOT,
                env={
                    **os.environ,
                    "OMP_NUM_THREADS": "1",
                    "PYTHONPATH": str(ROOT),
                    "GRADIO_ANALYTICS_ENABLED": "False",
                },
                pass_fds=[theirs.fileno()],
            )

    def need(self, *modules: str) -> None:
        """Import modules, unless that was done, for all programs that start from now on."""
        self._orders.sendall(json.dumps({"import": modules}).encode())
        self._answer()

    def run(self, code: str, *arguments: str, folder: Path = ROOT) -> str:
        """What a program prints that must end well."""
        program = self.start(code, *arguments, folder=folder)
        with program.stdout:
            said = program.stdout.read()
        assert self.wait(program.number) == 0, "what it said of its end is in the captured stderr"
        return said

    def start(self, code: str, *arguments: str, folder: Path = ROOT) -> Program:
        """A child that runs a program's code in a folder, as `python -c` would; what it prints comes by a pipe."""
        said, says = os.pipe()
        order = {"code": code, "arguments": arguments, "folder": str(folder)}
        socket.send_fds(self._orders, [json.dumps(order).encode()], [says])
        os.close(says)
        return Program(self._answer(), os.fdopen(said, encoding="utf-8"), self)

    def wait(self, number: int) -> int:
        """The exit status of a child that ends; negative is the signal that ended it."""
        self._orders.sendall(json.dumps({"wait": number}).encode())
        return self._answer()

    def close(self) -> None:
        """End it; children that still run are the tests' to end."""
        self._orders.close()
        self._process.wait(60)

    def _answer(self) -> int:
        answer = self._orders.recv(100)
        assert answer, "the process that forks has ended"
        return int(json.loads(answer))
