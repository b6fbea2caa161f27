"""Telling that memory ran out: PyTorch says so in several ways, of which only one has a type of its own."""

import errno

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
