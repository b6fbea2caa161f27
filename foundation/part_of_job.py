"""A part of a job as a job of its own."""

from dataclasses import dataclass

from foundation.protocols import JobContext


@dataclass(frozen=True)
class PartOfJob:
    """Runs where the `whole` does, and is asked to stop when that is; a subclass says how its progress counts."""

    whole: JobContext

    @property
    def device(self) -> str:
        """The device of the whole."""
        return self.whole.device

    @property
    def stop_requested(self) -> bool:
        """Whether the whole is asked to stop."""
        return self.whole.stop_requested
