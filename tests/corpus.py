"""Image files made on the fly: broken, hostile and odd ones, by name. Needs Pillow and NumPy only.

``malformed()`` are files that must be refused in words; ``valid()`` are files that must load, with the pixels
they must give. Names end as a user's file names would.
"""

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

HEIGHT, WIDTH = 12, 20
EXIF_ORIENTATION = 0x0112

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class ValidFile:
    """A file that must load: its bytes, its RGB pixels [H, W, 3] on white, and how far they may be off."""

    data: bytes
    expected: Pixels
    tolerance: int = 0


def gradient(height: int = HEIGHT, width: int = WIDTH) -> Pixels:
    """Smooth RGB pixels [H, W, 3] without any symmetry, so that every flip and channel swap shows."""
    rows, columns = np.ogrid[:height, :width]
    pixels = np.empty((height, width, 3), np.uint8)
    for channel, values in enumerate((40 + 10 * columns, 30 + 9 * rows, 200 - 4 * columns - 5 * rows)):
        pixels[:, :, channel] = values.clip(0, 255)
    return pixels


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG file, with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def raw_png(
    size: tuple[int, int], depth: int, colour: int, rows: bytes, extra: bytes = b"", after: bytes = b""
) -> bytes:
    """A PNG file from parts: size (width, height), filtered rows, more chunks before and after the pixels."""
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + pixels + after + chunk(b"IEND", b"")


