"""Parts of a job on many workers: each is done once as far as anybody can tell, whatever becomes of the workers."""

import collections
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Generic, Self, TypeVar

from PIL import Image

from foundation.cluster.shards import Answer, Backend, Given, Handle, Introduction, LostError, News, Shard, Shared, Told
from foundation.cluster.worker import code_digest
from foundation.errors import StudioError
from foundation.progress import Progress
from foundation.protocols import JobContext

T = TypeVar("T")

WAIT_SECONDS = 0.1
"""How long the job waits for news, and so until a stop is heard."""
MOST_DEATHS = 5
"""Of workers one after the other at a part that gets nowhere, or before they were there: then it is not chance."""


@dataclass(eq=False)
class Desk:
    """A worker and the number of the part that it has."""

    handle: Handle
    there: bool = False
    process: int = 0
    part: int | None = None
    stopping: bool = False


@dataclass
class Part(Generic[T]):
    """How one part ended.

    Attributes:
        number: its place among the parts.
        value: what it returned; None where it was refused.
        refusal: why it could not be done, in words; "" where it was.
    """

    number: int
    value: T | None = None
    refusal: str = ""

    def get(self) -> T:
        """What it returned. Raises StudioError where it was refused."""
        if self.refusal:
            raise StudioError(self.refusal)
        assert self.value is not None
        return self.value


