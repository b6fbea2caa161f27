"""Label files of the competitions and benchmarks on transfer: which class a picture shows, and which it should.

| style          | columns                                             | classes are numbered from |
| -------------- | --------------------------------------------------- | ------------------------- |
| NIPS 2017      | ImageId, TrueLabel and perhaps TargetClass          | 1 (0 is the background)   |
| TransferAttack | filename, label and perhaps targeted_label          | 0                         |

Further columns are ignored. Classes may also be given by name.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from generator.errors import StudioError

_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class LabelStyle:
    """One kind of label file: its columns, and the number of the first class."""

    name: str
    image: str
    label: str
    target: str
    first: int


LABEL_STYLES: tuple[LabelStyle, ...] = (
    LabelStyle("NIPS 2017", "ImageId", "TrueLabel", "TargetClass", first=1),
    LabelStyle("TransferAttack", "filename", "label", "targeted_label", first=0),
)
"""All styles that are read; a file is of the first whose column of images and one other it has."""


@dataclass(frozen=True)
class Labels:
    """What is written about one picture: its class and the target, "" where nothing is; names or numbers."""

    label: str
    target: str


@dataclass(frozen=True)
class LabelFile:
    """A label file that has been read: its entries by the name of the picture, in order."""

    style: LabelStyle
    first: int
    entries: dict[str, Labels]

    @property
    def has_targets(self) -> bool:
        """Whether any picture has a target."""
        return any(entry.target for entry in self.entries.values())

    def entry_of(self, file_name: str) -> Labels | None:
        """Return what is written about a file: by its whole name, or else by its name without the ending."""
        path = Path(file_name)
        for wanted in (path.name, path.stem):
            if wanted in self.entries:
                return self.entries[wanted]
        same = [entry for name, entry in self.entries.items() if Path(name).stem == path.stem]
        return same[0] if len(same) == 1 else None

    def named(self, entry: Labels, classes: Sequence[str]) -> Labels:
        """Return an entry with names for numbers, which count the `classes`. StudioError for numbers out of range."""
        return Labels(self._name(entry.label, classes), self._name(entry.target, classes))

    def _name(self, written: str, classes: Sequence[str]) -> str:
        if not written.lstrip("-").isdecimal():
            return written
        index = int(written) - self.first
        if not 0 <= index < len(classes):
            raise StudioError(
                f"The label file numbers a class {written}, but there are {len(classes)} classes, from {self.first} "
                f"to {self.first + len(classes) - 1}: say which list of classes its numbers count, for example "
                "imagenet (--label-names), or from which number they count (--first-label)."
            )
        return classes[index]


def read_labels(path: Path, first: int | None = None) -> LabelFile:
    """Read a label file (CSV with a header, UTF-8) of any of the `LABEL_STYLES`.

    `first` is the number of the first class where it is not the style's own. StudioError for files of other forms,
    and for one that has a picture twice.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        lines = data.decode("utf-8-sig").splitlines()
    except OSError as error:
        raise StudioError(f"The label file '{path}' cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise StudioError(f"The label file '{path}' is no text in UTF-8: save it as CSV in UTF-8.") from error
    if len(data) > _MOST_BYTES:
        raise StudioError(f"The label file '{path}' is larger than {_MOST_BYTES // 2**20} MiB: split it.")
    try:
        rows = list(csv.reader(lines, strict=True))
    except csv.Error as error:
        raise StudioError(f"The label file '{path}' is no CSV ({error}).") from error
    header = [column.strip().casefold() for column in rows[0]] if rows else []
    style = _style_of(path, header)
    return LabelFile(style, style.first if first is None else first, _entries(path, style, header, rows[1:]))


def _style_of(path: Path, header: Sequence[str]) -> LabelStyle:
    for style in LABEL_STYLES:
        if style.image.casefold() in header and {style.label.casefold(), style.target.casefold()} & set(header):
            return style
    forms = " or ".join(f"'{style.image},{style.label},{style.target}'" for style in LABEL_STYLES)
    raise StudioError(f"The label file '{path}' has no header that is known: its first line should be {forms}.")


def _entries(path: Path, style: LabelStyle, header: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, Labels]:
    def value(row: Sequence[str], column: str) -> str:
        place = header.index(column.casefold()) if column.casefold() in header else len(row)
        return row[place].strip() if place < len(row) else ""

    entries: dict[str, Labels] = {}
    for number, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        image = value(row, style.image)
        if not image:
            raise StudioError(f"Line {number} of the label file '{path}' names no picture.")
        if image in entries:
            raise StudioError(f"The label file '{path}' has '{image[:80]}' twice, again in line {number}: keep one.")
        entries[image] = Labels(value(row, style.label), value(row, style.target))
    if not entries:
        raise StudioError(f"The label file '{path}' lists no picture.")
    return entries
