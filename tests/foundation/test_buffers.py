"""Working memory of MKL in a server of many threads."""

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, threading
from foundation.memory import keep_no_buffers
keep_no_buffers()
import torch

class Used(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena o s h mapped u f used free k".split()]

mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Used

def used():
    found = mallinfo()
    return found.used + found.mapped

together = threading.Barrier(9)

def click():
    together.wait()
    torch.rand(500, 500) @ torch.rand(500, 500)
    together.wait()
    together.wait()  # a thread of a server does not end

torch.rand(500, 500) @ torch.rand(500, 500)
before = used()
threads = [threading.Thread(target=click, daemon=True) for _ in range(8)]
for thread in threads:
    thread.start()
together.wait(), together.wait()
print(used() - before)
together.wait()
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks glibc")
def test_threads_that_once_multiplied_matrices_keep_little() -> None:
    """Without it, these eight threads keep about 40 MB."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout) < 5e6
