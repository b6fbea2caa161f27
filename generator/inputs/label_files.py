"""Label files of the competitions and benchmarks on transfer: which class a picture shows, and which it should.

| style          | columns                                             | classes are numbered from |
| -------------- | --------------------------------------------------- | ------------------------- |
| NIPS 2017      | ImageId, TrueLabel and perhaps TargetClass          | 1 (0 is the background)   |
| TransferAttack | filename, label and perhaps targeted_label          | 0                         |

Further columns are ignored. Classes may also be given by name. Files are read as pandas, Excel and LibreOffice write
them: 6.0 is class 6, names of columns differ in capitals, blanks and underscores, cells are quoted or not, and nan or
an empty cell says nothing.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path

from foundation.errors import StudioError
from foundation.files.text_files import read_text, shown

_MOST_BYTES = 64 * 2**20
_WHOLE = re.compile(r"[-+]?\d{1,18}(\.\d{0,18})?([eE][-+]?\d{1,2})?", re.ASCII)
_LIKE_A_NUMBER = re.compile(r"[-+]*\.?\d[\d.,]*([eE][-+]?\d*)?|[-+]+", re.ASCII)
_MISSING = frozenset({"nan", "NaN", "NAN", "<NA>"})
"""What pandas writes for nothing at all."""


@dataclass(frozen=True)
class LabelStyle:
    """One kind of label file: its columns, and the number of the first class."""

    name: str
    image: str
    label: str
    target: str
    first: int

    @property
    def columns(self) -> tuple[str, str, str]:
        """The columns of the picture, its class and the target."""
        return self.image, self.label, self.target


LABEL_STYLES: tuple[LabelStyle, ...] = (
    LabelStyle("NIPS 2017", "ImageId", "TrueLabel", "TargetClass", first=1),
    LabelStyle("TransferAttack", "filename", "label", "targeted_label", first=0),
)
"""All styles that are read; a file is of the first whose column of images and one other it has."""


@dataclass(frozen=True)
class Labels:
    """What is written about one picture: its class and the target, "" where nothing is; names or numbers.

    `line` is where in the file that stands.
    """

    label: str
    target: str
    line: int = field(default=0, compare=False)


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

    @property
    def has_numbers(self) -> bool:
        """Whether any class is given by its number."""
        written = (text for entry in self.entries.values() for text in (entry.label, entry.target))
        return any(whole_number(text) is not None for text in written)

    def entry_of(self, file_name: str) -> Labels | None:
        """Return what is written about a file, by its name as programs write it; None if nothing is, or much.

        By its whole name, or else by its name without the ending, or with another; then whatever the capitals and the
        form of accents, or as a number that lost its leading zeros in a spreadsheet.
        """
        for kind, form in _FORMS_OF_FILES:
            found = self._by_form[kind].get(form(file_name), [])
            if found:
                return found[0] if len(found) == 1 else None
        return None

    @cached_property
    def _by_form(self) -> dict[str, dict[str, list[Labels]]]:
        """The entries by every form of their names."""
        found: dict[str, dict[str, list[Labels]]] = {kind: {} for kind in _FORMS}
        for name, entry in self.entries.items():
            for kind, form in _FORMS.items():
                if form(name):
                    found[kind].setdefault(form(name), []).append(entry)
        return found

    def named(self, entry: Labels, classes: Sequence[str]) -> Labels:
        """Return an entry with names for numbers, which count the `classes`. StudioError for numbers out of range.

        Where all classes have numbers for names, a number is a name, unless it was said from where numbers count.
        """
        return replace(
            entry,
            label=self._name(entry.label, entry.line, classes),
            target=self._name(entry.target, entry.line, classes),
        )

    def _name(self, written: str, line: int, classes: Sequence[str]) -> str:
        number = whole_number(written)
        if number is None:
            return written
        if self.first == self.style.first and str(number) in classes and all(map(_is_number, classes)):
            return str(number)
        index = number - self.first
        if not 0 <= index < len(classes):
            raise StudioError(
                f"Line {line} of the label file numbers a class {written}, but there are {len(classes)} classes, from "
                f"{self.first} to {self.first + len(classes) - 1}: say which list of classes its numbers count, for "
                "example imagenet (--label-names), or from which number they count (--first-label)."
            )
        return classes[index]


def whole_number(written: str) -> int | None:
    """Return the whole number that a cell holds as programs write it: 6, +6, 6.0, 6,00 or 6E+00; None for a name."""
    plain = _plain_number(written)
    if not _WHOLE.fullmatch(plain):
        return None
    value = Decimal(plain)
    return int(value) if value == value.to_integral_value() else None


def _is_number(name: str) -> bool:
    return whole_number(name) is not None


def _plain_number(written: str) -> str:
    """A cell with the signs of other scripts and countries as in 6.0."""
    plain = unicodedata.normalize("NFKC", written).strip().replace("\N{MINUS SIGN}", "-")
    return re.sub(r"^([-+]?\d+),(\d{1,2})$", r"\1.\2", plain)


def _whole(name: str) -> str:
    return re.split(r"[/\\]", name)[-1]


def _stem(name: str) -> str:
    return Path(_whole(name)).stem


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", _whole(name)).casefold()


def _plain_stem(name: str) -> str:
    return Path(_plain(name)).stem


def _number(name: str) -> str:
    """The number that a name is, without leading zeros; "" for others."""
    number = whole_number(_whole(name))
    return "" if number is None else str(number)


def _number_of_stem(name: str) -> str:
    return _number(_stem(name))


_FORMS = {"whole": _whole, "stem": _stem, "plain": _plain, "plain stem": _plain_stem, "number": _number}
"""Forms in which the names that a label file lists can be those of files."""
_FORMS_OF_FILES = (
    *(("whole", _whole), ("whole", _stem), ("stem", _stem)),
    *(("plain", _plain), ("plain", _plain_stem), ("plain stem", _plain_stem), ("number", _number_of_stem)),
)
"""Which of them is compared with what of the name of a file, in this order."""


def read_labels(path: Path, first: int | None = None) -> LabelFile:
    """Read a label file of any of the `LABEL_STYLES`, as pandas and spreadsheets write it.

    That is CSV in UTF-8 with a header, and commas, semicolons or tabs between cells. `first` is the number of the first
    class where it is not the style's own. StudioError for files of other forms, one that has a picture twice, and a
    class that is a number but no whole one.
    """
    lines = list(io.StringIO(read_text(path, "label file", most=_MOST_BYTES), newline=""))
    reader = csv.reader(lines, delimiter=_delimiter(lines), strict=True, skipinitialspace=True)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise StudioError(f"The label file '{shown(path)}' is no CSV ({error}).") from error
    header = [_column(cell) for cell in rows[0][1]] if rows else []
    style = _style_of(path, header)
    return LabelFile(style, style.first if first is None else first, _entries(path, style, header, rows[1:]))


def _delimiter(lines: list[str]) -> str:
    """What separates cells, as the first line says or shows; a line "sep=;", which Excel knows, is blanked."""
    if lines and (said := re.fullmatch(r"\"?sep=([,;\t])\"?", lines[0].strip(" \r\n"), re.IGNORECASE)):
        lines[0] = "\n"
        return said[1]
    first = next((line for line in lines if line.strip()), "")
    return max(",;\t", key=first.count)


def _column(written: str) -> str:
    """The name of a column, however it is written: "True label", "true_label" and "TrueLabel" are one."""
    return "".join(character for character in written.casefold() if character.isalnum())


def _style_of(path: Path, header: Sequence[str]) -> LabelStyle:
    for style in LABEL_STYLES:
        if _column(style.image) in header and {_column(style.label), _column(style.target)} & set(header):
            return style
    forms = " or ".join(f"'{style.image},{style.label},{style.target}'" for style in LABEL_STYLES)
    raise StudioError(f"The label file '{shown(path)}' has no header that is known: its first line should be {forms}.")


def _entries(
    path: Path, style: LabelStyle, header: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]]
) -> dict[str, Labels]:
    places = {name: header.index(_column(name)) for name in style.columns if _column(name) in header}

    def value(row: Sequence[str], column: str) -> str:
        place = places.get(column, len(row))
        cell = row[place].strip() if place < len(row) else ""
        return "" if cell in _MISSING else cell

    entries: dict[str, Labels] = {}
    for number, row in rows:
        image, label, target = (value(row, column) for column in style.columns)
        if not image:
            raise StudioError(f"Line {number} of the label file '{shown(path)}' names no picture.")
        if image in entries:
            raise StudioError(
                f"The label file '{shown(path)}' has '{image[:80]}' twice, again in line {number}: keep one."
            )
        for written in (label, target):
            if _LIKE_A_NUMBER.fullmatch(_plain_number(written)) and whole_number(written) is None:
                raise StudioError(
                    f"Line {number} of the label file '{shown(path)}' gives the class '{written[:40]}', which is no "
                    "whole number and no name: write, for example, 6."
                )
        entries[image] = Labels(label, target, number)
    if not entries:
        raise StudioError(f"The label file '{shown(path)}' lists no picture.")
    return entries
