"""From the bytes of a file to an upright 8-bit RGB picture, by strips where Pillow would take much memory for it."""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError, features

from foundation.images import png
from foundation.images.pixels import ImageError

MAX_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 50_000_000
MIN_SIDE = 8
MAX_SIDE = 16384
MAX_SCANS = 100
"""Of a progressive JPEG: cameras and programs write about ten."""
STRIP_PIXELS = 1 << 20
ANIMATED = "It has several frames, of which the first is used"
TRANSPARENT = "What is transparent in it is white here"

_DIRECT_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
_JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")  # those that begin something; within a scan: its end
_TIFF_BITS_PER_SAMPLE = 258
_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow's parsers and decoders raise on damaged files.
_DECODER_ERRORS = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    AssertionError,
    struct.error,
    zlib.error,
)
_OTHER_CONTENTS = (
    (re.compile(rb"^\s*<(!doctype html|html|head|body|script)", re.IGNORECASE), "a web page (HTML)"),
    (
        re.compile(rb"^\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<(!doctype )?svg", re.IGNORECASE | re.DOTALL),
        "SVG",
    ),
    (re.compile(rb"^....ftyp(heic|heix|hevc|mif1|msf1|heim)", re.DOTALL), "HEIC"),
    (re.compile(rb"^%PDF-"), "PDF"),
    (re.compile(rb"^8BPS"), "a Photoshop document"),
    (re.compile(rb"^(\x1a\x45\xdf\xa3|....ftyp(isom|mp4|qt))", re.DOTALL), "a video"),
)


@dataclass(frozen=True)
class LoadLimits:
    """What load_image accepts: size of the file in bytes, area and range of each side in pixels."""

    max_bytes: int = MAX_BYTES
    max_pixels: int = MAX_PIXELS
    min_side: int = MIN_SIDE
    max_side: int = MAX_SIDE


DEFAULT_LIMITS = LoadLimits()


@dataclass(frozen=True)
class Decoded:
    """A picture, and what was chosen where its file holds more than an RGB picture, in sentences without a stop."""

    picture: Image.Image
    notes: tuple[str, ...] = ()


def accepted_formats() -> tuple[str, ...]:
    """Pillow's names of the formats that are read. No other parser is ever run on a user's file."""
    return ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", *(("AVIF",) if features.check("avif") else ()))


def decode(name: str, data: bytes, background: tuple[int, int, int], limits: LoadLimits) -> Decoded:
    """Decode a whole file; `name` is what sentences call it. See `foundation.images.files.load_image`."""
    animated = False
    try:
        if data.startswith(png.SIGNATURE):
            animated = png.is_animated(data)
            data = png.verified(data)
        elif jpeg_scans(data) > MAX_SCANS:
            raise ImageError(
                f"{name} is a JPEG of more than {MAX_SCANS} scans, which takes far too long to decode. Save it anew."
            )
        with Image.open(io.BytesIO(data), formats=accepted_formats()) as image:
            _check_size(name, image.size, limits)
            image.load()
            _check_size(name, image.size, limits)  # decoding may correct the size
            orientation = _orientation(image)
            picture, transparent = _as_rgb(name, image, background)
            animated = animated or _has_frames(image)
    except ImageError:
        raise
    except png.DamagedPng as error:
        raise ImageError(f"{name} is damaged: it {error}. Save or download it again.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"{name} has far too many pixels: {limits.max_pixels:,} at most are read. Scale it down first."
        ) from error
    except UnidentifiedImageError as error:
        raise ImageError(_not_a_picture(name, data)) from error
    except MemoryError as error:
        raise ImageError(
            f"There is not enough memory to read {name}: scale it down, or close other programs."
        ) from error
    except _DECODER_ERRORS as error:
        raise ImageError(f"{name} is damaged or cut off. Save or download it again.") from error
    if orientation in _TRANSPOSITIONS:
        picture = picture.transpose(_TRANSPOSITIONS[orientation])
    return Decoded(picture, ((ANIMATED,) if animated else ()) + ((TRANSPARENT,) if transparent else ()))


