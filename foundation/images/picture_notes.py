"""What is done to a file when it is read as a picture, and that its owner may not expect, in sentences."""

from pathlib import Path

from foundation.images.decoding import ANIMATED, TRANSPARENT
from foundation.images.files import load_noted

__all__ = ["ANIMATED", "TRANSPARENT", "picture_notes"]


def picture_notes(path: Path) -> tuple[str, ...]:
    """What ``load_image`` chose where a file holds more than an RGB picture; () for most files. Raises ImageError."""
    return load_noted(path).notes
