"""The models that are loaded: each once, shared by all who use it, until others need the room."""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import nn

from foundation.catalogue.entry import Key, Loadable, Model, OutOfMemory
from foundation.errors import StudioError
from foundation.memory import is_out_of_memory
from foundation.progress import Progress
from foundation.protocols import JobContext

DEFAULT_BUDGET = 5 * 2**30
"""Bytes of weights that stay loaded: ViT-H/14 (3.9 GB) and all that ship, or six ViT-B/32 and as many ResNets."""
_POLL_S = 0.1


@dataclass
class _Held:
    model: Model
    device: str
    size: int
    names: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class InMemory:
    """A model that is loaded: by which names it was asked for, where it computes, and bytes of its weights."""

    names: tuple[str, ...]
    device: str
    size: int


class Memory:
    """Keeps loaded models. Safe for threads.

    Weights of up to `budget_bytes` stay. Before a model is loaded that would exceed it, and when memory runs out, the
    least recently used leave; whoever still uses one of those keeps it until done, and a model larger than the whole
    budget is kept alone.
    """

    def __init__(self, budget_bytes: int = DEFAULT_BUDGET) -> None:
        self.budget_bytes = budget_bytes
        self._lock = threading.Lock()
        self._held: OrderedDict[Key, _Held] = OrderedDict()
        self._turns: dict[Key, threading.Lock] = {}

    def list(self) -> list[InMemory]:
        """What is loaded, the least recently used first."""
        with self._lock:
            return [InMemory(tuple(sorted(one.names)), one.device, one.size) for one in self._held.values()]

    def get(self, name: str, device: str, wanted: Loadable, context: JobContext | None = None) -> Model:
        """The model, loaded on first use. Never change it: others are using it.

        Whoever waits for another thread that loads it can be stopped by the `context`. Raises StudioError.
        """
        key = wanted.key
        if key is None:
            return self._load(name, device, wanted)
        with self._turn(key, context):
            held = self._hit(key)
            if held is None:
                model = self._load(name, device, wanted)
                held = _Held(model, device, weight_bytes(model))
                self._leave(self.budget_bytes - held.size)
                with self._lock:
                    self._held[key] = held
            held.names.add(name)
            return held.model

    def release(self, name: str | None = None) -> int:
        """Let the model called `name` go, on every device, or all; returns the bytes of their weights."""
        with self._lock:
            leaving = [key for key, one in self._held.items() if name is None or name in one.names]
            return sum(self._held.pop(key).size for key in leaving)

    @contextlib.contextmanager
    def _turn(self, key: Key, context: JobContext | None) -> Iterator[None]:
        """One thread at a time per model, so that it is loaded once; whoever waits may still be stopped."""
        with self._lock:
            turn = self._turns.setdefault(key, threading.Lock())
        while not turn.acquire(timeout=_POLL_S):
            if context is not None and context.stop_requested:
                context.progress(Progress(0, 0, "Waiting for the model"))  # raises if the work has been thrown away
                raise StudioError("Stopped while the model was still being loaded.")
        try:
            yield
        finally:
            turn.release()

    def _hit(self, key: Key) -> _Held | None:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def _load(self, name: str, device: str, wanted: Loadable) -> Model:
        self._leave(self.budget_bytes - wanted.size)
        try:
            return wanted.load()
        except (OutOfMemory, MemoryError, RuntimeError) as error:
            if not isinstance(error, OutOfMemory) and not is_out_of_memory(error):
                raise
            if not self._leave(0):
                raise OutOfMemory(name, device) from error
        return wanted.load()  # outside the handler, whose error would keep what was loaded so far

    def _leave(self, budget: int) -> bool:
        """Let the least recently used go until the weights of the others are within the budget."""
        left = False
        with self._lock:
            total = sum(one.size for one in self._held.values())
            while self._held and total > budget:
                _, one = self._held.popitem(last=False)
                total -= one.size
                left = True
        return left


def weight_bytes(model: Model) -> int:
    """Bytes that a model's weights take."""
    own = getattr(model, "weight_bytes", None)
    if isinstance(own, int):
        return own
    return sum(weight.nbytes for weight in model.state_dict().values()) if isinstance(model, nn.Module) else 0
