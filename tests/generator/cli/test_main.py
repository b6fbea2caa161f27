"""`python -m generator` with the models of this machine: classifiers and encoders in one list."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from foundation import torchvision_cure  # noqa: F401  (before open_clip is imported)
from foundation.images.files import save_png
from generator.__main__ import run as run_command
from generator.recipes.recipe import Recipe
from tests.generator.encoders.tiny import save_model

Run = Callable[..., int]
QUICK = ["--size", "20", "28", "--steps", "3", "--resolutions", "1..6", "--device", "cpu"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("CROSSMAX_STUDIO_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    save_model(tmp_path / "data" / "models" / "small-clip", words=("a", "frog", "leaf"), card="# A small CLIP\n\nOurs.")

    def call(*argv: str) -> int:
        monkeypatch.setattr(sys, "argv", ["generator", *argv])
        return run_command()

    return call


@pytest.mark.slow
def test_a_text_reproduces_bit_for_bit(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("x.png", "y.png"):
        assert run("text", "a red frog", "--model", "small-clip", *QUICK, "--out", name) == 0
    assert Path("x.png").read_bytes() == Path("y.png").read_bytes()
    recipe, record = Recipe.from_png(Path("x.png")), json.loads(Path("x.json").read_text())
    assert len(recipe.revisions[0]) == 16 and record["unknown_words"] == {"small-clip": ["red"]}
    (entry,) = record["images"][0]["cosines"]["small-clip"]
    assert entry["text"] == "a red frog" and -1 <= entry["before"] < entry["after"] <= 1
    assert "small-clip never saw 'red' in training" in capsys.readouterr().out
    assert run("text", "--from", "x.png", "--device", "cpu", "--out", "z.png") == 0
    assert Path("x.png").read_bytes() == Path("z.png").read_bytes()


def test_a_folder_of_the_same_name_does_not_stand_in_for_a_listed_model(run: Run) -> None:
    Path("small-clip").mkdir()
    Path("small-clip", "config.json").write_text("{}")
    assert run("text", "a frog", "--model", "small-clip", *QUICK, "--out", "x.png") == 0


def test_a_prompt_that_is_too_long_is_mentioned(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("text", "a frog " * 12, "--model", "small-clip", *QUICK, "--out", "x.png") == 0
    assert (
        "Note: small-clip: The prompt has 24 tokens, of which the model reads the first 10" in capsys.readouterr().out
    )
    assert list(json.loads(Path("x.json").read_text())["warnings"]) == ["small-clip"]


def test_a_classifier_and_an_encoder_work_together(run: Run) -> None:
    mixed = ["--models", "small-clip", "undefended-cifar10", "--class", "frog", "--class-weight", "0.1"]
    assert run("text", "a frog", *mixed, *QUICK, "--out", "x.png") == 0
    losses = json.loads(Path("x.json").read_text())["losses"]
    assert "small-clip: prompt" in losses and "undefended-cifar10: negative logit" in losses


def test_models_are_listed_together(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models") == 0
    lines = capsys.readouterr().out.splitlines()
    listed = {line.split()[0]: line for line in lines}
    assert {"crossmax-cifar10", "small-clip", "ViT-B-32/openai"} <= listed.keys()
    assert listed["small-clip"].endswith("  A small CLIP")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["class", "--class", "frog", "--model", "crossmax-cifr10"], "Did you mean 'crossmax-cifar10'?"),
        (["text", "a frog", "--model", "smal-clip"], "Did you mean 'small-clip'?"),
        (["text", "a frog", "--model", "ViT-B-32/wrong"], "open_clip knows no weights 'wrong' of ViT-B-32"),
        (["text", "🐸", "--model", "small-clip"], "never saw any of the words in '🐸'"),
    ],
)
def test_refusals_are_sentences(run: Run, capsys: pytest.CaptureFixture[str], flags: list[str], says: str) -> None:
    assert run(*flags, "--steps", "1", "--device", "cpu") == 2
    assert says in capsys.readouterr().err


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module in the working folder that leaves a file when it is imported; its network knows two classes."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "canary.py").write_text(
        "from pathlib import Path\nimport torch\nPath('imported').touch()\n"
        "def make():\n"
        "    net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 2))\n"
        "    return net, ('frog', 'ship')\n"
    )
    yield tmp_path / "imported"
    sys.modules.pop("canary", None)


def picture_naming(model: str, task: str) -> None:
    """evil.png, whose recipe names a model, and photo.png."""
    fields = {"class": {"classes": ("frog",)}, "text": {"prompt": "a frog"}, "attack": {"objective": "leave"}}[task]
    budget = {"norm": "linf", "eps": 0.03, "classes": ()} if task == "attack" else {}
    recipe = Recipe(task=task, models=(model,), steps=1, size=(32, 32), resolutions="1,2", **fields, **budget)
    save_png(Image.new("RGB", (32, 32), (90, 80, 70)), "evil.png", recipe.png_metadata())
    save_png(Image.new("RGB", (32, 32), (90, 80, 70)), "photo.png")


COMMANDS = {
    "class": ["class", "--out", "out.png"],
    "text": ["text", "--out", "out.png"],
    "attack": ["attack", "photo.png", "--out", "out.png"],
    "batch": ["batch", "photo.png", "--out", "out"],
    "transfer": ["transfer", "photo.png", "--matrix", "--out", "out"],
}


@pytest.mark.parametrize(
    "name",
    [
        "canary:make",
        "./here",
        "local-dir:here",
        "hf-hub:some/body",
        "clip-hub:some/body",
        "crossmax-hub:some/body",
        "ensemble:a+b",
        "ViT-B-32/w/x.pt",
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_picture_names_is_never_run_nor_followed(
    run: Run, canary: Path, capsys: pytest.CaptureFixture[str], command: str, name: str
) -> None:
    """F1: a name out of a file is one of the lists, or it is refused; only a flag says MODULE:FUNCTION or a path."""
    task = command if command in ("class", "text") else "attack"
    if name != "canary:make" and command != "class":
        pytest.skip("the same for all commands")
    picture_naming(name, task)
    if command == "transfer":  # attacks with what flags name; what the picture names is nobody to it
        assert run(*COMMANDS[command], "--from", "evil.png", "--victim", "small-clip", "--steps", "1") in (0, 2)
    else:
        assert run(*COMMANDS[command], "--from", "evil.png", "--device", "cpu") == 2
        said = capsys.readouterr().err
        assert "in no list here" in said or "There is no" in said
        assert "Traceback" not in said
    assert not canary.exists() and "canary" not in sys.modules


def test_what_a_flag_names_is_run(run: Run, canary: Path) -> None:
    """F1: the same name as a flag works, beside the recipe of a picture, too."""
    picture_naming("canary:make", "class")
    flags = ["--model", "canary:make", "--device", "cpu", "--views", "noise:0.01", "--quiet"]
    assert run("class", "--from", "evil.png", *flags, "--out", "out.png") == 0
    assert canary.exists() and Recipe.from_png(Path("out.png")).models == ("canary:make",)
