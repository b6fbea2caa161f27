"""What a model is shown through views, and what bringing it there costs: counted from sizes, nothing is computed.

Work is counted in passes over the pixels of one picture, there and back, in units of one that reads it and writes
another; measured with PyTorch's operations.
"""

from dataclasses import dataclass
from typing import ClassVar

CUT = 3
"""Passes that cutting a window takes, over its own pixels."""
UNTIMED = 8
"""Passes that a view is taken for which nobody has timed."""


@dataclass(frozen=True)
class Shown:
    """What a model is shown of a picture.

    Attributes:
        size: (height, width) of a view.
        passes: over single pixels, there and back, that views have taken on the way.
        copies: how many of them there are for each picture.
    """

    size: tuple[int, int]
    passes: float = 0.0
    copies: int = 1

    @property
    def pixels(self) -> int:
        """Of one view."""
        return self.size[0] * self.size[1]

    def passed(self, weight: float) -> "Shown":
        """By a view that keeps the size, and passes so often over every pixel."""
        return Shown(self.size, self.passes + weight * self.pixels * self.copies, self.copies)

    def convolved(self, radius: float) -> "Shown":
        """By a blur with a kernel of so many pixels to either side, along both axes."""
        return self.passed(3 + 2 * (2 * radius + 1))

    def scaled(self, factor: float) -> tuple[int, int]:
        """So many times the sides."""
        return max(1, round(self.size[0] * factor)), max(1, round(self.size[1] * factor))

    def cut(self, size: tuple[int, int], *, copies: int = 1) -> "Shown":
        """By a view that shows a part of this size, or so many copies of it."""
        pixels = size[0] * size[1]
        return Shown(size, self.passes + CUT * pixels * self.copies * copies, self.copies * copies)

    def resized(self, size: tuple[int, int], weight: float) -> "Shown":
        """By a view of another size, which passes so often over the larger of both."""
        worked = max(self.pixels, size[0] * size[1])
        return Shown(size, self.passes + weight * worked * self.copies, self.copies)


class Counted:
    """A view, as far as its cost goes.

    One that keeps the size of what it changes says how often it passes over every pixel, in `passes`; another has a
    `shown` of its own. One that nobody has timed says neither.
    """

    passes: ClassVar[float] = UNTIMED

    def shown(self, seen: Shown, /) -> Shown:
        """Return what a model is shown through it of what is seen before it."""
        return seen.passed(self.passes)
