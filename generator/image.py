"""Pictures in and out: the one place where files, Pillow and NumPy meet tensors.

Inside the program an image is a float32 tensor [B, 3, H, W], RGB, in [0, 1]. A file is read here into an
upright 8-bit RGB picture, and what is saved is lossless, so that ``to_tensor(load_image(path))`` equals
``quantise(images)`` bit for bit. Colour profiles are not applied: values are taken as sRGB. The rounding
itself is in generator.pixels; its functions are handed on here.
"""

import hashlib
import io
import os
import re
import secrets
import stat
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError, features
from torch import Tensor

from generator import png
from generator.pixels import (
    ImageError,
    pixels_of_one,
    quantise,
    quantise_within,
    to_pil,
    to_tensor,
    to_uint8,
)

__all__ = [
    "DEFAULT_LIMITS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "MAX_SIDE",
    "METADATA_KEY",
    "MIN_SIDE",
    "ImageError",
    "ImageSource",
    "LoadLimits",
    "accepted_formats",
    "load_image",
    "pixel_digest",
    "quantise",
    "quantise_within",
    "read_metadata",
    "save_png",
    "to_pil",
    "to_tensor",
    "to_uint8",
]

MAX_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 50_000_000
MIN_SIDE = 8
MAX_SIDE = 16384
METADATA_KEY = "crossmax-studio"  # the recipe of a picture, as JSON, is stored in its PNG under this key

ImageSource = str | Path | bytes | BinaryIO

_ADDRESS = re.compile(r"^([a-z][a-z0-9+.-]+://|data:)", re.IGNORECASE)
_KEYWORD = re.compile(r"[!-~]([ -~]{0,77}[!-~])?")  # printable ASCII, a part of what PNG allows
_DIRECT_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
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
    MemoryError,
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


def accepted_formats() -> tuple[str, ...]:
    """Pillow's names of the formats that are read. No other parser is ever run on a user's file."""
    return ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", *(("AVIF",) if features.check("avif") else ()))


def load_image(
    source: ImageSource,
    *,
    background: tuple[int, int, int] = (255, 255, 255),
    limits: LoadLimits = DEFAULT_LIMITS,
) -> Image.Image:
    """Read a picture as 8-bit RGB, upright, without metadata.

    The source is a path, the bytes of a file, or an open binary file (read from where it stands, not closed).
    EXIF orientation is applied, transparency is laid over the background (RGB, 0 to 255), 16-bit grey is
    scaled to 8 bit, and of an animation the first frame is taken. Size is judged by the header, before any
    decoding. Raises ImageError, with a sentence, for whatever cannot be used.
    """
    name, data = _read(source, limits.max_bytes)
    try:
        if data.startswith(png.SIGNATURE):
            png.verify(io.BytesIO(data))
        with Image.open(io.BytesIO(data), formats=accepted_formats()) as image:
            _check_size(name, image.size, limits)
            image.load()
            _check_size(name, image.size, limits)  # decoding may correct the size
            orientation = _orientation(image)
            picture = _as_rgb(name, image, background)
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
    except _DECODER_ERRORS as error:
        raise ImageError(f"{name} is damaged or cut off. Save or download it again.") from error
    if orientation in _TRANSPOSITIONS:
        picture = picture.transpose(_TRANSPOSITIONS[orientation])
    return picture


