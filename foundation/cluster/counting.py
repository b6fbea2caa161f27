"""How far a job is whose parts are done side by side."""

from collections.abc import Sequence

from foundation.progress import Progress, Unit
from foundation.protocols import JobContext


class Count:
    """Adds up what the parts of a job report, each out of its share, and tells the job's context.

    Args:
        context: of the job.
        shares: of the parts, in what the job counts.
        words: what is being done, which the message begins with.
        unit: what is counted.
    """

    def __init__(self, context: JobContext, shares: Sequence[int], words: str, unit: Unit = "steps") -> None:
        self._context, self._shares, self._words, self._unit = context, shares, words, unit
        self._done = [0.0] * len(shares)
        self._ended: set[int] = set()
        self._busy: set[int] = set()

    @property
    def done(self) -> int:
        """How much is done of all."""
        return int(sum(self._done))

    def tell(self, number: int, now: Progress) -> None:
        """A part reports: what it says counts as a share of its own total."""
        self._busy.add(number)
        if now.total:
            share = self._shares[number]
            self._done[number] = min(share * now.done / now.total, max(0, share - 1))  # all of it once it has ended
        self.say(now)

    def end(self, number: int) -> None:
        """A part has ended."""
        self._busy.discard(number)
        self._ended.add(number)
        self._done[number] = self._shares[number]
        self.say()

    def say(self, now: Progress | None = None) -> None:
        """Tell how far all is, with the newest picture."""
        message = f"{self._words}: {len(self._ended)} of {len(self._shares)} done, {len(self._busy)} at once"
        preview = None if now is None else now.preview
        self._context.progress(Progress(self.done, sum(self._shares), message, unit=self._unit, preview=preview))

    def wait(self) -> None:
        """Tell that no worker is there yet."""
        message = f"{self._words}: waiting for the workers"
        self._context.progress(Progress(self.done, sum(self._shares), message, unit=self._unit))
