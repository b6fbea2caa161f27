"""Where this platform keeps a user's data of the studio. Naming it makes nothing, and loads nothing."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from foundation.errors import StudioError

VARIABLE = "CROSSMAX_STUDIO_DATA"
NAME = "crossmax-studio"


def data_root(
    argument: str | Path | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    platform: str = sys.platform,
    home: Path | None = None,
) -> Path:
    """The argument, else the variable CROSSMAX_STUDIO_DATA, else this platform's place for such data.

    Empty texts count as not given, and so does Path(""), which cannot be told from Path("."): name the current folder
    as a text. Nothing is created.

    Raises:
        StudioError: nothing is given and this user has no home directory, or a home that is named does not exist.
    """
    given = "" if argument is None or argument == Path() else str(argument)
    chosen = given.strip() or environment.get(VARIABLE, "").strip()
    if not chosen:
        return _platform_default(environment, platform, home)
    try:
        return Path(chosen).expanduser().absolute()
    except RuntimeError as error:  # ~name of a user who does not exist
        raise StudioError(f"The data directory '{chosen}' cannot be found: {error}") from error


def _platform_default(environment: Mapping[str, str], platform: str, home: Path | None) -> Path:
    if platform == "darwin":
        return _home(home) / "Library" / "Application Support" / NAME
    variable, fallback = ("LOCALAPPDATA", "AppData/Local") if platform == "win32" else ("XDG_DATA_HOME", ".local/share")
    base = Path(environment.get(variable, ""))
    # The XDG specification has relative paths ignored.
    return (base if base.is_absolute() else _home(home) / fallback) / NAME


def _home(home: Path | None) -> Path:
    """The user's home directory, looked for only where it is needed: containers often have none."""
    try:
        return home or Path.home()
    except RuntimeError as error:
        raise StudioError(
            f"There is no home directory to keep data in: name a folder with --data-dir or the variable {VARIABLE}."
        ) from error
