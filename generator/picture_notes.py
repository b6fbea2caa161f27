"""What is done to a file when it is read as a picture, and that its owner may not expect, in sentences."""

from pathlib import Path

import numpy as np
from PIL import Image

from generator.image import accepted_formats

ANIMATED = "It has several frames, of which the first is used"
TRANSPARENT = "What is transparent in it is white here"


def picture_notes(path: Path) -> tuple[str, ...]:
    """What ``load_image`` chose where a file holds more than an RGB picture; () for most files.

    The file is one that ``load_image`` has just read.
    """
    with Image.open(path, formats=accepted_formats()) as image:
        animated = bool(getattr(image, "is_animated", False))
        return ((ANIMATED,) if animated else ()) + ((TRANSPARENT,) if _is_transparent(image) else ())


def _is_transparent(image: Image.Image) -> bool:
    """Whether any pixel of the (first) frame lets the background through."""
    if not image.has_transparency_data:
        return False
    return bool(np.asarray(image.convert("RGBA").getchannel("A")).min() < 255)
