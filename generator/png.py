"""The two things about PNG files that Pillow leaves to us: all checksums, and bounded reading of text.

Pillow does not compare the checksums of pixel data, and reads text chunks only by decoding the picture. Both
are a walk over the chunks of the file (PNG specification, third edition, sections 5.3 and 11.3.3).
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 1 << 16  # a 64 MiB file in the usual 8 KiB pieces has 8192
MAX_TEXT_BYTES = 1 << 20  # one text, packed and unpacked
MAX_TEXTS = 64

_TEXT_KINDS = (b"tEXt", b"zTXt", b"iTXt")


class DamagedPng(ValueError):
    """The file is not a whole PNG file; the message completes "it ..."."""


def verify(data: BinaryIO) -> None:
    """Walk over all chunks and compare every checksum. Raises DamagedPng."""
    for _ in _chunks(data, lambda _kind, _length: True):
        pass


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
