"""Pictures in and out: every way a file can be odd or broken, exact rounding, atomic saving."""

import builtins
import contextlib
import io
import struct
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from generator import png
from generator.distance import l2, linf
from generator.image import (
    METADATA_KEY,
    ImageError,
    LoadLimits,
    load_image,
    pixel_digest,
    quantise,
    quantise_within,
    read_metadata,
    save_png,
    to_pil,
    to_tensor,
    to_uint8,
)
from tests import corpus

MALFORMED = corpus.malformed()
VALID = corpus.valid()
PLAIN = VALID["plain.png"].data


def random_images(seed: int = 0, shape: tuple[int, ...] = (2, 3, 9, 14), spread: float = 1.2) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=rng) * spread - (spread - 1) / 2


# Loading


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


@settings(max_examples=200, deadline=None)
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


@settings(max_examples=400, deadline=None)
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


# Rounding


def test_to_uint8_rounds_half_up_and_clamps() -> None:
    values = torch.tensor([-127.5, 0, 0.49, 0.5, 127.5, 128.4999, 254.6, 255, 999], dtype=torch.float64)
    pixels = to_uint8((values / 255).expand(2, 3, 4, 9))
    assert pixels.shape == (2, 4, 9, 3)
    assert pixels.dtype == np.uint8
    assert pixels[1, 2, :, 1].tolist() == [0, 0, 0, 1, 128, 128, 255, 255, 255]


def test_layout_height_width_channels() -> None:
    array = np.zeros((3, 5, 3), np.uint8)
    array[2, 4] = (255, 51, 0)
    images = to_tensor(array)
    assert images.shape == (1, 3, 3, 5)
    assert images.dtype == torch.float32
    assert images[0, :, 2, 4].tolist() == pytest.approx([1, 0.2, 0])
    assert images.sum() == pytest.approx(1.2)
    pictures = to_pil(torch.cat([images, images.flip(3)]))
    assert [picture.size for picture in pictures] == [(5, 3), (5, 3)]
    assert pictures[0].getpixel((4, 2)) == pictures[1].getpixel((0, 2)) == (255, 51, 0)


