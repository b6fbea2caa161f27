"""Where the app keeps what it makes: jobs, uploads, and the models that people train."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from app.visitors.uploads import Uploads
from foundation.errors import StudioError
from foundation.files.user_data import VARIABLE, data_root
from foundation.limits import Limits


@dataclass(frozen=True)
class DataDir:
    """A data directory. Naming it makes nothing; ``create`` does, when the app starts."""

    root: Path
    limits: Limits = field(default_factory=Limits)
    share: Callable[[str], float | None] | None = None
    """Bytes that one visitor's pictures may take; None for what the limits say."""

    @cached_property
    def uploads(self) -> Uploads:
        """Pictures that people brought."""
        return Uploads(self.root / "uploads", self.limits, self.share)

    @property
    def models(self) -> Path:
        """Models beside the shipped ones, a folder each."""
        return self.root / "models"

    @property
    def downloads(self) -> Path:
        """Models that were downloaded."""
        return self.root / "downloads"

    @property
    def datasets(self) -> Path:
        """Images on which models are evaluated: NAME/test/CLASS/FILE, or what torchvision unpacks."""
        return self.root / "datasets"

    @property
    def shipped(self) -> Path:
        """The reports that came with the models, as pages."""
        return self.root / "shipped"

    @property
    def speeds(self) -> Path:
        """How long a pass through each model takes on this machine."""
        return self.root / "speeds.json"

    @property
    def timings(self) -> Path:
        """What pictures took on this machine."""
        return self.root / "timings.json"

    def upload(self, digest: str, owner: str) -> Path:
        """Where this visitor's picture with this pixel digest is kept. Only digests name pictures: never a path.

        Raises:
            StudioError: it is no digest, or the visitor has no such picture (any more).
        """
        return self.uploads.find(digest, owner)

    def create(self) -> None:
        """Make the directories, which only their owner may read, and see that files can be written.

        Raises:
            StudioError: they cannot; the message says what to do.
        """
        try:
            made = not self.root.exists()
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not made and (self.root / "studio.lock").is_file() and not self.root.stat().st_mode & 0o1022:
                self.root.chmod(0o700)  # made by an older version; never a folder that others share
            for folder in (self.uploads.root, self.models, self.datasets):
                folder.mkdir(mode=0o700, exist_ok=True)
            self.uploads.root.chmod(0o700)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise StudioError(
                f"The data directory '{self.root}' cannot be written to ({error.strerror or error}). "
                f"Choose another with --data-dir or the variable {VARIABLE}."
            ) from error


def choose_data_dir(
    argument: str | Path | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    platform: str = sys.platform,
    home: Path | None = None,
) -> DataDir:
    """The data directory that is named, or the usual one (`foundation.files.user_data`). StudioError: there is none."""
    return DataDir(data_root(argument, environment=environment, platform=platform, home=home))
