"""One process that has imported what a studio needs, from which all studios here are forked."""

from collections.abc import Iterator

import pytest

from tests.app.endurance.studio import IMPORTED
from tests.forking import Forking


@pytest.fixture(scope="module")
def forking() -> Iterator[Forking]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        opened = Forking(IMPORTED)
    yield opened
    opened.close()
