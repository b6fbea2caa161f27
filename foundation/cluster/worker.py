"""A worker's side: it does one part after the other, says how far it is, and hears that it should end."""

import collections
import functools
import hashlib
import io
import os
import platform
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path

import torch

from foundation import torchvision_cure  # noqa: F401  (before what a worker is sent imports torchvision)
from foundation.cluster.shards import Answer, Given, Introduction, News, Told, Work
from foundation.errors import StudioError
from foundation.memory import OUT_OF_MEMORY, is_out_of_memory, reuse_freed
from foundation.progress import Progress

_PACKAGES = ("app", "clip_model", "crossmax_studio", "foundation", "generator", "robust_model")

PREVIEW_SECONDS = 0.5
"""Between two previews."""
PREVIEW_SIDE = 1024
MOST_NEWS = 1000
"""Reports that wait for somebody to ask; of more, the oldest are left out. Nothing that was handed in is."""


class Worker:
    """Does parts of jobs, one at a time, on `device` with so many `threads`.

    `work` is called by one thread, all else by others meanwhile.
    """

    def __init__(self, device: str, threads: int) -> None:
        torch.set_num_threads(threads)
        reuse_freed()
        self._device = device
        self._lock = threading.Lock()
        self._told: collections.deque[Told] = collections.deque(maxlen=MOST_NEWS)
        self._given: list[Given] = []
        self._stopped = -1

    def introduce(self) -> Introduction:
        """Say who this is."""
        return Introduction(platform.node(), os.getpid(), self._device, code_digest())

    def work(self, ticket: int, work: Work) -> tuple[Answer, list[News]]:
        """Do a part, and return how it ended, with what nobody has asked for yet; `ticket` rises from part to part."""
        self.news()  # those of a part before, which nobody asked for
        try:
            answer = Answer(work(_Context(self, ticket)))
        except StudioError as error:
            answer = Answer(refusal=str(error))
        except Exception as error:  # noqa: BLE001 (it is raised again where the job runs)
            memory = is_out_of_memory(error)
            answer = Answer(refusal=OUT_OF_MEMORY) if memory else Answer(fault=traceback.format_exc())
        return answer, self.news()

    def news(self) -> list[News]:
        """What was handed in and said since this was last asked."""
        with self._lock:
            found: list[News] = [*self._given, *self._told]
            self._given.clear()
            self._told.clear()
            return found

    def stop(self, ticket: int) -> None:
        """Have the part of this ticket end within a step; it may begin later than this is heard."""
        self._stopped = max(self._stopped, ticket)

    def stopped(self, ticket: int) -> bool:
        """Whether the part is to end."""
        return ticket <= self._stopped

    def tell(self, told: Told) -> None:
        """Keep what is said until somebody asks."""
        with self._lock:
            self._told.append(told)

    def give(self, given: Given) -> None:
        """Keep what is handed in until somebody asks."""
        with self._lock:
            self._given.append(given)

    @property
    def device(self) -> str:
        """Where it computes."""
        return self._device


class _Context:
    """What a part is given."""

    def __init__(self, worker: Worker, ticket: int) -> None:
        self._worker, self._ticket = worker, ticket
        self._previewed = -PREVIEW_SECONDS

    @property
    def device(self) -> str:
        return self._worker.device

    @property
    def stop_requested(self) -> bool:
        return self._worker.stopped(self._ticket)

    def progress(self, now: Progress, /) -> None:
        preview = b""
        due = time.monotonic() - self._previewed >= PREVIEW_SECONDS or now.done >= now.total > 0
        if now.preview is not None and due:
            image = now.preview().convert("RGB")
            image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
            data = io.BytesIO()
            image.save(data, format="JPEG", quality=90, subsampling=0)
            preview, self._previewed = data.getvalue(), time.monotonic()
        self._worker.tell(Told(replace(now, losses=dict(now.losses), preview=None), preview))

    def hand_in(self, value: object, /) -> None:
        self._worker.give(Given(value))


@functools.cache
def code_digest() -> str:
    """Sixteen hexadecimal digits that depend on every line of the program: machines with others compute something else.

    Of the libraries below, PyTorch's version counts.
    """
    digest = hashlib.sha256(torch.__version__.partition("+")[0].encode())
    root = Path(__file__).resolve().parents[2]
    for package in _PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()[:16]
