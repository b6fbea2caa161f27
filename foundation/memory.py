"""Telling that memory ran out, of which PyTorch has several ways and one type, and giving back what is not used."""

import atexit
import contextlib
import ctypes
import errno
import gc
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache

OUT_OF_MEMORY = (
    "Memory ran out: use a smaller size, fewer images or fewer views per step, or close other programs, then try again."
)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h
_REUSING = ((_M_MMAP_THRESHOLD, 2**30), (_M_TRIM_THRESHOLD, -1), (_M_ARENA_MAX, 1))
"""Options of glibc's allocator, and their values."""
_WORDS = ("can't allocate memory", "out of memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error means that there was not enough memory, on the CPU or on a GPU."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    # torch.OutOfMemoryError is a RuntimeError, and says "out of memory": so nothing has to be imported to tell.
    known = isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _WORDS)
    return isinstance(error, MemoryError) or known


def give_back() -> None:
    """Return memory that was freed to the operating system, where its C library can be asked for that (glibc).

    A thread's allocations come from an arena of its own, which keeps what lies free below anything that is still used:
    after many threads have each held something large for a moment, a server looks as if it still had all of it.
    """
    trim = _library_function("malloc_trim")
    if trim is not None:
        trim(0)


def reuse_freed() -> bool:
    """Keep memory that was freed for what comes next; whether it will be kept.

    glibc returns large blocks to the operating system as soon as they are freed, and each pass through a network asks
    for the same ones again: every page of them is then emptied anew, by one thread at a time, which takes a quarter to
    a half of an evaluation's time (`python -m benchmarks.reused_memory`). Blocks of up to 1 GiB now come from one heap
    that does not shrink by itself: a server calls `give_back` now and then, or it would hold on to all that its largest
    job took. Where glibc is not, nothing changes. Who has set glibc's variables has it so.
    """
    options = _library_function("mallopt")
    if options is None or _own_choice(os.environ):
        return False
    # Threads would have heaps of their own, of 64 MiB at most, above which blocks are returned as before.
    return all(options(option, value) == 1 for option, value in _REUSING)


def _own_choice(environment: Mapping[str, str]) -> bool:
    return any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in environment)


@cache
def _library_function(name: str) -> Callable[..., int] | None:
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError, TypeError):  # macOS, musl; Windows has no library of the whole process
        return None
    return found


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """Load or build much that stays, without looking for garbage in it; it is never looked through later either.

    Python looks through everything each time that it has grown by a quarter, a quarter of a second at the last, while
    nothing else runs: more than a second of the app's start. Not for a library, since what is garbage at the end of it
    stays, too.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        atexit.register(gc.unfreeze)  # at the end all goes in its order, or threads of other languages abort


def keep_no_buffers() -> None:
    """Have Intel's MKL give its working memory back after each call; to be said before PyTorch is imported.

    It would keep up to some 13 MB for every thread that ever multiplied matrices, until that thread ends: half a
    gigabyte in a server that answers in forty threads. Who set the variable otherwise has it so.
    """
    os.environ.setdefault("MKL_DISABLE_FAST_MM", "1")
