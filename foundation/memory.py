"""Telling that memory ran out, of which PyTorch has several ways and one type, and giving back what is not used."""

import atexit
import contextlib
import ctypes
import errno
import gc
import os
from collections.abc import Callable, Iterator
from functools import cache

OUT_OF_MEMORY = (
    "Memory ran out: use a smaller size, fewer images or fewer views per step, or close other programs, then try again."
)
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
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
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
