"""What a studio imports, once for all studios here."""

import pytest

from tests.app.endurance.studio import IMPORTED
from tests.forking import Forking


@pytest.fixture(autouse=True)
def imported(forking: Forking) -> None:
    forking.need(*IMPORTED)
