"""Whatever test runs first: torchvision's missing operators are declared before anything imports it, and the import of
Gradio is prepared as the app does it.

Property tests draw as many examples as `tests.examples` says.

Every page that is built outside of a running event loop makes loops of its own (`gradio.utils.safe_get_lock`), sets
each as the thread's and drops the one before, open. Collected at any later moment, in any test, each warns, and a
warning that is an error prints a trace, for which Python parses source: inside another parse that ends in "AST
constructor recursion depth mismatch". So what is replaced is closed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

import app  # noqa: F401
from foundation import torchvision_cure  # noqa: F401
from foundation.memory import reuse_freed, without_collecting
from tests.examples import examples
from tests.forking import Forking

settings.register_profile("studio", max_examples=examples(100))
settings.load_profile("studio")


class NoLoopLeftOpen(asyncio.DefaultEventLoopPolicy):
    """Closes the loop that another one replaces."""

    def set_event_loop(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Take it for this thread's."""
        before: asyncio.AbstractEventLoop | None = getattr(self._local, "_loop", None)  # type: ignore[attr-defined]
        if before is not None and before is not loop and not before.is_running():
            before.close()
        super().set_event_loop(loop)


asyncio.set_event_loop_policy(NoLoopLeftOpen())
reuse_freed()  # where pages are dear, as on virtual machines, emptying them anew for each test takes a good part of it
_collecting = contextlib.ExitStack()
_collecting.enter_context(without_collecting())


def pytest_collection_finish() -> None:
    """All files are imported: none of that is looked through for garbage from now on."""
    _collecting.close()


def pytest_sessionfinish() -> None:
    """The same where nothing is collected, as in the process that hands tests out."""
    _collecting.close()


@pytest.fixture(scope="session")
def forking() -> Iterator[Forking]:
    """The process from which programs are forked: who wants one says what it must have imported (`Forking.need`)."""
    opened = Forking()
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """A program that a test has started in this process logs no more when the test is over: its stream is gone."""
    root, before = logging.getLogger(), [*logging.getLogger().handlers]
    level = root.level
    yield
    root.setLevel(level)
    for handler in [*root.handlers]:
        if handler not in before and not type(handler).__module__.startswith("_pytest."):
            root.removeHandler(handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: where files run side by side, none of them begins when all others are done."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
