"""What Pillow leaves to us of PNG files: all checksums, bounded reading of text, and passing over what nobody needs.

Pillow does not compare the checksums of pixel data, reads text chunks only by decoding the picture, and gives up on a
good picture whose profile or texts are large. All of it is a walk over the chunks of the file (PNG specification, third
edition, sections 5.3 and 11.3.3).
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 1 << 16  # a 64 MiB file in the usual 8 KiB pieces has 8192
MAX_TEXT_BYTES = 1 << 20  # one text, packed and unpacked
MAX_TEXTS = 64

_TEXT_KINDS = (b"tEXt", b"zTXt", b"iTXt")
_PIXEL_KINDS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"eXIf", b"IEND")
"""Chunks that decide what a still picture looks like: its pixels, their colours and transparency, its orientation."""
_TURNED = ("Raw profile type exif", "Raw profile type APP1", "XML:com.adobe.xmp")
"""Keywords of texts in which other programs say which way up a picture is."""


class DamagedPng(ValueError):
    """The file is not a whole PNG file; the message completes "it ..."."""


def verified(data: bytes) -> bytes:
    """The file with the chunks alone that decide what the picture looks like, every checksum compared.

    Profiles, texts and animations are left out, and never unpacked, however large they are. Raises DamagedPng.
    """
    parts = [SIGNATURE]
    for kind, body in _chunks(io.BytesIO(data), lambda _kind, _length: True):
        if kind in _PIXEL_KINDS or (kind in _TEXT_KINDS and _tells_orientation(kind, body)):
            head = struct.pack(">I4s", len(body), kind)
            parts += [head, body, struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))]
    return b"".join(parts)


def is_animated(data: bytes) -> bool:
    """Whether the file has more frames than one, as its control chunk says. Raises DamagedPng."""
    frames = [body for kind, body in _chunks(io.BytesIO(data), lambda kind, length: kind == b"acTL" and length == 8)]
    return any(int.from_bytes(body[:4], "big") > 1 for body in frames)


def _tells_orientation(kind: bytes, body: bytes) -> bool:
    if body.partition(b"\0")[0].decode("latin-1") not in _TURNED or len(body) > MAX_TEXT_BYTES:
        return False
    return _decode_text(kind, body) is not None


def read_texts(stream: BinaryIO) -> dict[str, str]:
    """Texts of a PNG file by keyword (the first of each), without decoding pixels. Raises DamagedPng.

    Texts longer than MAX_TEXT_BYTES and malformed ones are left out, as are those after the first MAX_TEXTS.
    """
    texts: dict[str, str] = {}
    for kind, body in _chunks(stream, _is_short_text):
        if len(texts) == MAX_TEXTS:
            break
        entry = _decode_text(kind, body)
        if entry is not None:
            texts.setdefault(*entry)
    return texts


def _is_short_text(kind: bytes, length: int) -> bool:
    return kind in _TEXT_KINDS and length <= MAX_TEXT_BYTES


def _chunks(stream: BinaryIO, wanted: Callable[[bytes, int], bool]) -> Iterator[tuple[bytes, bytes]]:
    """Yield (kind, body) of the wanted chunks, checksum compared; the others are passed over unread."""
    if stream.read(len(SIGNATURE)) != SIGNATURE:
        raise DamagedPng("does not start as a PNG file does")
    for _ in range(MAX_CHUNKS):
        header = stream.read(8)
        if len(header) < 8:
            raise DamagedPng("is cut off before its end")
        length, kind = struct.unpack(">I4s", header)
        if not kind.isalpha() or length > 0x7FFFFFFF:
            raise DamagedPng("holds something that is not a chunk of a PNG file")
        if wanted(kind, length):
            body, checksum = stream.read(length), stream.read(4)
            if len(checksum) < 4:
                raise DamagedPng("is cut off before its end")
            if zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(checksum, "big"):
                raise DamagedPng(f"has a wrong checksum (in its {kind.decode('ascii')} chunk)")
            yield kind, body
        else:
            stream.seek(length + 4, 1)
        if kind == b"IEND":
            return
    raise DamagedPng("consists of too many pieces")


def _decode_text(kind: bytes, body: bytes) -> tuple[str, str] | None:
    """(keyword, text) of a text chunk, or None if it is malformed or unpacks to too much."""
    keyword, _, rest = body.partition(b"\0")
    packed = False
    if kind == b"zTXt":
        packed, method, text = True, rest[:1], rest[1:]
    elif kind == b"iTXt":
        flag, method, tags = rest[:1], rest[1:2], rest[2:]
        parts = tags.split(b"\0", 2)  # language, translated keyword, text
        if len(parts) < 3:
            return None
        packed, text = flag == b"\1", parts[2]
    else:
        method, text = b"\0", rest
    if packed:
        unpacked = _unpack(text) if method == b"\0" else None
        if unpacked is None:
            return None
        text = unpacked
    try:
        return keyword.decode("latin-1"), text.decode("utf-8" if kind == b"iTXt" else "latin-1")
    except UnicodeDecodeError:
        return None


def _unpack(data: bytes) -> bytes | None:
    decoder = zlib.decompressobj()
    try:
        text = decoder.decompress(data, MAX_TEXT_BYTES + 1)
    except zlib.error:
        return None
    return text if decoder.eof and len(text) <= MAX_TEXT_BYTES else None
