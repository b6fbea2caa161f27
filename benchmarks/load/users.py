"""One of many who use the studio: orders, waits, sometimes stops, looks at what there is, saves it, deletes some."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from benchmarks.hostile.visitors import Honest, PageConfig
from benchmarks.load.orders import KINDS, Desk
from benchmarks.load.tally import TOO_MANY, Counted, Order, Tally
from crossmax_studio.client import Job, Studio
from foundation.errors import StudioError
from tests.hostile import Hostile

T = TypeVar("T")

THINK_S = 8.0
"""Seconds between two orders of one user, on average."""
STOPS, PATIENCE_S = 0.08, 6.0
"""The share of orders that are stopped, and after how many seconds on average."""
READS, DELETES = 0.5, 0.15
"""How often a user looks at the history after a job, and deletes the oldest result."""
PNG_START = b"\x89PNG\r\n\x1a\n"


@dataclass
class User:
    """A user until they go.

    Args:
        number: from 0; it gives the address that they come from, and their random numbers.
        port: of the studio.
        until: when they order no more, by `time.monotonic`.
    """

    number: int
    port: int
    until: float
    tally: Tally

    def __post_init__(self) -> None:
        address = f"127.0.1.{self.number + 1}"
        self._draws = Random(self.number)
        self._transport = Counted(address, self.tally)
        self._raw = Hostile(self.port, address)
        self._mine: list[Order] = []

    def run(self) -> None:
        """Use the studio until it is time to go, and wait for what was ordered."""
        time.sleep(self._draws.uniform(0, THINK_S))
        try:
            with self._arrive() as studio:
                self._use(studio)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            self.tally.fault(f"user {self.number}: {type(error).__name__}: {error}")

    def try_all(self) -> None:
        """Order one job of each kind, and wait for it."""
        with self._arrive() as studio:
            desk = Desk(studio, self._page, self._draws)
            for name, kind in KINDS.items():
                order = self.tally.order(name)
                order.id = self._asked(lambda kind=kind: kind.order(desk))  # type: ignore[misc]
                self._follow(studio, order, patient=True)

    def _arrive(self) -> Studio:
        """Open the page, which makes an owner, and the interface for programs as the same one."""
        page = self._raw.get("/", timeout=60)
        self.tally.answered(page.status)
        self._page = Honest(self._raw, PageConfig(page.text), session=f"user{self.number}")
        self._load()
        owner = str(self._page.owner["owner"])
        return Studio(f"http://127.0.0.1:{self.port}", owner=owner, transport=self._transport)

    def _load(self) -> None:
        """What the page asks for when it is opened, or refreshed."""
        self._page.arrive()
        self.tally.answered(200 if not self._page.faults else int(self._page.faults[-1][:3]))
        for fault in self._page.faults:
            self.tally.fault(f"the page: {fault}")
        self._page.faults.clear()

    def _use(self, studio: Studio) -> None:
        desk = Desk(studio, self._page, self._draws)
        while time.monotonic() < self.until:
            kind = self._draws.choices([*KINDS], [one.share for one in KINDS.values()])[0]
            order = self.tally.order(kind)
            self._mine.append(order)
            order.id = self._asked(lambda kind=kind: KINDS[kind].order(desk), order)  # type: ignore[misc]
            self._follow(studio, order)
            if self._draws.random() < READS:
                self._read(studio, order)
            if self._draws.random() < DELETES:
                self._delete(studio)
            self._rest(self._draws.expovariate(1 / THINK_S))

    def _follow(self, studio: Studio, order: Order, *, patient: bool = False) -> None:
        """Wait until a job has ended, unless it takes longer than this user's patience."""
        leaves = self._draws.random() < STOPS and not patient
        left = self._draws.expovariate(1 / PATIENCE_S) if leaves else None
        job = self._asked(lambda: [*studio.follow(order.id, timeout=left)][-1])
        if not job.ended:
            order.stopped = True
            self._asked(lambda: studio.stop(order.id))
            job = self._asked(lambda: [*studio.follow(order.id)][-1])
        self._note(order, job)

    def _note(self, order: Order, job: Job) -> None:
        order.status = job.status
        order.started, order.finished = job.told["started"], job.told["finished"]
        if job.status != "done" and not (job.status == "stopped" and order.stopped):
            self.tally.fault(f"a job ({order.kind}) ended as {job.status}: {job.error}")

    def _read(self, studio: Studio, order: Order) -> None:
        """Look at the history, open the page anew, and fetch what came of an order."""
        there = {line["id"] for line in self._asked(studio.jobs)}
        if missing := [one.id for one in self._mine if not one.deleted and one.id not in there]:
            self.tally.fault(f"the history lacks {len(missing)} of a user's jobs")
        self._load()
        job = self._asked(lambda: studio.job(order.id))
        pictures = [name for name in job.files if name.endswith(".png")]
        if job.status == "done" and order.kind != "evaluation" and not pictures:
            self.tally.fault(f"a job ({order.kind}) is done without a picture")
        for name in pictures[:1]:
            if not self._asked(lambda name=name: studio.read(job, name)).startswith(PNG_START):  # type: ignore[misc]
                self.tally.fault(f"{name} of a job ({order.kind}) is no PNG")

    def _delete(self, studio: Studio) -> None:
        """Delete the oldest result."""
        oldest = next((one for one in self._mine if not one.deleted), None)
        if oldest is not None:
            self._asked(lambda: studio.delete(oldest.id))
            oldest.deleted = True

    def _asked(self, ask: Callable[[], T], order: Order | None = None) -> T:
        """Ask, and come again for as long as the answer is that there are too many, with words and a time.

        Raises StudioError for any other refusal.
        """
        while True:
            self._transport.status = 0
            try:
                return ask()
            except StudioError as error:
                if self._transport.status != TOO_MANY:
                    raise
                if not self._transport.again or " " not in str(error):
                    self.tally.fault(f"refused without a time to come again, or words: {error}")
                if order is not None:
                    order.refusals += 1
                time.sleep(self._transport.again or 1.0)

    def _rest(self, seconds: float) -> None:
        time.sleep(max(0.0, min(seconds, self.until - time.monotonic())))
