r"""Several weighted prompts in one line: what people know from other image programs, read and written.

    a frog on a leaf                                one prompt, of weight 1
    a frog:1.2 | oil painting:0.5                   parts between bars, each with a weight after a colon
    a frog AND a leaf:0.3                           the word AND, in capitals, is a bar, too
    a frog::1.2 oil painting::0.5                   a weight after two colons ends its part by itself
    a frog:: oil painting                           two colons without a number end a part of weight 1
    a frog | text:-0.3                              a negative weight leads away
    a photo in 16:9, a clock at 10:05               colons between numbers: ratios and times are text
    route 66 :1.2 | route 66::1.2                   ... and a weight after a number needs a blank, or two colons
    "Tom | Jerry: AND so on":0.5                    quotes round a whole part: nothing in it has a meaning
    black\|white\: a film \AND a book               a backslash takes the meaning from one bar, colon, AND...

The grammar, in which any run of white space is one blank, and blanks round parts and weights do not count:

    line       = part { separator part }
    part       = ( plain text | '"' quoted text '"' ) [ ":" number ]     or     the text, then "::" [ number ]
    separator  = "|" | the word "AND" | nothing, after "::" [ number ]
    number     = [ "+" | "-" ] digits [ "." digits ], in size from 0.001 to 10

A single colon is a weight's only in front of the last word of a part, and only if that starts like a number
(digit, sign or point); elsewhere it is a colon: "Star Wars: a hero" is one prompt. Nor is it a weight's between two
numbers without a blank: "16:9" and "10:05" are text. Where that is as likely a weight ("route 66:1.2", "2049:2"), the
line is refused. Two colons always end a part.
"""

import re
import unicodedata
from typing import NamedTuple, NoReturn

from foundation.errors import StudioError

MOST_PARTS = 64
LEAST_WEIGHT, MOST_WEIGHT = 0.001, 10.0
SYNTAX = (
    "Several parts are separated by '|' or AND, each with an optional weight: 'a frog:1.2 | oil painting:0.5', "
    "or 'a frog::1.2 oil painting::0.5'; a negative weight leads away. Quotes round a part, or a backslash "
    "before a character, take its meaning from '|', ':' and AND. Ratios and times such as 16:9 are text."
)
"""The syntax in a few sentences, for help texts."""

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)", re.ASCII)
_NUMBERS = re.compile(r"(?:^|.*[^\S])?\d+(?:[.:]\d+)*", re.ASCII | re.DOTALL)  # what ends in a number, as a word
_ATTEMPT = re.compile(r"[-+]?[\d.,]\S*|[-+]", re.ASCII)  # what stands where only a number makes sense
_MOST_DIGITS = 3  # of a number in front of the colon of a ratio or a time
_EXCERPT = 60  # characters of a long line that an error shows
_EMPTY_KINDS = (
    "P",
    "Z",
    "M",
    "Cc",
    "Cf",
    "Cs",
    "Sm",
    "Sc",
    "Sk",
)  # Unicode categories of characters that depict nothing


class Prompt(NamedTuple):
    """One prompt and its weight, which is not 0; a negative one leads away."""

    text: str
    weight: float = 1.0


class PromptError(StudioError):
    """A line of prompts that cannot be read; the message shows the place with a caret below it.

    Attributes:
        position: the character (from 0) that the caret points at; the line's length for its end.
    """

    def __init__(self, line: str, position: int, what: str, remedy: str) -> None:
        self.position = position
        shown, caret = _pointed(line, position)
        super().__init__(f"{what}, at character {position + 1}:\n    {shown}\n    {caret}\n{remedy}")


def parse_prompts(line: str, default: float = 1.0, *, ratios: bool = True) -> tuple[Prompt, ...]:
    """Read a line of prompts (see the module's text); a part without a weight has the weight `default`.

    Without `ratios` a number after a colon is a weight after a number, too: 16:9 is 16 with the weight 9, as recipes
    before version 4 mean it. Raises PromptError, which points at the place, for whatever is not understood, and for
    a line with nothing in it that could be drawn.
    """
    return tuple(_Reader(line, default, ratios).parts())


def is_drawable(text: str) -> bool:
    """Whether the text has a letter, a digit or a picture character (emoji): something that can be depicted."""
    return any(not unicodedata.category(character).startswith(_EMPTY_KINDS) for character in text)


def _is_blank(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) == "Cc"