def flat_grey_png(width: int, height: int) -> bytes:
    """A real PNG of 1-bit pixels, all black: 13000 x 13000 of them take about 20 KB."""
    row = b"\0" + bytes((width + 7) // 8)
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def with_text(png: bytes, *texts: bytes) -> bytes:
    """A PNG file with chunks put in behind its header."""
    return png[:33] + b"".join(texts) + png[33:]


def malformed() -> dict[str, bytes]:
    """Files that must be refused with a sentence, by name."""
    picture = Image.fromarray(gradient(48, 64))
    png, jpeg = encode(picture), encode(picture, "JPEG", quality=90)
    webp, gif, bmp = encode(picture, "WEBP", lossless=True), encode(picture, "GIF"), encode(picture, "BMP")
    tiff = encode(picture, "TIFF", compression="tiff_deflate")
    pixels_at = png.index(b"IDAT") + 20
    bad_pixels = png[:pixels_at] + bytes([png[pixels_at] ^ 0xFF]) + png[pixels_at + 1 :]
    end = png.index(b"IEND") - 4
    bad_checksum = png[: end - 1] + bytes([png[end - 1] ^ 1]) + png[end:]
    return {
        "empty.png": b"",
        "one-byte.png": b"\x89",
        "signature-only.png": png[:8],
        "truncated.png": png[: len(png) // 2],
        "without-end.png": png[:-12],
        "bad-pixels.png": bad_pixels,
        "bad-checksum.png": bad_checksum,
        "wrong-magic.png": b"\x88" + png[1:],
        "no-pixels.png": raw_png((64, 48), 8, 2, b""),
        "too-few-pixels.png": raw_png((64, 48), 8, 2, bytes(200)),
        "unknown-colour-type.png": raw_png((64, 48), 8, 5, bytes(64 * 48 * 4)),
        "zero-wide.png": raw_png((0, 48), 8, 2, bytes(48)),
        "huge-chunk.png": png[:8] + struct.pack(">I", 0x7FFFFFFF) + png[12:],
        "bomb.png": flat_grey_png(13_000, 13_000),
        "bomb-header.png": raw_png((60_000, 60_000), 8, 2, b""),
        "one-pixel.png": encode(Image.new("RGB", (1, 1))),
        "thin.png": flat_grey_png(20_000, 1),
        "long.png": flat_grey_png(20_000, 8),
        "truncated.jpg": jpeg[: len(jpeg) // 2],
        "header-only.jpg": jpeg[:20],
        "truncated.webp": webp[: len(webp) // 2],
        "truncated.gif": gif[: len(gif) // 2],
        "no-frames.gif": b"GIF89a" + struct.pack("<HHBBB", 64, 48, 0, 0, 0) + b";",
        "truncated.bmp": bmp[: len(bmp) // 2],
        "truncated.tiff": tiff[: len(tiff) // 2],
        "float.tiff": encode(Image.new("F", (64, 48), 0.5), "TIFF"),
        "wide-integers.tiff": encode(Image.new("I", (64, 48), 1_000_000), "TIFF"),
        "page.png": b"<!DOCTYPE html>\n<html><body>404: not found</body></html>\n",
        "drawing.svg": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="64"/>\n',
        "drawing.png": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "document.pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
        "program.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\n",
        "photo.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64),
        "layers.psd": b"8BPS\0\1" + bytes(200),
        "noise.png": bytes((97 * i * i + 31 * i + i // 7) % 256 for i in range(4096)),
        "text.jpg": "kein Bild, nur Text: äöü\n".encode() * 20,
    }


def valid() -> dict[str, ValidFile]:
    """Files that must load, by name, with the RGB pixels they must give on a white background."""
    files = _colour_files() | _grey_files() | _transparent_files() | _upright_files() | _animations()
    if features.check("avif"):
        photo = gradient(32, 48)
        files["photo.avif"] = ValidFile(encode(Image.fromarray(photo), "AVIF", quality=95), photo, 12)
    return files


def _colour_files() -> dict[str, ValidFile]:
    rgb = gradient()
    picture = Image.fromarray(rgb)
    photo = gradient(32, 48)
    deep = rgb.astype(">u2") * 257
    deep_rows = b"".join(b"\0" + row.tobytes() for row in deep)
    inks = Image.new("CMYK", (WIDTH, HEIGHT), (255, 0, 0, 51))  # all cyan, a fifth black
    cyan = np.broadcast_to(np.uint8([0, 204, 204]), (HEIGHT, WIDTH, 3)).copy()
    few = picture.quantize(16)
    return {
        "plain.png": ValidFile(encode(picture), rgb),
        "interlaced-name.jpeg": ValidFile(encode(picture), rgb),  # a PNG by another name
        "ends with rubbish.png": ValidFile(encode(picture) + b"rubbish" * 9, rgb),
        "sixteen-bit-colour.png": ValidFile(raw_png((WIDTH, HEIGHT), 16, 2, deep_rows), rgb),
        "photo.jpg": ValidFile(encode(Image.fromarray(photo), "JPEG", quality=95, subsampling=0), photo, 6),
        "progressive.jpg": ValidFile(
            encode(Image.fromarray(photo), "JPEG", quality=95, subsampling=0, progressive=True), photo, 6
        ),
        "inks.jpg": ValidFile(encode(inks, "JPEG", quality=95), cyan, 3),
        "inks.tiff": ValidFile(encode(inks, "TIFF"), cyan),
        "plain.webp": ValidFile(encode(picture, "WEBP", lossless=True), rgb),
        "plain.bmp": ValidFile(encode(picture, "BMP"), rgb),
        "packed.tiff": ValidFile(encode(picture, "TIFF", compression="tiff_lzw"), rgb),
        "palette.png": ValidFile(encode(few), np.array(few.convert("RGB"))),
        "palette.gif": ValidFile(encode(few, "GIF"), np.array(few.convert("RGB"))),
    }


def _grey_files() -> dict[str, ValidFile]:
    level = gradient()[..., 0]
    # 257 levels of 16 bit make one of 8 bit: 128 rounds to 0, 129 to 1, 65406 to 254, 65407 to 255
    deep = np.resize(np.uint16([0, 128, 129, 257, 32896, 65406, 65407, 65535]), (HEIGHT, WIDTH))
    deep_as_8_bit = np.resize(np.uint8([0, 0, 1, 1, 128, 254, 255, 255]), (HEIGHT, WIDTH))
    bits = (level // 8) % 2 == 0
    deep_rows = b"".join(b"\0" + row.tobytes() for row in deep.astype(">u2"))
    key = chunk(b"tRNS", struct.pack(">H", 129))
    keyed = np.where(deep == 129, np.uint8(255), deep_as_8_bit)
    return {
        "grey.png": ValidFile(encode(Image.fromarray(level)), _grey(level)),
        "grey.jpg": ValidFile(encode(Image.fromarray(level), "JPEG", quality=98), _grey(level), 4),
        "one-bit.png": ValidFile(encode(Image.fromarray(bits)), _grey(np.where(bits, 255, 0))),
        "sixteen-bit-grey.png": ValidFile(encode(Image.fromarray(deep)), _grey(deep_as_8_bit)),
        "sixteen-bit-grey.tiff": ValidFile(encode(Image.fromarray(deep), "TIFF"), _grey(deep_as_8_bit)),
        "sixteen-bit-key.png": ValidFile(raw_png((WIDTH, HEIGHT), 16, 0, deep_rows, key), _grey(keyed)),
        "wide-but-small.tiff": ValidFile(encode(Image.fromarray(deep.astype(np.int32)), "TIFF"), _grey(deep_as_8_bit)),
    }


def _transparent_files() -> dict[str, ValidFile]:
    rgb = gradient()
    level = rgb[..., 0]
    alpha = np.resize(np.uint8([0, 51, 128, 255]), (HEIGHT, WIDTH))
    rgba = Image.fromarray(np.dstack([rgb, alpha]))
    pair = Image.fromarray(np.dstack([level, alpha]), "LA")
    few = Image.fromarray(rgb).quantize(8)
    index = np.array(few)
    palette = np.array(few.convert("RGB"))
    hole = np.where((index == 3)[..., None], np.uint8(255), palette)
    steps = bytes([0, 51, 128, 255, 255, 255, 255, 255])
    fading = on_white(palette, np.uint8(list(steps))[index])
    key = tuple(int(value) for value in rgb[2, 5])
    keyed = rgb.copy()
    keyed[2, 5] = 255
    return {
        "alpha.png": ValidFile(encode(rgba), on_white(rgb, alpha)),
        "alpha.webp": ValidFile(encode(rgba, "WEBP", lossless=True, exact=True), on_white(rgb, alpha)),
        "alpha.tiff": ValidFile(encode(rgba, "TIFF"), on_white(rgb, alpha)),
        "grey-alpha.png": ValidFile(encode(pair), on_white(_grey(level), alpha)),
        "palette-hole.png": ValidFile(encode(few, transparency=3), hole),
        "palette-hole.gif": ValidFile(encode(few, "GIF", transparency=3), hole),
        "palette-fading.png": ValidFile(encode(few, transparency=steps), fading),
        "colour-key.png": ValidFile(encode(Image.fromarray(rgb), transparency=key), keyed),
    }


def _upright_files() -> dict[str, ValidFile]:
    """The eight EXIF orientations: what is stored, and how it must be turned to stand upright."""
    stored = gradient()
    upright = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(stored, 1),
    }
    files = {}
    for orientation, expected in upright.items():
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = orientation
        data = encode(Image.fromarray(stored), exif=exif)
        files[f"orientation-{orientation}.png"] = ValidFile(data, np.ascontiguousarray(expected))
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    turned = np.ascontiguousarray(np.rot90(stored, -1))
    large = gradient(32, 48)
    large_turned = np.ascontiguousarray(np.rot90(large, -1))
    picture = Image.fromarray(stored)
    files["orientation-6.jpg"] = ValidFile(
        encode(Image.fromarray(large), "JPEG", quality=95, subsampling=0, exif=exif), large_turned, 6
    )
    files["orientation-6.webp"] = ValidFile(encode(picture, "WEBP", lossless=True, exif=exif), turned)
    files["orientation-6.tiff"] = ValidFile(encode(picture, "TIFF", exif=exif), turned)
    files["broken-exif.png"] = ValidFile(encode(picture, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff rubbish"), stored)
    return files


def _animations() -> dict[str, ValidFile]:
    first = Image.fromarray(gradient())
    second = Image.fromarray(255 - gradient())
    options: dict[str, Any] = {"save_all": True, "append_images": [second], "duration": 100}
    few = first.quantize(16)
    return {
        "moving.png": ValidFile(encode(first, **options), gradient()),
        "moving.webp": ValidFile(encode(first, "WEBP", lossless=True, **options), gradient()),
        "moving.gif": ValidFile(
            encode(few, "GIF", save_all=True, append_images=[second.quantize(16)], duration=100),
            np.array(few.convert("RGB")),
        ),
        "pages.tiff": ValidFile(encode(first, "TIFF", save_all=True, append_images=[second]), gradient()),
    }


def on_white(colour: Pixels, alpha: Pixels) -> Pixels:
    """Colour [H, W, 3] laid over white by alpha [H, W], rounded half up."""
    share = alpha.astype(np.int64)[..., None]
    blended = colour * share + 255 * (255 - share)
    return ((2 * blended + 255) // 510).astype(np.uint8)


def _grey(level: NDArray[Any]) -> Pixels:
    return np.repeat(level.astype(np.uint8)[..., None], 3, axis=2)
