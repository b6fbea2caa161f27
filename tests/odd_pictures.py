"""More odd and hostile picture files, made on the fly, each with what must become of it.

Beside `tests.corpus`: bombs, polyglots, large profiles and texts, hostile JPEGs, odd shapes and depths, formats that
are read by nobody. An `Odd` file loads with these pixels, or is refused with a sentence that has these words.
"""

import io
import itertools
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from tests.corpus import EXIF_ORIENTATION, Pixels, chunk, encode, flat_grey_png, gradient, on_white, raw_png, with_text

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Odd:
    """A file: its bytes, and the RGB pixels [H, W, 3] it must give (within a tolerance) or words of a refusal."""

    data: bytes
    expected: Pixels | None = None
    words: str = ""
    tolerance: int = 0


def odd_pictures() -> dict[str, Odd]:
    """All of them, by names as users' files would have."""
    return _chunks() | _bombs() | _jpegs() | _shapes() | _colours() | _polyglots() | _strangers() | _turned()


def _noise(size: int) -> bytes:
    """Bytes that cannot be packed, the same every time."""
    return np.random.default_rng(5).integers(0, 256, size, np.uint8).tobytes()


def _chunks() -> dict[str, Odd]:
    """F16: what nobody needs of a PNG is passed over, whatever its size and shape."""
    rgb = gradient()
    png = encode(Image.fromarray(rgb))
    large = {
        "profile-bomb.png": chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(32 * MEGABYTE), 9)),
        "profile-1.3MB.png": chunk(b"iCCP", b"p\0\0" + zlib.compress(_noise(1_300_000))),
        "profile-rubbish.png": chunk(b"iCCP", b"\xff" * 100),
        "text-bomb.png": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(32 * MEGABYTE), 9)),
        "text-3MB.png": chunk(b"tEXt", b"parameters\0" + b"a frog, " * 400_000),
        "text-utf8.png": chunk(b"iTXt", b"workflow\0\0\0\0\0" + "\u732b".encode() * 500_000),
        "texts-many.png": b"".join(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(MEGABYTE))) for _ in range(70)),
        "text-rubbish.png": chunk(b"iTXt", b"\xff\xfe"),
        "private-chunk.png": chunk(b"prVt", bytes(MEGABYTE)),
        "odd-time.png": chunk(b"tIME", b"\0"),
        "odd-gamma.png": chunk(b"gAMA", b"\0" * 3) + chunk(b"cHRM", b"\0"),
        "exif-rubbish.png": chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff"),
        "animation-rubbish.png": chunk(b"acTL", struct.pack(">II", 0, 0)) + chunk(b"fcTL", b"\0"),
        "turned-bomb.png": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(32 * MEGABYTE))),
    }
    files = {name: Odd(with_text(png, chunks), rgb) for name, chunks in large.items()}
    profile = encode(
        Image.fromarray(gradient(32, 48)), "JPEG", quality=95, subsampling=0, icc_profile=_noise(1_300_000)
    )
    files["profile-1.3MB.jpg"] = Odd(profile, gradient(32, 48), tolerance=6)
    bad = bytearray(with_text(png, chunk(b"tEXt", b"Comment\0hello")))
    bad[50] ^= 1
    files["wrong-checksum-of-text.png"] = Odd(bytes(bad), words="wrong checksum")
    files["many-pieces.png"] = Odd(with_text(png, chunk(b"prVt", b"") * 70_000), words="too many pieces")
    return files


def _bombs() -> dict[str, Odd]:
    wide = struct.pack(">I", 0x7FFFFFFF)
    ihdr = encode(Image.fromarray(gradient()))
    giant_gif = b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0x80, 0, 0) + bytes(6)
    giant_gif += b"\x2c" + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\x02\x02\x4c\x01\x00;"
    giant_bmp = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)
    return {
        "7072x7072.png": Odd(flat_grey_png(7072, 7072), words="limits are 16384 a side and 50 million"),
        "header-of-2-gigapixels.png": Odd(ihdr[:16] + wide * 2 + ihdr[24:], words="far too many pixels|wrong checksum"),
        "giant.gif": Odd(giant_gif, words="too many pixels|limits are"),
        "giant.bmp": Odd(giant_bmp, words="too many pixels|limits are"),
        "16384x8.png": Odd(flat_grey_png(16384, 8), np.zeros((8, 16384, 3), np.uint8)),
        "8x16384.png": Odd(flat_grey_png(8, 16384), np.zeros((16384, 8, 3), np.uint8)),
        "16385x8.png": Odd(flat_grey_png(16385, 8), words="16385 x 8 pixels; the limits are 16384 a side"),
        "rows-without-end.png": Odd(raw_png((64, 48), 8, 2, bytes(20 * MEGABYTE)), np.zeros((48, 64, 3), np.uint8)),
    }


