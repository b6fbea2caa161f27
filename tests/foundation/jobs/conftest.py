"""Job services for the tests of this folder."""

from collections.abc import Callable

import pytest

from foundation.jobs import JobService
from tests.foundation.jobs.puppet import PATIENCE, Clock, Puppet


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def start(tmp_path, clock):
    """Make services on one data directory; those still open are closed at the end."""
    services: list[JobService] = []
    releases: list[Callable[[], None]] = []

    def make(handler=None, **options) -> JobService:
        handlers = handler if isinstance(handler, dict) else {"work": handler or (lambda context: {})}
        releases.extend(h.release for h in handlers.values() if isinstance(h, Puppet))
        services.append(JobService(tmp_path, handlers, clock=clock, now=clock, **options))
        return services[-1]

    yield make
    for release in releases:
        release()
    for service in services:
        service.close(PATIENCE)