def test_all_256_levels_survive() -> None:
    levels = np.arange(256, dtype=np.uint8)
    array = np.stack([levels, levels[::-1], levels // 2], axis=1).reshape(16, 16, 3)
    assert (to_uint8(to_tensor(array))[0] == array).all()
    assert (to_tensor(Image.fromarray(array)) == to_tensor(array)).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_no_numbers_are_refused(value: float) -> None:
    images = random_images()
    images[1, 2, 3, 4] = value
    for convert in (to_uint8, to_pil, quantise):
        with pytest.raises(ImageError, match="NaN"):
            convert(images)


@pytest.mark.parametrize(
    "images", [torch.zeros(3, 8, 8), torch.zeros(1, 4, 8, 8), torch.zeros(1, 3, 8, 8, dtype=torch.uint8)]
)
def test_other_tensors_are_refused(images: torch.Tensor) -> None:
    with pytest.raises(ImageError, match=r"\[B, 3, H, W\]"):
        to_uint8(images)


def test_other_pictures_and_arrays_are_refused() -> None:
    for picture in (Image.new("L", (9, 9)), np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float32)):
        with pytest.raises(ImageError, match=r"RGB|8-bit"):
            to_tensor(picture)  # type: ignore[arg-type]


def test_what_is_saved_is_exactly_the_quantised_image(tmp_path: Path) -> None:
    images = random_images()
    images[0, 0, 0, :3] = torch.tensor([0.5, 1 / 255, 127.5 / 255])
    saved = []
    for index, image in enumerate(images):
        path = tmp_path / f"{index}.png"
        save_png(image, path)
        saved.append(to_tensor(load_image(path)))
    exact = quantise(images)
    assert torch.equal(torch.cat(saved), exact)
    assert torch.equal(quantise(exact), exact)
    assert exact.dtype == torch.float32
    assert linf(exact, images.clamp(0, 1)).max() <= 0.5 / 255 + 1e-7


def test_quantise_detaches_and_leaves_its_argument() -> None:
    images = random_images().requires_grad_()
    before = images.detach().clone()
    assert not quantise(images).requires_grad
    assert torch.equal(images.detach(), before)


@pytest.mark.parametrize("eps", [0.0, 1 / 255, 8 / 255, 0.031, 0.9 / 255, 1.0])
def test_linf_budget_holds_after_saving(eps: float) -> None:
    original = quantise(random_images(1))
    for seed, reach in ((2, 1.0), (3, 3.0)):
        noise = random_images(seed, spread=2.0) - 0.5
        images = (original + reach * eps * noise.sign() * (noise.abs() * 4).clamp(max=1)).clamp(0, 1)
        saved = quantise_within(images, original, eps)
        assert (linf(saved, original) <= eps + 1e-6).all()
        assert torch.equal(quantise(saved), saved)


def test_linf_rounding_by_hand() -> None:
    original = torch.full((2, 3, 2, 4), 100 / 255)
    images = torch.full((2, 3, 2, 4), 102.6 / 255)
    images[1] = 97.4 / 255
    for eps, levels in ((2.6 / 255, (102, 98)), (3 / 255, (103, 97)), (2 / 255, (102, 98)), (0, (100, 100))):
        saved = to_uint8(quantise_within(images, original[:1], eps))
        assert (saved[0] == levels[0]).all()
        assert (saved[1] == levels[1]).all()
    between = torch.full((1, 3, 2, 4), 100.4 / 255)  # no level within 0.1 of a level: the nearest one
    assert (to_uint8(quantise_within(images, between, 0.1 / 255)) == 100).all()


def test_a_budget_of_whole_levels_counts_as_whole_however_it_is_rounded() -> None:
    original = torch.zeros(1, 3, 2, 4)
    images = torch.ones(1, 3, 2, 4)
    for level in range(256):
        for eps in (level / 255, round(level / 255, 8), float(np.float32(level / 255))):
            assert (to_uint8(quantise_within(images, original, eps)) == level).all()


@pytest.mark.parametrize("eps", [0.0, 0.02, 0.1, 0.5, 3.0])
def test_l2_budget_holds_after_saving_and_little_is_lost(eps: float) -> None:
    original = quantise(random_images(4))
    for seed, length in ((5, 1.0), (6, 2.5), (7, 0.3)):
        direction = random_images(seed) - 0.5
        direction = direction / torch.linalg.vector_norm(direction.flatten(1), dim=1).view(-1, 1, 1, 1)
        images = (original + eps * length * direction).clamp(0, 1)
        saved = quantise_within(images, original, eps, norm="l2")
        assert (l2(saved, original) <= eps + 1e-6).all()
        assert torch.equal(quantise(saved), saved)
        if length < 1 and eps == 3.0:  # far inside: nothing but plain rounding
            assert torch.equal(saved, quantise(images))


def test_l2_rounding_turns_only_what_it_must() -> None:
    original = torch.zeros(2, 3, 1, 2)
    images = torch.zeros(2, 3, 1, 2)
    images[:, 0, 0, 0] = 3.5 / 255  # rounds to 4
    images[:, 1, 0, 1] = 2.9 / 255  # rounds to 3; 4^2 + 3^2 = 25
    images[1, 2, 0, 0] = 1.6 / 255  # rounds to 2; 25 + 4 = 29
    saved = to_uint8(quantise_within(images, original, 5 / 255, norm="l2"))
    assert (saved[0, 0, 0, 0], saved[0, 0, 1, 1]) == (4, 3)
    assert (saved[1, 0, 0, 0], saved[1, 0, 1, 1], saved[1, 0, 0, 2]) == (3, 3, 2)  # 3.5 loses least: 22 <= 25


def test_budget_rounding_refuses_nonsense() -> None:
    images = random_images()
    for eps in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ImageError, match="eps"):
            quantise_within(images, images, eps)
    for original in (images[..., :-1], images.repeat(2, 1, 1, 1), images[0]):
        with pytest.raises(ImageError, match="same size"):
            quantise_within(images, original, 0.1)