def jpeg_scans(data: bytes) -> int:
    """How many scans a JPEG file has, each of which goes over the whole picture; 0 for a file of another kind."""
    if not data.startswith(b"\xff\xd8"):
        return 0
    scans, at = 0, 2
    while (marker := _JPEG_MARKER.search(data, at)) is not None and marker[0] != b"\xff\xd9":
        scans += marker[0] == b"\xff\xda"
        at = marker.end() + max(2, int.from_bytes(data[marker.end() : marker.end() + 2], "big"))
    return scans


def strips(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    """Boxes of all rows, a few at a time, so that what is made of them takes little memory."""
    height = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, height):
        yield 0, top, image.width, min(image.height, top + height)


def _check_size(name: str, size: tuple[int, int], limits: LoadLimits) -> None:
    width, height = size
    if min(size) < limits.min_side:
        raise ImageError(
            f"{name} is {width} x {height} pixels; each side needs at least {limits.min_side}. Choose a larger picture."
        )
    if max(size) > limits.max_side or width * height > limits.max_pixels:
        raise ImageError(
            f"{name} is {width} x {height} pixels; the limits are {limits.max_side} a side and "
            f"{limits.max_pixels / 1e6:g} million in all. Scale it down first."
        )


def _has_frames(image: Image.Image) -> bool:
    """Whether there are more frames than the one that was read; what is wrong with those does not matter."""
    try:
        return bool(getattr(image, "is_animated", False))
    except _DECODER_ERRORS:
        return True


def _not_a_picture(name: str, data: bytes) -> str:
    for pattern, contents in _OTHER_CONTENTS:
        if pattern.match(data[:1024]):
            return f"{name} is {contents}, not a picture that can be read. Save it as PNG or JPEG first."
    formats = ", ".join(accepted_formats())
    return f"{name} is no picture in a format that is read ({formats}), or it is damaged at its start."


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; damaged EXIF data does not spoil a good picture."""
    try:
        value: Any = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _DECODER_ERRORS:
        return 1
    return value if isinstance(value, int) else 1


def _as_rgb(name: str, image: Image.Image, background: tuple[int, int, int]) -> tuple[Image.Image, bool]:
    """The picture on the background, and whether any of it is transparent."""
    transparent = False
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _from_16_bit(name, image, background)
    if image.mode not in _DIRECT_MODES:
        raise ImageError(
            f"{name} stores its pixels in a way that has no agreed white (Pillow's mode {image.mode}). "
            "Save it as an 8-bit or 16-bit PNG first."
        )
    transparency = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(transparency, tuple) and max(transparency) > 255:
        image.info["transparency"] = tuple(value >> 8 for value in transparency)  # 16-bit file, read as 8 bit
    if image.has_transparency_data:
        picture = Image.new("RGB", image.size, background)
        for strip in strips(image):
            rgba = image.crop(strip).convert("RGBA")
            alpha = rgba.getchannel("A")
            transparent = transparent or alpha.getextrema()[0] != 255
            picture.paste(rgba, strip, mask=alpha)
    else:
        picture = image.convert("RGB")
    picture.info = {}
    return picture, transparent


def _from_16_bit(name: str, image: Image.Image, background: tuple[int, int, int]) -> tuple[Image.Image, bool]:
    """16-bit grey as RGB (Pillow itself clips or drops bits), with a transparent level on the background; by strips."""
    bits = getattr(image, "tag_v2", {}).get(_TIFF_BITS_PER_SAMPLE)
    white = 4095 if bits == (12,) else 65535
    key = image.info.get("transparency")
    picture, transparent = Image.new("RGB", image.size, background), False
    for strip in strips(image):
        values = np.asarray(image.crop(strip)).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ImageError(f"{name} has 32-bit grey pixels. Save it as an 8-bit or 16-bit PNG first.")
        part = Image.fromarray(((values * 255 + white // 2) // white).clip(0, 255).astype(np.uint8)).convert("RGB")
        gone = values == key if isinstance(key, int) else np.zeros_like(values, dtype=bool)
        transparent = transparent or bool(gone.any())
        picture.paste(part, strip, mask=Image.fromarray(np.where(gone, 0, 255).astype(np.uint8)))
    return picture, transparent