def progressive_scans(scans: int, size: tuple[int, int] = (64, 64)) -> bytes:
    """A progressive JPEG with so many scans, as a refinement of the same coefficient over and over."""
    data = encode(Image.new("L", size, 128), "JPEG", progressive=True)
    first = data.index(b"\xff\xda")
    head, body = data[:first], data[first:-2]
    second = body.index(b"\xff\xda", 2) if b"\xff\xda" in body[2:] else len(body)
    again = body[second:] or body
    return head + body + again * scans + b"\xff\xd9"


def _jpegs() -> dict[str, Odd]:
    photo = gradient(32, 48)
    jpeg = encode(Image.fromarray(photo), "JPEG", quality=95, subsampling=0)
    segment = b"\xff\xe9" + struct.pack(">H", 60_000) + b"\xff\xda" * 29_999
    return {
        "1000-scans.jpg": Odd(progressive_scans(1000), words="more than 100 scans"),
        "scans-in-a-comment.jpg": Odd(jpeg[:2] + segment + jpeg[2:], photo, tolerance=6),
        "zero-high.jpg": Odd(_with_height(jpeg, 0), words="damaged|pixels"),
        "rubbish-behind.jpg": Odd(jpeg + b"\xff\xda" * 1000, photo, tolerance=6),
        "only-markers.jpg": Odd(b"\xff\xd8" + b"\xff\xfe\0\2" * 1000, words="damaged|no picture"),
        "inks-inverted.jpg": Odd(
            encode(Image.new("CMYK", (24, 16), (0, 255, 0, 0)), "JPEG", quality=95),
            np.broadcast_to(np.uint8([255, 0, 255]), (16, 24, 3)).copy(),
            tolerance=4,
        ),
    }


def _with_height(jpeg: bytes, height: int) -> bytes:
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">H", height) + jpeg[at + 2 :]


def _shapes() -> dict[str, Odd]:
    small = gradient(8, 8)
    tall = gradient(40, 9)
    return {
        "8x8.png": Odd(encode(Image.fromarray(small)), small),
        "9x40.png": Odd(encode(Image.fromarray(tall)), tall),
        "7x8.png": Odd(encode(Image.fromarray(gradient(8, 7))), words="each side needs at least 8"),
        "1x1.gif": Odd(encode(Image.new("P", (1, 1)), "GIF"), words="1 x 1 pixels; each side needs at least 8"),
        "1x16384.png": Odd(flat_grey_png(1, 16384), words="1 x 16384 pixels; each side needs at least 8"),
        "0x8.png": Odd(raw_png((0, 8), 8, 2, b""), words="damaged|no picture|pixels"),
        "empty.webp": Odd(b"", words="is empty"),
        "interlaced.png": Odd(interlaced(small), small),
        "interlaced-cut.png": Odd(interlaced(small)[:-30], words="cut off|damaged"),
    }


