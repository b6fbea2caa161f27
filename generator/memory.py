"""Telling that memory ran out: PyTorch says so in several ways, of which only one has a type of its own."""

import torch

OUT_OF_MEMORY = (
    "Memory ran out: use a smaller size, fewer images or fewer views per step, or close other programs, then try again."
)
_WORDS = ("can't allocate memory", "out of memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error means that there was not enough memory, on the CPU or on a GPU."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _WORDS)
