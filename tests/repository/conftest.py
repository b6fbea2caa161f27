"""A photo for the tests of adding."""

from pathlib import Path

import pytest
from PIL import Image

from foundation.images.files import save_png


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A green one."""
    monkeypatch.chdir(tmp_path)
    return save_png(Image.new("RGB", (16, 12), (90, 120, 80)), tmp_path / "photo.png") or tmp_path / "photo.png"
