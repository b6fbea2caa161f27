"""Labelled images: class folders and what can be wrong with them, the synthetic set, CIFAR without a network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from foundation import torchvision_cure  # noqa: F401  (before torchvision is imported)
from foundation.errors import StudioError
from generator.classes.labels import CIFAR10_CLASSES
from robust_model.data import datasets as data_module
from robust_model.data.datasets import (
    LabelledFiles,
    LabelledImages,
    centre_square,
    class_files,
    class_folder,
    load_data,
    synthetic,
    to_float,
)
from robust_model.evaluation.record.config import EvalConfig, choose, evaluation_data

KINDS = ("folder", "files")


def write(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (32, 32)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes: cat (two images, one of another size), dog (one, in a folder `images`), and things to pass over."""
    write(tmp_path / "train/dog/images/1.PNG", (0, 0, 200))
    write(tmp_path / "train/cat/b.png", (0, 150, 0))
    write(tmp_path / "train/cat/a.bmp", (100, 0, 0), size=(50, 20))
    write(tmp_path / "train/cat/.thumbnail.png", (9, 9, 9))
    write(tmp_path / "train/.cache/x.png", (9, 9, 9))
    (tmp_path / "train/cat/notes.txt").write_text("not an image")
    (tmp_path / "train/README.md").write_text("not a class")
    return tmp_path


def test_class_folder_is_read_in_alphabetical_order(folder: Path) -> None:
    data = class_folder(folder, "train")
    assert data.class_names == ("cat", "dog")
    assert data.labels.tolist() == [0, 0, 1]
    assert data.labels.dtype == torch.int64
    assert (data.images.dtype, tuple(data.images.shape)) == (torch.uint8, (3, 3, 32, 32))
    assert data.images[:, :, 31, 0].tolist() == [[100, 0, 0], [0, 150, 0], [0, 0, 200]]
    assert data.source == f"folder:{folder.name}/train"
    assert len(data) == 3


def test_pixels_keep_their_place(tmp_path: Path) -> None:
    pixels = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
    for name in ("a", "b"):
        (tmp_path / "test" / name).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "test" / name / "x.png")
    data = class_folder(tmp_path, "test")
    assert np.array_equal(data.images[1].permute(1, 2, 0).numpy(), pixels)


def test_an_oblong_picture_is_cut_not_squashed(tmp_path: Path) -> None:
    """Stripes of 10 pixels, red, green, green, blue: the middle is green, at every size and on both axes."""
    stripes = np.repeat(np.array([[255, 0, 0], [0, 255, 0], [0, 255, 0], [0, 0, 255]], dtype=np.uint8), 10, axis=0)
    wide = np.broadcast_to(stripes, (20, 40, 3))
    for name, pixels in (("a", wide), ("b", wide.transpose(1, 0, 2))):
        (tmp_path / "test" / name).mkdir(parents=True)
        Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / "test" / name / "x.png")
    same = class_folder(tmp_path, "test", size=20)
    assert (same.images.permute(0, 2, 3, 1) == torch.tensor([0, 255, 0])).all()
    smaller = class_folder(tmp_path, "test", size=8)
    assert smaller.images[:, :, 2:6, 2:6].float().mean((0, 2, 3)).tolist() == pytest.approx([0, 255, 0], abs=2)
    assert torch.equal(smaller.images, class_files(tmp_path, "test", 8).pixels(torch.arange(2)))


def test_the_middle_square_is_torchvision_s() -> None:
    from torchvision.transforms import CenterCrop, InterpolationMode, Resize

    rng = np.random.default_rng(0)
    for width, height, size in [(50, 20, 32), (33, 48, 32), (32, 77, 32), (31, 90, 16), (1, 7, 8), (64, 64, 32)]:
        picture = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        standard = CenterCrop(size)(Resize(size, InterpolationMode.BICUBIC)(picture))
        assert np.array_equal(np.asarray(centre_square(picture, size)), np.asarray(standard)), (width, height, size)


def test_a_square_picture_is_only_scaled() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    scaled = Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC)
    assert np.array_equal(np.asarray(centre_square(Image.fromarray(pixels), 32)), np.asarray(scaled))
    assert np.array_equal(np.asarray(centre_square(Image.fromarray(pixels), 64)), pixels)


def test_missing_folder_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"No images at .*test.*<class>"):
        class_folder(tmp_path, "test")


def test_one_class_gets_a_sentence(tmp_path: Path) -> None:
    write(tmp_path / "train/cat/a.png", (1, 2, 3))
    with pytest.raises(StudioError, match="at least two class folders; it has 1"):
        class_folder(tmp_path, "train")


