"""Job services, as the tests of jobs make them."""

from tests.foundation.jobs.conftest import clock, start

__all__ = ["clock", "start"]
