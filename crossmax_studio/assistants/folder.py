"""The one folder of the disk that an assistant's tools may read pictures from and save results into."""

import os
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import StudioError
from foundation.files.folders import ENDINGS
from foundation.files.places import is_file, wrong_name
from foundation.files.text_files import read_bytes, shown
from foundation.limits import Limits

NO_FOLDER = (
    "No folder was named, so no file of this computer is read or written: start the tools with --folder FOLDER for the "
    "pictures in it, or name a picture of an earlier job as ID/image-1.png."
)
RESULTS = "crossmax-studio"
"""The folder within it where results are saved, each job's in its own."""


@dataclass(frozen=True)
class Folder:
    """A folder, and no way out of it: neither by `..` nor by an absolute path nor by a link."""

    root: Path

    def read(self, name: str) -> bytes:
        """The bytes of a picture in the folder. StudioError for anything else."""
        why = wrong_name(name)
        if why:
            raise StudioError(f"'{shown(name)}' is no path: {why}.")
        path = Path(os.path.realpath(self.root / name))
        if not path.is_relative_to(os.path.realpath(self.root)):
            raise StudioError(f"'{shown(name)}' lies outside of the folder that the tools may read, '{self.root}'.")
        if path.suffix.lower() not in ENDINGS:
            raise StudioError(f"'{shown(name)}' is no picture, by the ending of its name.")
        if not is_file(path):
            raise StudioError(f"There is no picture '{shown(name)}' in '{self.root}'.")
        return read_bytes(path, "picture", most=Limits().upload_bytes)

    def place(self, job_id: str) -> Path:
        """Where the results of a job are saved. StudioError: a link leads elsewhere."""
        place = self.root / RESULTS / job_id
        if not Path(os.path.realpath(place)).is_relative_to(os.path.realpath(self.root)):
            raise StudioError(f"'{place}' leads out of the folder that the tools may write to.")
        return place
