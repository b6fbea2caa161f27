"""Pictures in: every way a file can be odd or broken, each a sentence."""

import io
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from foundation.images import png
from foundation.images.files import ImageError, LoadLimits, load_image, read_metadata
from tests import corpus
from tests.examples import examples

MALFORMED = corpus.malformed()
VALID = corpus.valid()
PLAIN = VALID["plain.png"].data


@pytest.mark.parametrize("name", VALID)
def test_valid_files_load_with_exact_pixels(name: str) -> None:
    case = VALID[name]
    picture = load_image(case.data)
    assert picture.mode == "RGB"
    assert picture.info == {}
    assert not picture.getexif()
    pixels = np.array(picture)
    assert pixels.shape == case.expected.shape
    assert np.abs(pixels.astype(int) - case.expected.astype(int)).max() <= case.tolerance


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_files_are_refused_in_words(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(MALFORMED[name])
    with warnings.catch_warnings(), pytest.raises(ImageError) as caught:
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        load_image(path)
    message = str(caught.value)
    assert message.startswith(name)
    assert message.endswith(".")
    assert str(tmp_path) not in message


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("empty.png", "is empty"),
        ("truncated.png", "cut off"),
        ("without-end.png", "cut off"),
        ("bad-pixels.png", "wrong checksum"),
        ("bad-checksum.png", "wrong checksum"),
        ("bomb.png", "13000 x 13000 pixels|far too many pixels"),
        ("bomb-header.png", "far too many pixels"),
        ("one-pixel.png", "1 x 1 pixels; each side needs at least 8"),
        ("thin.png", "20000 x 1 pixels"),
        ("long.png", "20000 x 8 pixels; the limits are 16384 a side"),
        ("truncated.jpg", "damaged or cut off"),
        ("page.png", "web page"),
        ("drawing.svg", "SVG"),
        ("drawing.png", "SVG"),
        ("photo.heic", "HEIC"),
        ("document.pdf", "PDF"),
        ("layers.psd", "Photoshop"),
        ("noise.png", "no picture in a format that is read"),
        ("float.tiff", "no agreed white"),
        ("wide-integers.tiff", "32-bit grey"),
    ],
)
def test_refusals_say_what_is_wrong(name: str, words: str) -> None:
    with warnings.catch_warnings(), pytest.raises(ImageError, match=words):
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        load_image(MALFORMED[name])


def test_bombs_are_refused_before_any_pixel_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(*_args: object) -> None:
        raise AssertionError("pixels were decoded")

    assert len(MALFORMED["bomb.png"]) < 40_000
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load_prepare", decoded)
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", decoded)
    for name in ("bomb.png", "bomb-header.png", "long.png", "one-pixel.png"):
        with warnings.catch_warnings(), pytest.raises(ImageError, match="pixels"):
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            load_image(MALFORMED[name])


def test_pillow_limits_are_left_alone_and_its_own_alarms_become_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = Image.MAX_IMAGE_PIXELS
    load_image(PLAIN)
    assert before == Image.MAX_IMAGE_PIXELS
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # PLAIN has 240 pixels: an error
    with pytest.raises(ImageError, match="far too many pixels"):
        load_image(PLAIN)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)  # a warning, which an app may have made an error
    with warnings.catch_warnings(), pytest.raises(ImageError, match="far too many pixels"):
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        load_image(PLAIN)


def test_limits_can_be_set() -> None:
    with pytest.raises(ImageError, match="larger than"):
        load_image(PLAIN, limits=LoadLimits(max_bytes=len(PLAIN) - 1))
    load_image(PLAIN, limits=LoadLimits(max_bytes=len(PLAIN), max_pixels=240, min_side=12, max_side=20))
    for limits in (LoadLimits(max_pixels=239), LoadLimits(min_side=13), LoadLimits(max_side=19)):
        with pytest.raises(ImageError, match="20 x 12 pixels"):
            load_image(PLAIN, limits=limits)


def test_background_shows_through_transparency() -> None:
    rgba = Image.new("RGBA", (20, 12), (200, 100, 0, 51))  # a fifth of the colour, four fifths of the background
    pixels = np.array(load_image(corpus.encode(rgba), background=(0, 50, 255)))
    assert (pixels == np.uint8([40, 60, 204])).all()


def test_sources_path_text_bytes_and_open_file(tmp_path: Path) -> None:
    path = tmp_path / "Bild ü.png"
    path.write_bytes(PLAIN)
    expected = np.array(load_image(PLAIN))
    assert (np.array(load_image(path)) == expected).all()
    assert (np.array(load_image(str(path))) == expected).all()
    with path.open("rb") as file:
        assert (np.array(load_image(file)) == expected).all()
        assert not file.closed
    with pytest.raises(ImageError, match="is empty"):
        load_image(io.BytesIO(b""))


@pytest.mark.parametrize(
    "address",
    ["http://example.org/a.png", "HTTPS://example.org/a.png", "file:///a.png", "data:image/png;base64,AA"],
)
def test_addresses_are_not_fetched(address: str) -> None:
    for read in (load_image, read_metadata):
        with pytest.raises(ImageError, match="not fetched"):
            read(address)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("x")
    for read in (load_image, read_metadata):
        for path in (tmp_path / "missing.png", tmp_path / "plain.txt" / "below.png"):
            with pytest.raises(ImageError, match="There is no file"):
                read(path)
        for path in (tmp_path, Path("/dev/zero")):
            with pytest.raises(ImageError, match="is not a file"):
                read(path)
        for text in ("a\0b.png", "x" * 5000):
            with pytest.raises(ImageError, match="cannot be read"):
                read(text)


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PLAIN)

    def denied(*_args: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    for read in (load_image, read_metadata):
        with pytest.raises(ImageError, match="Permission denied"):
            read(path)


def test_only_listed_parsers_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import EpsImagePlugin, PpmImagePlugin

    for plugin in (EpsImagePlugin.EpsImageFile, PpmImagePlugin.PpmImageFile):
        monkeypatch.setattr(plugin, "_open", lambda _self: pytest.fail("an exotic parser ran"))
    for data in (MALFORMED["program.eps"], b"P6 16 16 255\n" + bytes(768)):
        with pytest.raises(ImageError, match="no picture in a format"):
            load_image(data)


@settings(max_examples=examples(200), deadline=None)
@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0"]),
)
def test_arbitrary_bytes_raise_nothing_but_image_errors(data: bytes, start: bytes) -> None:
    for read in (load_image, read_metadata):
        try:
            read(start + data)
        except ImageError as error:
            assert str(error).endswith(".")


SEEDS = [name for name, case in VALID.items() if len(case.data) < 3000]


@pytest.mark.slow
@settings(max_examples=examples(400), deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=4),
    st.floats(0.3, 1),
    st.booleans(),
)
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_raise_nothing_but_image_errors(
    name: str, changes: list[tuple[float, int]], kept: float, mend_checksums: bool
) -> None:
    data = bytearray(VALID[name].data)
    for place, value in changes:
        data[int(place * len(data))] = value
    damaged = bytes(data[: int(kept * len(data)) + 1])
    if mend_checksums and damaged.startswith(png.SIGNATURE):  # let the damage through to Pillow
        damaged = with_right_checksums(damaged)
    for read in (load_image, read_metadata):
        try:
            read(damaged)
        except ImageError as error:
            assert str(error).endswith(".")


def with_right_checksums(data: bytes) -> bytes:
    parts, at = [data[:8]], 8
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        parts.append(corpus.chunk(kind, body))
        at += 12 + length
    return b"".join(parts)