class _Reader:
    """Reads one line from left to right."""

    def __init__(self, line: str, default: float, ratios: bool) -> None:
        self._line = "".join(" " if _is_blank(character) else character for character in line)
        self._default, self._ratios = default, ratios
        self._place = 0

    def parts(self) -> list[Prompt]:
        if not self._line.strip():
            self._fail(0, "There is no prompt", "Write what the picture should show, for example 'a frog'.")
        found: list[Prompt] = []
        while True:
            found.append(self._part())
            if len(found) > MOST_PARTS:
                self._fail(self._place - 1, f"There are more than {MOST_PARTS} prompts", "Leave some out.")
            if self._at_end():
                return found

    def _part(self) -> Prompt:
        """Read one part and the separator after it, if there is one."""
        self._skip_blanks()
        start = self._place
        quoted = self._char() == '"'
        text, weight = self._quoted() if quoted else self._plain()
        text = " ".join(text.split())
        if not text:
            self._fail(
                start, "A prompt is missing", "Write one here, or take away the '|', AND or ':' that has no use."
            )
        if not is_drawable(text):
            self._fail(
                start,
                "This prompt has no letter and no digit, so there is nothing to draw",
                "Describe what the picture should show in words.",
            )
        ended = self._line.startswith("::", self._place)
        if ended:
            weight = self._weight_after_two_colons()
        self._skip_blanks()
        if not (self._separator() or ended or self._at_end()):
            self._fail(
                self._place,
                "Nothing but a weight can follow the closing quote",
                'To write a quotation mark at the start of a prompt, put a backslash before it: \\".',
            )
        return Prompt(text, self._default if weight is None else weight)

    def _separator(self) -> bool:
        """Step over a bar or an AND; something has to follow."""
        length = 1 if self._char() == "|" else 3 if self._at_and() else 0
        if not length:
            return False
        at = self._place
        self._place += length
        if self._at_end():
            self._fail(at, "Nothing follows this separator", "Write another prompt after it, or take it away.")
        return True

    def _quoted(self) -> tuple[str, float | None]:
        opening, text = self._place, ""
        self._place += 1
        while (character := self._char()) != '"':
            if not character:
                self._fail(
                    opening,
                    "This quotation mark is never closed",
                    'Close it after the prompt, or put a backslash before it to mean the mark itself: \\".',
                )
            text += self._literal()
        self._place += 1
        colon = re.compile(r" *:(?!:) *").match(self._line, self._place)
        if colon is None:
            self._skip_blanks()
            return text, None
        end = re.compile(r"[^ |]*").match(self._line, colon.end())
        assert end is not None
        self._place = end.end()
        return text, self._number(end[0], colon.end())

    def _plain(self) -> tuple[str, float | None]:
        """Read to the end of the part. A colon before its last word may be that of a weight."""
        text = ""
        colon: tuple[int, int] | None = None  # its place in the text and in the line
        escaped = 0  # up to here in the text the last backslash reaches; who wrote it knows what colons mean
        while (character := self._char()) not in ("", "|") and not self._at_and():
            if self._line.startswith("::", self._place):
                return text, None
            if character == "\\":
                colon, escaped = None, len(text) + 1
            elif character == ":":
                colon = len(text), self._place
            text += self._literal()
        if colon is None:
            return text, None
        written = text[colon[0] + 1 :].strip()
        if written and not _ATTEMPT.fullmatch(written):
            return text, None
        place = colon[1] + 1
        while self._line.startswith(" ", place):
            place += 1
        if self._ratios and place == colon[1] + 1 and self._is_ratio(text[: colon[0]], escaped, written, colon[1]):
            return text, None
        return text[: colon[0]], self._number(written, place)

    def _is_ratio(self, before: str, escaped: int, after: str, colon: int) -> bool:
        """Whether a colon stands within a ratio or a time, such as 16:9; fails where it may as well be a weight's."""
        if escaped > len(before.rstrip("0123456789.:")):
            return False
        if not (_NUMBERS.fullmatch(before) and re.fullmatch(r"\d+(?:\.\d+)?", after, re.ASCII)):
            return False
        *_, last = before.split()
        unlikely = "." in after or (last.isdecimal() and len(last) > _MOST_DIGITS)
        if unlikely and LEAST_WEIGHT <= float(after) <= MOST_WEIGHT:
            self._fail(
                colon,
                f"'{last}:{after}' may be a text, or the weight {after}",
                f"For the text put a backslash before the colon: {last}\\:{after}; for the weight put a blank there: "
                f"{last} :{after}.",
            )
        return True

    def _literal(self) -> str:
        """Read one character, or the one that a backslash makes plain."""
        character = self._char()
        if character == "\\":
            self._place += 1
            character = self._char()
            if not character:
                self._fail(
                    self._place - 1, "Nothing follows this backslash", "Take it away, or write two for a backslash."
                )
            if self._line.startswith("AND", self._place):
                self._place += 2
                character = "AND"
        self._place += 1
        return character

    def _weight_after_two_colons(self) -> float | None:
        self._place += 2
        number = _NUMBER.match(self._line, self._place)
        if number is None:
            return None
        end = re.compile(r"[^ |]*").match(self._line, self._place)
        assert end is not None
        start, self._place = self._place, end.end()
        return self._number(end[0], start)

    def _number(self, written: str, place: int) -> float:
        if not _NUMBER.fullmatch(written):
            what = f"{written!r} is no weight" if written else "A weight is missing after the colon"
            self._fail(
                place,
                what,
                "Write a number, such as 1.2 or -0.3; to mean the colon itself, put a backslash before it: \\:.",
            )
        weight = float(written)
        if not LEAST_WEIGHT <= abs(weight) <= MOST_WEIGHT:
            self._fail(
                place,
                f"The weight {written} is out of range",
                f"Weights are from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}, or the same below 0; to mean the colon "
                "itself, put a backslash before it: \\:.",
            )
        return weight

    def _char(self) -> str:
        """The character at the place; "" at the end."""
        return self._line[self._place : self._place + 1]

    def _at_and(self) -> bool:
        start, end = self._place, self._place + 3
        before, after = self._line[max(0, start - 1) : start], self._line[end : end + 1]
        return self._line[start:end] == "AND" and before in ("", " ", "|") and after in ("", " ", "|")

    def _skip_blanks(self) -> None:
        while self._char() == " ":
            self._place += 1

    def _at_end(self) -> bool:
        return not self._line[self._place :].strip()

    def _fail(self, position: int, what: str, remedy: str) -> NoReturn:
        raise PromptError(self._line, position, what, remedy)


def _pointed(line: str, position: int) -> tuple[str, str]:
    """The line, or what of a long one lies round the position, and a caret that stands below the position."""
    start = max(0, min(position - _EXCERPT // 2, len(line) - _EXCERPT))
    end = start + _EXCERPT
    before, after = line[start:position], line[position:end]
    before, after = ("…" if start else "") + before, after + ("…" if end < len(line) else "")
    return before + after, " " * _width(before) + "^"


def _width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
