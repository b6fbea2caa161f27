"""Where the models and pictures lie that came with the program: in a clone, and where it is installed."""

from pathlib import Path

__all__ = ["ASSETS"]


def _assets() -> Path:
    """The folder `assets` of the clone; where the program is installed, pyproject.toml has put it into this package.

    A top-level folder of that name in site-packages could be anybody's.
    """
    package = Path(__file__).resolve().parents[1]
    installed = package / "assets"
    return installed if installed.is_dir() else package.parent / "assets"


ASSETS = _assets()