class Cluster:
    """Workers, for one job at a time; to be closed, which ends them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._desks: list[Desk] = []
        self._deaths_before_work = 0
        self.lost = 0
        """How many workers were lost so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let all workers go."""
        for desk in self._desks:
            desk.handle.dismiss()
        self._desks = []
        self._backend.close()

    @property
    def workers(self) -> int:
        """How many workers there are, or are to be."""
        return self._backend.workers

    @property
    def description(self) -> str:
        """What it is, in words that follow "on"."""
        return self._backend.description

    def share(self, value: T) -> Shared[T]:
        """Make a value one that is sent to each machine once, for shards that need it."""
        return self._backend.share(value)

    def run(
        self,
        context: JobContext,
        shards: Sequence[Shard[T]],
        *,
        on_part: Callable[[Part[T]], None],
        on_told: Callable[[int, Progress], None] = lambda _number, _now: None,
        on_given: Callable[[int, object], bool] = lambda _number, _value: False,
        waiting: Callable[[], None] = lambda: None,
    ) -> bool:
        """Have all parts done, in about their order; whether they were: False if the job was asked to stop.

        `on_part` hears how each ended, once. `on_told` and `on_given` hear by its number what a part reports and hands
        in; the latter says whether it was new, since a part whose worker died begins anew, with another one, and is
        heard again. `waiting` is called again and again as long as no worker is there. What any of these raises ends
        the run. After a stop no further part begins, and those that are being done end within a step: what they return
        then is heard as well.

        Raises:
            StudioError: the workers cannot start, run another version, or die again and again at the same part.
        """
        run = _Run(self, context, shards, on_part, on_told, on_given)
        try:
            while True:
                self._staff(len(shards))
                if context.stop_requested:
                    run.stop()
                run.hand_out()
                if run.over:
                    break
                if not any(desk.there for desk in self._desks):
                    waiting()
                self._backend.wait([desk.handle for desk in self._desks], WAIT_SECONDS)
                run.look()
        except BaseException:
            self._let_go_of_busy()
            raise
        return not run.left

    # ------------------------------------------------------------------ workers

    @property
    def desks(self) -> Sequence[Desk]:
        """The workers."""
        return self._desks

    def _staff(self, needed: int) -> None:
        """See to it that there are enough workers, and look who has come."""
        while len(self._desks) < min(self.workers, needed):
            self._desks.append(Desk(self._backend.hire()))
        for desk in list(self._desks):
            if desk.there:
                continue
            try:
                found = desk.handle.introduction()
            except LostError as error:
                self.bury(desk)
                self._deaths_before_work += 1
                if self._deaths_before_work >= MOST_DEATHS:
                    raise StudioError(f"The workers on {self.description} cannot start: {error}") from error
                continue
            if found is not None:
                _check(found)
                desk.there, desk.process, self._deaths_before_work = True, found.process, 0

    def bury(self, desk: Desk) -> None:
        """Forget a worker that is lost; another one takes its place."""
        self.lost += 1
        desk.handle.dismiss()
        self._desks.remove(desk)

    def _let_go_of_busy(self) -> None:
        """Nobody waits for what is being done: those who do it go, and others come when there is work again."""
        for desk in [desk for desk in self._desks if desk.part is not None]:
            desk.handle.dismiss()
            self._desks.remove(desk)


def _check(found: Introduction) -> None:
    """Refuse a worker that would compute something else."""
    if found.code != code_digest():
        raise StudioError(
            f"The worker on '{found.host}' runs another version of CrossMax Studio or of PyTorch: install the same "
            "everywhere, and begin again."
        )


@dataclass(eq=False)
class _Run(Generic[T]):
    """One job's parts while they are done."""

    cluster: Cluster
    context: JobContext
    shards: Sequence[Shard[T]]
    on_part: Callable[[Part[T]], None]
    on_told: Callable[[int, Progress], None]
    on_given: Callable[[int, object], bool]
    stopped: bool = False
    left: "collections.deque[int]" = field(init=False)
    deaths: "collections.Counter[int]" = field(default_factory=collections.Counter)

    def __post_init__(self) -> None:
        self.left = collections.deque(range(len(self.shards)))

    @property
    def busy(self) -> list[Desk]:
        return [desk for desk in self.cluster.desks if desk.part is not None]

    @property
    def over(self) -> bool:
        return not self.busy and (self.stopped or not self.left)

    def stop(self) -> None:
        self.stopped = True
        for desk in self.busy:
            if not desk.stopping:
                desk.stopping = True
                self._guarded(desk, desk.handle.stop)

    def hand_out(self) -> None:
        """Give each idle worker the next part."""
        for desk in list(self.cluster.desks):
            if self.stopped or not self.left:
                return
            if desk.there and desk.part is None:
                desk.part, desk.stopping = self.left.popleft(), False
                self._guarded(desk, partial(desk.handle.begin, self.shards[desk.part].work()))

    def look(self) -> None:
        """Hear what is new."""
        for desk in self.busy:
            number = desk.part
            assert number is not None
            found: list[tuple[list[News], Answer | None]] = []
            self._guarded(desk, partial(_look, desk.handle, found))
            for news, answer in found:
                for one in news:
                    if isinstance(one, Given):
                        if self.on_given(number, one.value):
                            self.deaths[number] = 0
                    else:
                        self.on_told(number, progress_of(one))
                if answer is not None:
                    desk.part = None
                    self._end(number, answer)

    def _end(self, number: int, answer: Answer) -> None:
        if answer.fault:
            raise RuntimeError(f"A part of the job ('{self.shards[number].title}') failed:\n{answer.fault}")
        if self.stopped and answer.value is None and not answer.refusal:
            self.left.appendleft(number)  # a stop ended it before there was anything
            return
        self.on_part(Part(number, answer.value, answer.refusal))  # type: ignore[arg-type]

    def _guarded(self, desk: Desk, action: Callable[[], None]) -> None:
        """Do something with a worker; where it turns out to be gone, its part goes to another one."""
        try:
            action()
        except LostError as error:
            self.cluster.bury(desk)
            number = desk.part
            if number is None:
                return
            self.left.appendleft(number)
            self.deaths[number] += 1
            if self.deaths[number] >= MOST_DEATHS:
                raise StudioError(
                    f"{MOST_DEATHS} workers on {self.cluster.description} were lost one after the other at the same "
                    f"part ('{self.shards[number].title}'): perhaps its machines have too little memory. {error}"
                ) from error


def _look(handle: Handle, found: list[tuple[list[News], Answer | None]]) -> None:
    found.append(handle.look())


def progress_of(told: Told) -> Progress:
    """What a part told, as it was reported where it runs."""
    if not told.preview:
        return told.now
    return replace(told.now, preview=lambda: Image.open(io.BytesIO(told.preview), formats=("JPEG",)))