def save_png(image: Tensor | Image.Image, path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Save one image ([3, H, W], [1, 3, H, W] or an RGB picture) losslessly, with texts by keyword (iTXt).

    The file appears whole or not at all: it is written beside its place and then moved. Raises ImageError
    for a name that does not end in .png, a text that could not be read back, and whatever the file system
    refuses.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise ImageError(f"Pictures are saved as PNG: give a name that ends in .png, not '{target.name}'.")
    buffer = io.BytesIO()
    # A new picture of the pixels alone, so that no transparency or profile of the old one is saved along.
    Image.fromarray(pixels_of_one(image)).save(buffer, format="PNG", pnginfo=_png_texts(metadata or {}))
    scratch = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        try:
            with scratch.open("xb") as file:
                file.write(buffer.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(target)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or "the file system refused"
        raise ImageError(f"The picture could not be saved as '{target}': {reason}.") from error


def read_metadata(source: str | Path | bytes) -> dict[str, str]:
    """Texts in a PNG file by keyword; an empty dict for files of another kind. Pixels are not decoded.

    Texts above 1 MiB, packed or unpacked, are left out. Raises ImageError for missing and damaged files.
    """
    if isinstance(source, bytes):
        return _texts("The picture", io.BytesIO(source))
    path = _checked_path(source)
    try:
        with path.open("rb") as file:
            return _texts(path.name, file)
    except OSError as error:
        raise ImageError(f"'{source}' cannot be read: {error.strerror or error}.") from error


def pixel_digest(image: Image.Image | Tensor) -> str:
    """SHA-256 (hex) of the size and the 8-bit RGB pixels of one image, however it is stored."""
    pixels = pixels_of_one(image)
    height, width, _ = pixels.shape
    return hashlib.sha256(f"RGB8 {width}x{height}\n".encode() + pixels.tobytes()).hexdigest()


def _read(source: ImageSource, max_bytes: int) -> tuple[str, bytes]:
    """The name to use in sentences, and the bytes of the file."""
    name = "The picture"
    if isinstance(source, bytes):
        data = source
    elif isinstance(source, (str, Path)):
        path = _checked_path(source)
        name = path.name
        try:
            with path.open("rb") as file:
                data = file.read(max_bytes + 1)
        except OSError as error:
            raise ImageError(f"'{source}' cannot be read: {error.strerror or error}.") from error
    else:
        data = source.read(max_bytes + 1)
    if not data:
        raise ImageError(f"{name} is empty (0 bytes). Choose another file.")
    if len(data) > max_bytes:
        raise ImageError(f"{name} is larger than {max_bytes / 2**20:g} MiB. Scale it down first.")
    return name, data


def _checked_path(source: str | Path) -> Path:
    """The path of a readable regular file (never a device or a pipe, which could block), or ImageError."""
    if isinstance(source, str) and _ADDRESS.match(source):
        raise ImageError("Web addresses are not fetched. Save the picture to a file and give its path.")
    path = Path(source)
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError(f"There is no file '{source}'. Check the path.") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise ImageError(f"{str(source)[:200]!r} cannot be read. Check the path.") from error
    if not stat.S_ISREG(kind):
        raise ImageError(f"'{source}' is not a file. Give the path of a picture.")
    return path


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


def _as_rgb(name: str, image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):
        image = _grey_from_16_bit(name, image)
    elif image.mode not in _DIRECT_MODES:
        raise ImageError(
            f"{name} stores its pixels in a way that has no agreed white (Pillow's mode {image.mode}). "
            "Save it as an 8-bit or 16-bit PNG first."
        )
    transparency = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(transparency, tuple) and max(transparency) > 255:
        image.info["transparency"] = tuple(value >> 8 for value in transparency)  # 16-bit file, read as 8 bit
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        picture = Image.new("RGB", rgba.size, background)
        picture.paste(rgba, mask=rgba.getchannel("A"))
    else:
        picture = image.convert("RGB")
    picture.info = {}
    return picture


def _grey_from_16_bit(name: str, image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bit (Pillow itself clips or drops bits), keeping a transparent level."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ImageError(f"{name} has 32-bit grey pixels. Save it as an 8-bit or 16-bit PNG first.")
    bits = getattr(image, "tag_v2", {}).get(_TIFF_BITS_PER_SAMPLE)
    white = 4095 if bits == (12,) else 65535
    grey = Image.fromarray(((values * 255 + white // 2) // white).clip(0, 255).astype(np.uint8))
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return grey


def _png_texts(metadata: Mapping[str, str]) -> PngImagePlugin.PngInfo:
    texts = PngImagePlugin.PngInfo()
    if len(metadata) > png.MAX_TEXTS:
        raise ImageError(f"A picture can carry {png.MAX_TEXTS} texts, not {len(metadata)}.")
    for keyword, text in metadata.items():
        if not _KEYWORD.fullmatch(keyword):
            raise ImageError(f"{keyword[:100]!r} cannot name a text in a PNG file: use 1 to 79 ASCII characters.")
        try:
            size = len(text.encode())
        except UnicodeEncodeError as error:
            raise ImageError(f"The text '{keyword}' is not valid Unicode.") from error
        if size + 256 > png.MAX_TEXT_BYTES:
            raise ImageError(f"The text '{keyword}' is too long for a picture's metadata ({size} bytes).")
        texts.add_itxt(keyword, text)
    return texts


def _texts(name: str, stream: BinaryIO) -> dict[str, str]:
    start = stream.read(len(png.SIGNATURE))
    stream.seek(0)
    if start != png.SIGNATURE:
        return {}
    try:
        return png.read_texts(stream)
    except png.DamagedPng as error:
        raise ImageError(f"{name} is damaged: it {error}. Save or download it again.") from error
