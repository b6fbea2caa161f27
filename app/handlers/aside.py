"""A few threads of their own for what the page asks of models without a job.

PyTorch's libraries keep working memory of every thread that ever ran one of their kernels, until the thread ends. The
server answers clicks in forty threads that never do: so models are asked in these instead.
"""

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

THREADS = 2
"""Enough that one slow question does not hold up all others."""
P = ParamSpec("P")
R = TypeVar("R")


class Aside:
    """Runs functions in those threads, in the order in which they come; whoever asks waits for the answer."""

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="asked by the page")

    def __call__(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What the function returns or raises, with the caller's context variables."""
        context = contextvars.copy_context()
        return self._threads.submit(lambda: context.run(function, *args, **kwargs)).result()