def test_empty_class_gets_a_sentence(folder: Path) -> None:
    (folder / "train/emu").mkdir()
    (folder / "train/emu/notes.txt").write_text("none yet")
    with pytest.raises(StudioError, match=r"'.*emu' holds no images"):
        class_folder(folder, "train")


@pytest.mark.parametrize("damage", ["text", "empty", "cut"])
def test_corrupt_image_is_named(folder: Path, damage: str) -> None:
    path = folder / "train/cat/c.png"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    content = path.read_bytes()
    path.write_bytes({"text": b"no picture", "empty": b"", "cut": content[: len(content) // 2]}[damage])
    with pytest.raises(StudioError, match=r"Cannot use '.*c\.png': .* Repair or remove"):
        class_folder(folder, "train")


def test_load_data_knows_folders(folder: Path) -> None:
    assert len(load_data(f"folder:{folder}", "train")) == 3


@pytest.mark.parametrize("spec", ["", "folder:", "cifar", "synthetic:many", "synthetic:²", "cifar10:5"])
def test_unknown_data_gets_a_sentence(spec: str) -> None:
    with pytest.raises(StudioError, match="Unknown data"):
        load_data(spec, "train")


def test_a_folder_on_the_disk_is_evaluated_like_one_in_memory_and_only_what_is_chosen_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "train").rename(folder / "test")
    config = EvalConfig(model="m", data=f"files:{folder}")
    memory, disk = (evaluation_data(config.model_copy(update={"data": f"{kind}:{folder}"}), 16) for kind in KINDS)
    assert isinstance(disk, LabelledFiles) and disk.class_names == memory.class_names == ("cat", "dog")
    for count in (0, 2):
        (first, places), (second, same) = choose(memory, count, seed=3), choose(disk, count, seed=3)
        assert places == same and torch.equal(first.images, second.images) and torch.equal(first.labels, second.labels)
    read: list[Path] = []
    real = data_module.load_image
    monkeypatch.setattr(data_module, "load_image", lambda path, **options: read.append(path) or real(path, **options))
    assert len(choose(disk, 1, seed=0)[0]) == len(read) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_test_folder_val_is_the_test_split(folder: Path, kind: str) -> None:
    (folder / "train").rename(folder / "val")
    data = evaluation_data(EvalConfig(model="m", data=f"{kind}:{folder}"), 32)
    assert (len(data), data.class_names, data.source) == (3, ("cat", "dog"), f"{kind}:{folder.name}/val")
    with pytest.raises(StudioError, match="No images at"):
        class_folder(folder, "train")
    write(folder / "test/cat/1.png", (1, 1, 1))
    write(folder / "test/dog/1.png", (1, 1, 1))
    assert class_folder(folder, "test").source == f"folder:{folder.name}/test"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Two classes as Tiny-ImageNet has them: `val` with all images in one place, a `test` whose labels nobody has."""
    for wnid in ("n02", "n01"):
        write(tmp_path / "train" / wnid / "images" / f"{wnid}_0.JPEG", (5, 5, 5))
    for name, red in (("val_0.png", 100), ("val_1.png", 150), ("val_2.png", 200)):
        write(tmp_path / "val/images" / name, (red, 0, 0))
    (tmp_path / "val/val_annotations.txt").write_text(
        "val_2.png\tn01\t0\t0\t9\t9\nval_0.png\tn02\t0\t0\t9\t9\nval_1.png\tn01\t0\t0\t9\t9\n"
    )
    write(tmp_path / "test/images/test_0.png", (0, 0, 0))
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_tiny_imagenet_is_evaluated_as_it_comes(tiny: Path, kind: str) -> None:
    data = evaluation_data(EvalConfig(model="m", data=f"{kind}:{tiny}"), 32).loaded()
    assert data.class_names == class_folder(tiny, "train").class_names == ("n01", "n02")
    assert data.images[:, 0, 0, 0].tolist() == [150, 200, 100]
    assert data.labels.tolist() == [0, 0, 1]
    assert data.source == f"{kind}:{tiny.name}/val"


@pytest.mark.parametrize("text", ["", "val_0.png\n", "\n"])
def test_a_broken_list_of_labels_gets_a_sentence(tiny: Path, text: str) -> None:
    (tiny / "val/val_annotations.txt").write_text(text)
    with pytest.raises(StudioError, match="no list of files and classes"):
        class_folder(tiny, "test")


# --- the container


def test_batches_and_subsets() -> None:
    images = torch.arange(5 * 3 * 2 * 4, dtype=torch.uint8).view(5, 3, 2, 4)
    data = LabelledImages(images, torch.tensor([0, 1, 0, 1, 1]), ("a", "b"), "here")
    batches = list(data.batches(2))
    assert [len(x) for x, _ in batches] == [2, 2, 1]
    assert torch.equal(torch.cat([x for x, _ in batches]), images.float() / 255)
    assert torch.cat([y for _, y in batches]).tolist() == [0, 1, 0, 1, 1]
    part = data.subset(torch.tensor([4, 0]))
    assert torch.equal(part.images, images[[4, 0]])
    assert (part.labels.tolist(), part.class_names, part.source) == ([1, 0], ("a", "b"), "here")


def test_to_float_covers_the_range() -> None:
    values = to_float(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert values.tolist() == pytest.approx([0, 0.2, 1])
    assert values.dtype == torch.float32


# --- synthetic


def test_synthetic_comes_from_its_seed() -> None:
    before = torch.get_rng_state()
    first = synthetic("train", 40)
    assert torch.equal(first.images, synthetic("train", 40).images)
    assert torch.equal(before, torch.get_rng_state())
    others = [synthetic("test", 40), synthetic("train", 40, seed=1), synthetic("test", 40, seed=1)]
    assert all(not torch.equal(first.images, other.images) for other in others)
    assert first.class_names == tuple(f"grating {c}" for c in range(4))
    assert torch.bincount(first.labels).tolist() == [10, 10, 10, 10]
    assert (first.images.dtype, tuple(first.images.shape)) == (torch.uint8, (40, 3, 32, 32))


def test_synthetic_of_a_given_size_by_name() -> None:
    assert len(load_data("synthetic:12", "test")) == 12
    assert len(load_data("synthetic", "train")) == 512
    assert torch.equal(load_data("synthetic:12", "test").images, synthetic("test", 12).images)


# --- CIFAR


@pytest.mark.parametrize("error", [OSError("no route to host"), RuntimeError("File not found or corrupted.")])
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_failed_download_gets_a_sentence(
    name: str, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision import datasets

    def fail(self: object) -> None:
        raise error

    monkeypatch.setattr(datasets.CIFAR10, "download", fail)
    with pytest.raises(StudioError, match=f"{name} is not at .*{error}.*folder:PATH"):
        load_data(name, "train", root=tmp_path / "data")


def test_cifar_arrives_channels_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import datasets

    pixels = np.arange(2 * 32 * 32 * 3, dtype=np.uint8).reshape(2, 32, 32, 3)
    asked = []

    class Stub:
        def __init__(self, root: str, train: bool, download: bool) -> None:
            asked.append((root, train, download))
            self.data, self.targets, self.classes = pixels, [3, 1], list(CIFAR10_CLASSES)

    monkeypatch.setattr(datasets, "CIFAR10", Stub)
    data = load_data("cifar10", "test", root=tmp_path)
    assert asked == [(str(tmp_path), False, True)]
    assert np.array_equal(data.images[1].permute(1, 2, 0).numpy(), pixels[1])
    assert (data.labels.tolist(), data.class_names) == ([3, 1], CIFAR10_CLASSES)
    assert data.source == "torchvision:cifar10/test"


# --- folders as they come


def test_hidden_files_at_any_depth_are_no_images(folder: Path) -> None:
    """F7: a hidden folder within a class is passed over, and what no picture is said."""
    write(folder / "train/cat/.ipynb_checkpoints/a-checkpoint.png", (9, 9, 9))
    write(folder / "train/__MACOSX/cat/a.png", (9, 9, 9))
    data = class_folder(folder, "train")
    assert len(data) == 3 and data.class_names == ("cat", "dog")
    assert data.note.startswith("1 file in") and ".txt" in data.note
    assert class_files(folder, "train", 32).note == data.note


def test_every_format_that_is_read_is_found(tmp_path: Path) -> None:
    """F23: TIFF and GIF are images of a class folder too."""
    for name in ("a.tif", "b.gif", "c.TIFF", "d.webp", "e.jfif"):
        path = tmp_path / "test/cat" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (50, 50, 50)).save(path, "JPEG" if name == "e.jfif" else None)
    write(tmp_path / "test/dog/1.png", (1, 1, 1))
    data = class_folder(tmp_path, "test", 8)
    assert data.labels.tolist() == [0, 0, 0, 0, 0, 1] and data.note == ""


@pytest.mark.parametrize("kind", KINDS)
def test_links_and_the_folder_s_name(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """F30: a linked `images` folder is read; `folder:.` is recorded by the folder's name."""
    (folder / "train/dog/images").rename(folder / "elsewhere")
    (folder / "train/dog/images").symlink_to(folder / "elsewhere")
    (folder / "train").rename(folder / "test")
    monkeypatch.chdir(folder)
    for place in (".", "./", "test/.."):
        data = evaluation_data(EvalConfig(model="m", data=f"{kind}:{place}"), 32)
        assert (len(data), data.source) == (3, f"{kind}:{folder.name}/test")
