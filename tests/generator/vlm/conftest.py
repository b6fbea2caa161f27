"""The server for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.generator.vlm.server import Endpoint, serving


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as served:
        yield served
