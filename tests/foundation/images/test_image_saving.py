"""Pictures out: what a file says of itself, and saving that is all or nothing."""

import builtins
import contextlib
import io
import tracemalloc
import warnings
import zlib
from pathlib import Path

import pytest
import torch
from PIL import Image

from foundation.images import png
from foundation.images.files import (
    METADATA_KEY,
    ImageError,
    load_image,
    pixel_digest,
    quantise,
    read_metadata,
    save_png,
)
from tests import corpus
from tests.generator.standins import random_images

MALFORMED = corpus.malformed()
VALID = corpus.valid()
PLAIN = VALID["plain.png"].data


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