# Saving and metadata


def test_texts_survive(tmp_path: Path) -> None:
    texts = {METADATA_KEY: '{"a": "größer, 大きい, 🐸, \\u0000"}', "Comment": "zwei\nZeilen", "empty": ""}
    for image in (random_images()[0], random_images()[:1], Image.fromarray(corpus.gradient())):
        path = tmp_path / "a.PNG"
        save_png(image, path, texts)
        assert read_metadata(path) == read_metadata(str(path)) == read_metadata(path.read_bytes()) == texts
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.PNG"]


def test_saving_drops_what_the_old_file_carried(tmp_path: Path) -> None:
    picture = Image.fromarray(corpus.gradient())
    picture.info = {"transparency": (40, 30, 200), "icc_profile": b"x", "comment": "private"}
    save_png(picture, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as saved:
        assert saved.info == {}


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"": "x"}, "cannot name"),
        ({"k" * 80: "x"}, "cannot name"),
        ({"ключ": "x"}, "cannot name"),
        ({" k": "x"}, "cannot name"),
        ({"k": "\ud800"}, "not valid Unicode"),
        ({"k": "x" * 2**20}, "too long"),
        ({f"k{i}": "x" for i in range(65)}, "64 texts"),
    ],
)
def test_texts_that_could_not_be_read_back_are_refused(tmp_path: Path, texts: dict[str, str], words: str) -> None:
    with pytest.raises(ImageError, match=words):
        save_png(random_images()[0], tmp_path / "a.png", texts)
    assert list(tmp_path.iterdir()) == []


