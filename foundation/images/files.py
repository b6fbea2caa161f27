"""Pictures in and out: the one place where files, Pillow and NumPy meet tensors.

Inside the program an image is a float32 tensor [B, 3, H, W], RGB, in [0, 1]. A file is read here into an
upright 8-bit RGB picture, and what is saved is lossless, so that ``to_tensor(load_image(path))`` equals
``quantise(images)`` bit for bit. Colour profiles are not applied: values are taken as sRGB. The rounding
itself is in foundation.images.pixels; its functions are handed on here.
"""

import hashlib
import io
import re
import stat
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from PIL import Image, PngImagePlugin
from torch import Tensor

from foundation.files.text_files import replace_whole
from foundation.images import png
from foundation.images.decoding import (
    DEFAULT_LIMITS,
    MAX_BYTES,
    MAX_PIXELS,
    MAX_SIDE,
    MIN_SIDE,
    Decoded,
    LoadLimits,
    accepted_formats,
    decode,
    strips,
)
from foundation.images.pixels import ImageError, pixels_of_one, quantise, quantise_within, to_pil, to_tensor, to_uint8

__all__ = [
    "DEFAULT_LIMITS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "MAX_SIDE",
    "METADATA_KEY",
    "MIN_SIDE",
    "Decoded",
    "ImageError",
    "ImageSource",
    "LoadLimits",
    "accepted_formats",
    "load_image",
    "load_noted",
    "pixel_digest",
    "quantise",
    "quantise_within",
    "read_metadata",
    "save_png",
    "to_pil",
    "to_tensor",
    "to_uint8",
]

_LARGE = 1 << 20  # pixels
METADATA_KEY = "crossmax-studio"  # the recipe of a picture, as JSON, is stored in its PNG under this key

ImageSource = str | Path | bytes | BinaryIO

_ADDRESS = re.compile(r"^([a-z][a-z0-9+.-]+://|data:)", re.IGNORECASE)
_KEYWORD = re.compile(r"[!-~]([ -~]{0,77}[!-~])?")  # printable ASCII, a part of what PNG allows


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
    return load_noted(source, background=background, limits=limits).picture


def load_noted(
    source: ImageSource,
    *,
    background: tuple[int, int, int] = (255, 255, 255),
    limits: LoadLimits = DEFAULT_LIMITS,
) -> Decoded:
    """Read a picture as `load_image` does, with what was chosen where the file holds more than that, in sentences."""
    name, data = _read(source, limits.max_bytes)
    return decode(name, data, background, limits)


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
    # Of the pixels alone, so that no transparency or profile of the old picture is saved along.
    bare = isinstance(image, Image.Image) and image.mode == "RGB" and not image.info and not image.getexif()
    plain = image if isinstance(image, Image.Image) and bare else Image.fromarray(pixels_of_one(image))
    # A large picture is packed by runs alone: for photos no larger a file, and much sooner there.
    packing = {"compress_level": 1, "compress_type": zlib.Z_RLE} if plain.width * plain.height > _LARGE else {}
    plain.save(buffer, format="PNG", pnginfo=_png_texts(metadata or {}), **packing)
    try:
        replace_whole(target, buffer.getbuffer())
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
    if isinstance(image, Tensor):
        image = Image.fromarray(pixels_of_one(image))
    digest = hashlib.sha256(f"RGB8 {image.width}x{image.height}\n".encode())
    for strip in strips(image):
        digest.update(pixels_of_one(image.crop(strip)).tobytes())
    return digest.hexdigest()


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