def interlaced(rgb: Pixels) -> bytes:
    """A PNG in Adam7 order."""
    height, width, _ = rgb.shape
    rows = b""
    for x, y, dx, dy in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        for row in rgb[y::dy, x::dx]:
            rows += b"\0" + row.tobytes() if row.size else b""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def _colours() -> dict[str, Odd]:
    rgb = gradient()
    height, width, _ = rgb.shape
    level = rgb[..., 0]
    alpha = np.resize(np.uint8([0, 51, 128, 255]), (height, width))
    deep = b"".join(b"\0" + row.tobytes() for row in (np.dstack([rgb, alpha]).astype(np.uint16) * 257).astype(">u2"))
    pair = b"".join(b"\0" + row.tobytes() for row in (np.dstack([level, alpha]).astype(np.uint16) * 257).astype(">u2"))
    grey = np.repeat(level[..., None], 3, 2)
    two_bits = np.resize(np.uint8([0, 85, 170, 255]), (height, width))
    packed = b"".join(b"\0" + bytes([0b00011011]) * (width // 4) for _ in range(height))
    indexed = Image.fromarray(rgb).quantize(4)
    short = raw_png(
        (width, height), 8, 3, b"".join(b"\0" + bytes([9] * width) for _ in range(height)), chunk(b"PLTE", bytes(6))
    )
    return {
        "sixteen-bit-alpha.png": Odd(raw_png((width, height), 16, 6, deep), on_white(rgb, alpha)),
        "sixteen-bit-grey-alpha.png": Odd(raw_png((width, height), 16, 4, pair), on_white(grey, alpha), tolerance=1),
        "two-bit-grey.png": Odd(raw_png((width, height), 2, 0, packed), np.repeat(two_bits[..., None], 3, 2)),
        "palette-all-gone.png": Odd(encode(indexed, transparency=bytes(4)), np.full((height, width, 3), 255, np.uint8)),
        "palette-too-short.png": Odd(short, np.zeros((height, width, 3), np.uint8)),
        "lab.tiff": Odd(encode(Image.new("LAB", (16, 16)), "TIFF"), words="no agreed white"),
        "float.tiff": Odd(encode(Image.new("F", (16, 16)), "TIFF"), words="no agreed white"),
    }


def _polyglots() -> dict[str, Odd]:
    rgb = gradient()
    png = encode(Image.fromarray(rgb))
    page = b"<html><script>alert(1)</script></html>"
    archive = io.BytesIO()
    import zipfile

    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("evil.py", "raise SystemExit")
    return {
        "page-behind.png": Odd(png + page, rgb),
        "archive-behind.png": Odd(png + archive.getvalue(), rgb),
        "page-within.gif": Odd(b"GIF89a/*" + page, words="damaged|no picture|pixels"),
        "page-first.png": Odd(page + png, words="web page"),
        "pdf-first.jpg": Odd(b"%PDF-1.7\n" + png, words="PDF"),
        "png-by-another-name.jpg": Odd(png, rgb),
        "gif-by-another-name.png": Odd(
            encode(Image.fromarray(rgb).quantize(16), "GIF"), np.array(Image.fromarray(rgb).quantize(16).convert("RGB"))
        ),
    }


def _strangers() -> dict[str, Odd]:
    """Formats whose parsers are never run, under names of those that are."""
    picture = Image.fromarray(gradient(32, 48))
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\n%%EndComments\n(/etc/passwd) (r) file\n"
    kinds = ["EPS", "ICO", "PPM", "TGA", "PCX", "SGI", "ICNS", "DDS", "JPEG2000", "MSP", "XBM", "SPIDER", "IM", "PALM"]
    files = {"postscript.png": Odd(eps, words="no picture in a format")}
    for kind in kinds:
        mode = {"MSP": "1", "XBM": "1", "SPIDER": "F", "PALM": "P"}.get(kind, "RGB")
        try:
            data = encode(picture.convert(mode), kind)
        except (OSError, KeyError, ValueError):  # this build cannot write it
            continue
        files[f"{kind.lower()}.png"] = Odd(data, words="no picture in a format")
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    files["vector.jpg"] = Odd(svg, words="SVG")
    return files


def _turned() -> dict[str, Odd]:
    """Orientations that are none, and those that other programs write into texts."""
    stored = gradient()
    files = {}
    for value in (0, 9, 65_535):
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = value
        files[f"orientation-{value}.png"] = Odd(encode(Image.fromarray(stored), exif=exif), stored)
    turned = np.ascontiguousarray(np.rot90(stored, -1))
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    raw = exif.tobytes()
    lines = (
        b"\nexif\n%8d\n" % len(raw) + b"\n".join(bytes(part).hex().encode() for part in itertools.batched(raw, 36))
        if hasattr(itertools, "batched")
        else b"\nexif\n%8d\n" % len(raw) + raw.hex().encode()
    )
    text = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(lines + b"\n"))
    files["orientation-in-a-text.png"] = Odd(with_text(encode(Image.fromarray(stored)), text), turned)
    return files


def frames(kind: str, **options: Any) -> bytes:
    """A file of two frames."""
    first, second = Image.fromarray(gradient()), Image.fromarray(255 - gradient())
    return encode(first, kind, save_all=True, append_images=[second], **options)
