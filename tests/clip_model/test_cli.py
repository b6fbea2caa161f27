"""The commands on a miniature of the data sets, written to disk as images."""

import functools
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clip_model import cli
from clip_model.cli import main
from clip_model.concepts import CIFAR10
from clip_model.export import load_exported
from clip_model.model import WEIGHTS
from foundation.jobs import Terminal
from robust_model.weights.checkpoint import load_tensors
from robust_model.zoo.catalogue import open_catalogue
from tests.generator.encoders.tiny import save_model

SMALL = [
    "tower=test_resnet", "embed_dim=16", "text_width=32", "text_layers=1", "image_size=32", "small_size=32",
    "steps=2", "batch=8", "captions=2", "holdout=4", "clean_until=0", "full_from=0",
]  # fmt: skip
CLASSES = {"n01443537": "goldfish, Carassius auratus", "n07873807": "pizza, pizza pie", "n02099601": "golden retriever"}
FOLDERS = {c.key: c.key for c in CIFAR10}


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    tiny = root / "tiny"
    lines = []
    for number, wnid in enumerate(CLASSES):
        for i in range(6):
            picture(tiny / "train" / wnid / "images" / f"{i}.png", 10 * number + i)
        picture(tiny / "val" / "images" / f"val_{number}.png", number)
        lines.append(f"val_{number}.png\t{wnid}\t0\t0\t1\t1")
    (tiny / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")
    (tiny / "wnids.txt").write_text("\n".join(CLASSES) + "\n")
    (tiny / "words.txt").write_text("".join(f"{wnid}\t{names}\n" for wnid, names in CLASSES.items()))
    for number, name in enumerate(FOLDERS):
        for split in ("train", "test"):
            picture(root / "cifar10" / split / name / "0.png", 100 + number)
    return root


def run(*words: str) -> int:
    with tempfile.TemporaryDirectory() as kept:  # where the digests of weights are remembered
        return main(words, foreground=Terminal(), open_models=lambda: open_catalogue(downloads=Path(kept)))


@pytest.mark.slow
def test_train_export_and_evaluate(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = [word for setting in SMALL for word in ("--set", setting)]
    place = ["--tiny-imagenet", str(data / "tiny"), "--cifar10", f"folder:{data / 'cifar10'}"]
    assert run("train", *place, *sets, "--note", "drawn by lot", "--out", str(tmp_path / "run")) == 0
    facts = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert facts["data"].endswith("drawn by lot") and str(data) not in facts["command"]

    assert run("train", "--resume", str(tmp_path / "run"), "--set", "steps=3") == 0
    assert run("export", str(tmp_path / "run"), str(tmp_path / "model")) == 0
    assert run("evaluate", str(tmp_path / "model"), *place, "--save") == 0
    report = json.loads((tmp_path / "model" / "evaluation.json").read_text())
    assert sorted(found["images"] for found in report["data"].values()) == [3, 10]
    card = (tmp_path / "model" / "README.md").read_text()
    assert "Changed at step 2" in card and "drawn by lot" in card and str(data) not in card
    assert "top-1" in capsys.readouterr().out


STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@pytest.mark.slow
def test_an_average_is_the_mean_and_its_card_names_both(data: Path, tmp_path: Path) -> None:
    a, b, out = (tmp_path / name for name in "ab+")
    place = ["--tiny-imagenet", str(data / "tiny"), "--cifar10", f"folder:{data / 'cifar10'}"]
    for model, seed in ((a, 0), (b, 1)):
        sets = [word for setting in (*SMALL, f"seed={seed}") for word in ("--set", setting)]
        assert run("train", *place, *sets, "--out", f"{model}-run") == 0
        assert run("export", f"{model}-run", str(model)) == 0
    assert run("average", str(a), str(b), str(out), "--weights", "3", "1") == 0
    ours, theirs, mean = (load_tensors(model / WEIGHTS)[0] for model in (a, b, out))
    for name, tensor in mean.items():
        if tensor.is_floating_point():
            expected = 0.75 * ours[name].float() + 0.25 * theirs[name].float()
            assert torch.allclose(tensor.float(), expected, rtol=1e-3, atol=1e-6), name
    card = (out / "README.md").read_text()
    assert "'a' (revision" in card and "weight 0.75" in card and "Recipe of the first" in card
    load_exported(out)
    assert "BatchNorm" not in card

    own = tmp_path / "own"
    assert run("average", str(a), str(b), str(own), "--weights", "3", "1", *place) == 0
    renewed = load_tensors(own / WEIGHTS)[0]
    moved = {name for name, tensor in renewed.items() if not torch.equal(tensor, mean[name])}
    assert moved and all(name.rpartition(".")[2] in STATISTICS for name in moved)
    assert "BatchNorm statistics on 8000 of their images" in (own / "README.md").read_text()

    vocabulary = json.loads((b / "vocabulary.json").read_text())
    (b / "vocabulary.json").write_text(json.dumps({**vocabulary, "colours": []}))
    for words in ([a, b, tmp_path / "new"], [a, out, out], [a, tmp_path / "none", tmp_path / "new"]):
        assert run("average", *map(str, words)) == 2
    assert not (tmp_path / "new").exists()


def test_a_shipped_model_goes_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_model(tmp_path / "tiny-clip")
    monkeypatch.chdir(tmp_path.parent)
    models = functools.partial(open_catalogue, downloads=tmp_path / "cache", shipped=tmp_path)
    assert cli._folder(Path("tiny-clip"), models) == tmp_path / "tiny-clip"
    assert cli._folder(tmp_path, models) == tmp_path and cli._folder(Path("nowhere"), models) == Path("nowhere")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train"], "Name the folder of Tiny-ImageNet"),
        (["train", "--tiny-imagenet", "nowhere"], "is no Tiny-ImageNet folder"),
        (["train", "--tiny-imagenet", "x", "--set", "speed=9"], "There is no setting 'speed'"),
        (["train", "--tiny-imagenet", "x", "--set", "batch=-1"], "The setting 'batch' is not valid"),
        (["train", "--resume", "nowhere"], "The configuration 'nowhere/config.json' cannot be read: it is not there"),
        (["export", "nowhere", "out"], "There is no checkpoint"),
        (["evaluate", "nowhere", "--tiny-imagenet", "x"], "is no exported model"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    words: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*words) == 2
    assert sentence in capsys.readouterr().err
