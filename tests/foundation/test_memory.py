import errno
import gc
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from foundation.memory import give_back, is_out_of_memory, without_collecting


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("not enough memory"), False),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
    ],
)
def test_the_ways_in_which_memory_runs_out(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) == expected


def test_what_pytorch_raises_on_the_cpu() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert is_out_of_memory(caught.value)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory in use is read from Linux")
def test_what_was_freed_below_what_is_used_is_given_back() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    give_back()
    start = resident()
    blocks = [bytearray(b"x" * 40_000) for _ in range(4000)]
    last = blocks.pop()  # it lies above the others, which keeps them from being given back
    assert resident() - start > 120e6
    del blocks
    give_back()
    assert resident() - start < 60e6
    assert len(last) == 40_000


def test_what_is_loaded_without_collecting_is_never_looked_through() -> None:
    before = gc.get_freeze_count()
    with pytest.raises(ZeroDivisionError), without_collecting():
        kept = [[] for _ in range(1000)]
        assert not gc.isenabled()
        with without_collecting():
            pass
        assert not gc.isenabled(), "one inside another"
        raise ZeroDivisionError
    assert gc.isenabled() and gc.get_freeze_count() >= before + len(kept)
    assert not any(one is kept for one in gc.get_objects())


TURNS = """
import resource, threading
from foundation.memory import reuse_freed
kept = {kept} and reuse_freed()
import torch

def turns():
    for _ in range(5):
        torch.ones(8, 2**20)  # 32 MiB, freed at once

def emptied():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    thread = threading.Thread(target=turns)
    thread.start()
    thread.join()
    turns()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize()

for _ in range(5):  # until the heap has room for a block beside what lies around it
    emptied()
print(kept, min(emptied() for _ in range(5)))  # which something that was put into that room may have taken once more
"""


def in_a_program(kept: bool, **environment: str) -> tuple[str, int]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", TURNS.format(kept=kept)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**own, **environment},
    )
    said, emptied = done.stdout.split()
    return said, int(emptied)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks glibc")
def test_freed_memory_is_kept_for_what_comes_next_in_every_thread() -> None:
    said, emptied = in_a_program(kept=True)
    assert said == "True" and emptied < 8 * 2**20
    said, emptied = in_a_program(kept=False)
    assert said == "False" and emptied > 300 * 2**20, "else there is nothing to gain"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks glibc")
@pytest.mark.parametrize("variable", ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
def test_who_has_told_the_allocator_otherwise_has_it_so(variable: str) -> None:
    value = "glibc.malloc.trim_threshold=131072" if variable == "GLIBC_TUNABLES" else "131072"
    assert in_a_program(True, **{variable: value})[0] == "False"
