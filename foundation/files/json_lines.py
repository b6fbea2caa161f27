"""Files of JSON, one value on each line, to which lines are added as they come: what is there survives a power cut."""

import os
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from foundation.errors import StudioError
from foundation.files.text_files import json_text

Line = TypeVar("Line", bound=BaseModel)


class JsonLines(Generic[Line]):
    """A file with a value of one kind on each line. One process at a time may write."""

    def __init__(self, path: Path, kind: type[Line], what: str) -> None:
        """Take the file's name, what its lines are read as, and what they are called in messages ("answers")."""
        self.path = path
        self._kind, self._what = kind, what

    def read(self) -> list[Line]:
        """Return the lines, [] if there is no file.

        A last line that does not end was being written when the power went: it is cut off, so that others can follow.
        StudioError if the file cannot be read, or any other line is damaged.
        """
        try:
            data = self.path.read_bytes() if self.path.exists() else b""
            whole = data[: data.rfind(b"\n") + 1]
            if len(whole) < len(data):
                with self.path.open("r+b") as file:
                    file.truncate(len(whole))
        except OSError as error:
            raise StudioError(
                f"The {self._what} '{self.path}' cannot be read: {error.strerror or error}. Check the file, or name a "
                "new folder."
            ) from error
        return [self._parse(text, number) for number, text in enumerate(whole.split(b"\n")[:-1], start=1)]

    def add(self, line: Line) -> None:
        """Add a line, which is on the disk when this returns. StudioError, with the file as it was, if it cannot be."""
        text = json_text(line.model_dump(mode="json")) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._append(text.encode())
        except OSError as error:
            raise StudioError(
                f"The {self._what} '{self.path}' cannot be saved: {error.strerror or error}. Make room there, or name "
                "another folder."
            ) from error

    def _append(self, data: bytes) -> None:
        with self.path.open("ab", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            try:
                left = memoryview(data)
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)  # half a line would spoil the next one
                raise

    def _parse(self, text: bytes, number: int) -> Line:
        try:
            return self._kind.model_validate_json(text)
        except ValidationError as error:
            raise StudioError(
                f"Line {number} of the {self._what} '{self.path}' is damaged: delete that line, and it is asked for "
                "again."
            ) from error
