"""Long jobs that a test steps, short ones that it lets go on, and what each says that it costs."""

import time

from foundation.jobs import Cost
from tests.foundation.jobs.puppet import PATIENCE, Puppet

HOUR = 3600.0


def by_params(asked) -> Cost:
    """What a request says of itself."""
    seconds, size = asked.params.get("seconds"), asked.params.get("bytes", 0)
    return Cost(size, 1.0, known=False) if seconds is None else Cost(size, seconds / HOUR)


class Scripted:
    """A handler for both kinds of jobs: long ones are stepped by the test, short ones wait for it to say so."""

    def __init__(self) -> None:
        self.long, self.short = Puppet(), Puppet(1)
        self.order: list[str] = []

    def __call__(self, context):
        long = context.params.get("seconds") is None
        self.order.append(context.params["name"])
        result = (self.long if long else self.short)(context)
        self.order.append(f"{context.params['name']} ended")
        return result

    def release(self) -> None:
        self.long.release()
        self.short.release()


def until(what, patience: float = PATIENCE) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + patience
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


def pausing(service, job) -> bool:
    return service.snapshot(job).paused