def test_saving_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    save_png(random_images()[0], path)
    before = path.read_bytes()

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    for function in ("os.fsync", "pathlib.Path.replace"):
        with monkeypatch.context() as patch:
            patch.setattr(function, full)
            with pytest.raises(ImageError, match="No space left"):
                save_png(random_images(1)[0], path)
        assert path.read_bytes() == before
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]

    def interrupted(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            save_png(random_images(1)[0], path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_places_that_cannot_be_saved_to(tmp_path: Path) -> None:
    image = random_images()[0]
    with pytest.raises(ImageError, match="could not be saved"):
        save_png(image, tmp_path / "missing" / "a.png")
    with pytest.raises(ImageError, match=r"ends in \.png"):
        save_png(image, tmp_path / "a.jpg")
    with pytest.raises(ImageError, match="not a batch"):
        save_png(random_images(), tmp_path / "a.png")
    with pytest.raises(ImageError, match="RGB"):
        save_png(Image.new("RGBA", (9, 9)), tmp_path / "a.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ImageError, match="could not be saved"):
        save_png(image, tmp_path / "folder.png")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.png"]


def test_saved_file_has_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "ordinary").write_bytes(b"")
    save_png(random_images()[0], tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_metadata_in_all_three_kinds_of_text() -> None:
    data = corpus.with_text(
        PLAIN,
        corpus.chunk(b"tEXt", "a\0grö".encode("latin-1")),
        corpus.chunk(b"zTXt", b"b\0\0" + zlib.compress("grö".encode("latin-1"))),
        corpus.chunk(b"iTXt", b"c\0\0\0de\0\0" + "大".encode()),
        corpus.chunk(b"iTXt", b"d\0\1\0\0\0" + zlib.compress("大".encode())),
        corpus.chunk(b"tEXt", b"a\0second"),
    )
    assert read_metadata(data) == {"a": "grö", "b": "grö", "c": "大", "d": "大"}


def test_hostile_and_malformed_texts_are_left_out() -> None:
    bomb = zlib.compress(bytes(16 * 2**20))
    data = corpus.with_text(
        PLAIN,
        corpus.chunk(b"zTXt", b"bomb\0\0" + bomb),
        corpus.chunk(b"iTXt", b"bomb2\0\1\0\0\0" + bomb),
        corpus.chunk(b"tEXt", b"long\0" + b"x" * 2**20),
        corpus.chunk(b"zTXt", b"rubbish\0\0not packed"),
        corpus.chunk(b"zTXt", b"cut\0\0" + zlib.compress(b"x" * 99)[:-6]),
        corpus.chunk(b"zTXt", b"method\0\7" + zlib.compress(b"x")),
        corpus.chunk(b"iTXt", b"short\0\0\0"),
        corpus.chunk(b"iTXt", b"bytes\0\0\0\0\0\xff\xfe"),
        corpus.chunk(b"tEXt", b"good\0kept"),
    )
    assert read_metadata(data) == {"good": "kept"}
    many = [corpus.chunk(b"tEXt", b"%d\0x" % index) for index in range(1000)]
    assert len(read_metadata(corpus.with_text(PLAIN, *many))) == png.MAX_TEXTS


def test_a_packed_text_is_not_unpacked_beyond_the_limit() -> None:
    data = corpus.with_text(PLAIN, corpus.chunk(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(64 * 2**20), 9)))
    tracemalloc.start()
    try:
        assert read_metadata(data) == {}
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_metadata_of_other_files_is_empty_and_of_damaged_ones_an_error() -> None:
    assert read_metadata(VALID["photo.jpg"].data) == {}
    assert read_metadata(MALFORMED["page.png"]) == {}
    assert read_metadata(b"") == {}
    data = corpus.with_text(PLAIN, corpus.chunk(b"tEXt", b"a\0x")[:-1] + b"!")
    with pytest.raises(ImageError, match="wrong checksum"):
        read_metadata(data)
    with pytest.raises(ImageError, match="cut off"):
        read_metadata(PLAIN[:-20])
    with pytest.raises(ImageError, match="too many pieces"):
        read_metadata(corpus.with_text(PLAIN, corpus.chunk(b"teSt", b"") * (png.MAX_CHUNKS + 1)))


def test_metadata_is_read_without_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", lambda *_a, **_k: pytest.fail("the picture was opened"))
    assert read_metadata(corpus.with_text(MALFORMED["bomb.png"], corpus.chunk(b"tEXt", b"a\0x"))) == {"a": "x"}


def test_pixel_digest_names_pixels_and_shape(tmp_path: Path) -> None:
    image = quantise(random_images())[:1]
    save_png(image, tmp_path / "a.png", {"a": "text"})
    digest = pixel_digest(image)
    assert len(digest) == 64
    assert digest == pixel_digest(image[0]) == pixel_digest(load_image(tmp_path / "a.png"))
    assert digest != pixel_digest(image.transpose(2, 3))
    assert pixel_digest(torch.zeros(3, 8, 18)) != pixel_digest(torch.zeros(3, 9, 16))
    changed = image.clone()
    changed[0, 1, 2, 3] += 1 / 255 if changed[0, 1, 2, 3] < 0.5 else -1 / 255
    assert digest != pixel_digest(changed)


def test_no_file_stays_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    original = io.open

    def recording(*args: object, **options: object) -> object:
        file = original(*args, **options)  # type: ignore[call-overload]
        opened.append(file)
        return file

    paths = []
    for name, data in [*MALFORMED.items(), *((name, case.data) for name, case in VALID.items())]:
        paths.append(tmp_path / name)
        paths[-1].write_bytes(data)
    monkeypatch.setattr(io, "open", recording)
    monkeypatch.setattr(builtins, "open", recording)
    for path in paths:
        for read in (load_image, read_metadata):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with contextlib.suppress(ImageError):
                    read(path)
    assert len(opened) >= 2 * len(paths)
    assert all(file.closed for file in opened)
