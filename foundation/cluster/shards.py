"""What is handed out: parts of a job, what they say while they are done, and what comes of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NoReturn, Protocol, TypeVar

from foundation.errors import StudioError
from foundation.progress import Progress
from foundation.protocols import JobContext

T = TypeVar("T")
Value_co = TypeVar("Value_co", covariant=True)


class PartContext(JobContext, Protocol):
    """How a part of a job reports, hears that it should end, and hands in what is finished of it."""

    def hand_in(self, value: object, /) -> None:
        """Give something to whoever runs the job, before the part is done. What is handed in is kept after a stop.

        The part may be done again after that, where its worker died: its value must be known by a name of its own.
        """
        ...


Work = Callable[[PartContext], object]
"""What does a part."""


@dataclass(frozen=True)
class Shard(Generic[T]):
    """A part of a job.

    Attributes:
        title: what people call it.
        work: makes, when the part is handed out, what does it on a worker. What that returns depends on nothing else,
            and so it may be done more than once; it is None only where a stop came before there was anything. Both are
            sent: large values that several shards need are `Shared`.
    """

    title: str
    work: Callable[[], Callable[[PartContext], T | None]]


@dataclass(frozen=True)
class Refused:
    """The work of a part that turned out to be impossible when it was handed out."""

    why: str

    def __call__(self, _context: PartContext) -> NoReturn:
        """Say why."""
        raise StudioError(self.why)


class Shared(Protocol[Value_co]):
    """A value that is sent to each machine once, however many shards there need it."""

    @property
    def value(self) -> Value_co:
        """The value: on a worker its own copy, which stays there from shard to shard."""
        ...


@dataclass(frozen=True)
class Here(Generic[T]):
    """A shared value that is not sent."""

    value: T


@dataclass(frozen=True)
class Told:
    """What a part said of its progress, as it is sent: the preview as a JPEG beside it, b"" where there is none."""

    now: Progress
    preview: bytes = b""


@dataclass(frozen=True)
class Given:
    """What a part handed in."""

    value: object


News = Told | Given


@dataclass(frozen=True)
class Answer:
    """How a part ended: with a value, with a refusal in words, or with a fault of the program, as a traceback."""

    value: object = None
    refusal: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Introduction:
    """What a worker says of itself once it is there: its machine, its process, its device, and what code it runs."""

    host: str
    process: int
    device: str
    code: str


class LostError(Exception):
    """A worker is gone, with what it was doing."""


class Handle(Protocol):
    """One worker, as seen from here. Nothing of this waits for it, and all may raise LostError."""

    def introduction(self) -> Introduction | None:
        """What it says of itself; None as long as it is not there."""
        ...

    def begin(self, work: Work) -> None:
        """Give it a part; it has none."""
        ...

    def look(self) -> tuple[list[News], Answer | None]:
        """What is new since the last look, and how its part ended, if it did."""
        ...

    def stop(self) -> None:
        """Ask it to end its part within a step."""
        ...

    def dismiss(self) -> None:
        """Let it go, whatever it is doing. Never raises."""
        ...


class Backend(Protocol):
    """Where workers come from."""

    @property
    def description(self) -> str:
        """What it is, in words that follow "on"."""
        ...

    @property
    def workers(self) -> int:
        """How many there are to be."""
        ...

    def hire(self) -> Handle:
        """Begin to start one more worker."""
        ...

    def share(self, value: T) -> Shared[T]:
        """Make a value one that is sent to each machine once."""
        ...

    def wait(self, handles: "list[Handle]", seconds: float) -> None:
        """Return once something may be new, at the latest after so many seconds."""
        ...

    def close(self) -> None:
        """Let go of everything. Never raises."""
        ...
