"""A studio of stand-ins for assistants, and a folder with a photo."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.api.orders import png
from tests.app.api.real import serving_standins


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving_standins(tmp_path_factory.mktemp("assistants") / "data") as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "photos"
    place.mkdir()
    (place / "photo.png").write_bytes(png())
    return place
