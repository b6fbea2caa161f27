"""A service whose jobs the tests step."""

import pytest

from tests.foundation.jobs.queue.scripted import Scripted, by_params


@pytest.fixture
def scripted(start):
    handler = Scripted()
    yield handler, start(handler, cost=by_params)
    handler.release()
