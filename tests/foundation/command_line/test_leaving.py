"""A program whose threads still compute ends with its own code, and with all that it said."""

import subprocess
import sys

import pytest

CODE = """
import atexit, sys, threading, time
from foundation.command_line.program import leave
atexit.register(print, "ended in order")
if {busy}:
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
print("said", end=" ")
sys.exit(leave(3))
"""


@pytest.mark.parametrize(("busy", "said"), [(True, "said "), (False, "said ended in order\n")])
def test_it_ends_with_its_code(busy: bool, said: str) -> None:
    words = [sys.executable, "-c", CODE.format(busy=busy)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, said, "")
