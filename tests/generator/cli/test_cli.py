import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from foundation.images.files import load_image, quantise, save_png, to_tensor
from foundation.jobs import Terminal
from foundation.protocols import Classifier, JobContext
from generator.cli.main import main
from generator.recipes.recipe import Recipe
from tests.generator.standins import Colours, Info, LayeredColours, rng

Run = Callable[..., int]
QUICK = ["--model", "colours", "--size", "16", "24", "--steps", "3", "--resolutions", "1..4,8"]
ATTACK = ["--model", "colours", "--steps", "3", "--class", "green"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)

    def load(name: str, device: str, _context: JobContext) -> Classifier:
        if name != "colours":
            raise StudioError(f"There is no model '{name}'.")
        assert device == "cpu"
        return LayeredColours()

    def call(*argv: str, load_model: Any = load, revision: str = "abc123") -> int:
        listing = [Info("colours", revision=revision), Info("other", ready=False, why_not="Not trained yet.")]
        return main([*argv], load_model=load_model, list_models=lambda: listing, foreground=Terminal())

    return call


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    save_png(quantise(torch.rand(1, 3, 20, 32, generator=rng())), tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_class_writes_a_picture_and_its_record(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("class", "--class", "red", "--seed", "7", "--out", "x.png", *QUICK) == 0
    recipe = Recipe.from_png(Path("x.png"))
    assert (recipe.classes, recipe.seed, recipe.size, recipe.steps) == (("red",), 7, (16, 24), 3)
    assert recipe.revisions == ("abc123",)
    assert json.loads(Path("x.json").read_text())["recipe"]["seed"] == 7
    out, err = capsys.readouterr()
    assert out.startswith("x.png\n  colours: ")
    assert "3/3 (100%), loss " in err and "\r" not in err


def test_equal_arguments_give_equal_bytes(run: Run) -> None:
    for name in ("a.png", "b.png"):
        assert run("class", "--class", "blue", "--out", name, *QUICK) == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_from_repeats_and_flags_beside_it_change(run: Run) -> None:
    run("class", "--class", "blue", "--seed", "3", "--learning-rate", "0.2", "--out", "a.png", *QUICK)
    assert run("class", "--from", "a.png", "--out", "b.png") == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert run("class", "--from", "a.png", "--seed", "4", "--no-normalise", "--out", "c.png") == 0
    changed = Recipe.from_png(Path("c.png"))
    assert changed == Recipe.from_png(Path("a.png")).with_changes(seed=4, normalise=False)


def test_several_images_and_frames(run: Run) -> None:
    assert run("class", "--images", "2", "--class", "red", "--out", "many", "--frames", "frames", *QUICK) == 0
    assert sorted(p.name for p in Path("many").iterdir()) == ["image-1.png", "image-2.png", "image.json"]
    assert len(list(Path("frames").glob("*.png"))) == 6
    last = to_tensor(load_image(Path("frames/frame-2-00003.png")))
    assert torch.equal(last, to_tensor(load_image(Path("many/image-2.png"))))


def test_attack_keeps_the_presets_budget(run: Run, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("attack", str(photo), *ATTACK, "--out", "y.png", "--preset", "subtle") == 0
    facts = json.loads(Path("y.json").read_text())["images"][0]
    assert 0 < facts["linf"] <= 4 / 255 + 1e-6
    assert f"largest change {facts['linf'] * 255:.0f}/255" in capsys.readouterr().out
    assert Recipe.from_png(Path("y.png")).size == (20, 32)


def test_attack_takes_fractions_and_free_changes(run: Run, photo: Path) -> None:
    assert run("attack", str(photo), *ATTACK, "--eps", "2/255", "--out", "y.png") == 0
    assert Recipe.from_png(Path("y.png")).eps == 2 / 255
    assert run("attack", str(photo), *ATTACK, "--norm", "none", "--out", "z.png") == 0
    assert (Recipe.from_png(Path("z.png")).norm, Recipe.from_png(Path("z.png")).eps) == ("none", 0.0)


def test_leave_without_a_class_leaves_the_models_own(run: Run, photo: Path) -> None:
    flags = ["--model", "colours", "--steps", "2", "--objective", "leave", "--out", "y.png"]
    assert run("attack", str(photo), *flags) == 0
    assert Recipe.from_png(Path("y.png")).classes == ()


def test_attack_from_needs_the_same_photo(
    run: Run, photo: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("attack", str(photo), *ATTACK, "--out", "y.png") == 0
    assert run("attack", str(photo), "--from", "y.png", "--out", "z.png") == 0
    assert Path("y.png").read_bytes() == Path("z.png").read_bytes()
    save_png(torch.zeros(1, 3, 20, 32), tmp_path / "other.png")
    assert run("attack", "other.png", "--from", "y.png", "--out", "w.png") == 2
    assert "not the photo that the recipe was made for" in capsys.readouterr().err
    assert not Path("w.png").exists()


def test_quiet_and_json_only(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("class", "--class", "red", "--out", "x.png", "--quiet", *QUICK) == 0
    assert capsys.readouterr() == ("", "")
    assert run("class", "--class", "red", "--out", "x.png", "--json-only", *QUICK) == 0
    out, err = capsys.readouterr()
    assert err == "" and json.loads(out)["recipe"]["classes"] == ["red"]


def test_a_changed_model_is_mentioned(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("class", "--class", "red", "--out", "x.png", *QUICK)
    run("class", "--from", "x.png", "--out", "y.png")
    assert "has changed" not in capsys.readouterr().err
    run("class", "--from", "x.png", "--out", "y.png", revision="fff000")
    assert "has changed" in capsys.readouterr().err


def test_lists_and_show(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("presets") == 0
    assert "attack  subtle" in capsys.readouterr().out
    assert run("models") == 0
    out = capsys.readouterr().out
    assert "A model of colours" in out and "Not trained yet." in out
    run("class", "--class", "red", "--out", "x.png", "--quiet", *QUICK)
    assert run("show", "x.png") == 0
    assert json.loads(capsys.readouterr().out) == json.loads(Recipe.from_png(Path("x.png")).to_json())


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["class", "--class", "unicorn", *QUICK], "knows no class 'unicorn'"),
        (["class", "--model", "nothing"], "no model 'nothing'"),
        (["class", "--steps", "many"], "steps"),
        (["class", "--optimiser", "lion"], "invalid choice"),
        (["class", "--norm", "linf"], "Unrecognized arguments: --norm"),
        (["class", "--stepz", "3"], "Unrecognized arguments: --stepz"),
        (["class", "--preset", "subtle"], "invalid choice"),
        (["class", "--from", "missing.png"], "There is no file 'missing.png'"),
        (["class", "--from", "photo.png"], "carries no recipe"),
        (["class", "--out", "x.jpg"], "ends in .png"),
        (["attack", "missing.jpg", "--class", "red"], "There is no file 'missing.jpg'"),
        (["attack", "photo.png", "--out", "photo.png", *ATTACK], "would overwrite"),
        (["attack", "photo.png", "--eps", "8/0", *ATTACK], "'8/0' is no number"),
        (["show", "photo.png"], "carries no recipe"),
        ([], "required"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(
    run: Run, photo: Path, capsys: pytest.CaptureFixture[str], argv: list[str], says: str
) -> None:
    assert run(*argv) == 2
    out, err = capsys.readouterr()
    assert says in err and out == ""
    assert err.count("\n") == 1 and "Traceback" not in err


def test_a_recipe_of_the_other_command_is_refused(run: Run, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("class", "--class", "red", "--out", "x.png", *QUICK)
    capsys.readouterr()
    assert run("attack", str(photo), "--from", "x.png") == 2
    assert "use that command" in capsys.readouterr().err


class Interrupting(Colours):
    """Presses Ctrl-C during pass `at`."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def forward(self, images: Tensor) -> Tensor:
        logits = super().forward(images)
        if len(self.batches) == self.at:
            os.kill(os.getpid(), signal.SIGINT)
        return logits


def test_ctrl_c_stops_and_keeps(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--class", "red", "--out", "x.png", *QUICK, "--steps", "50", "--views", "identity"]
    handler = signal.getsignal(signal.SIGINT)
    assert run("class", *flags, load_model=lambda *_: Interrupting(2)) == 130
    assert signal.getsignal(signal.SIGINT) is handler
    assert Recipe.from_png(Path("x.png")).steps == 1  # the second, in which it was pressed, is abandoned
    assert json.loads(Path("x.json").read_text())["stopped"] is True
    assert "Stopping" in capsys.readouterr().err


class Impatient(Colours):
    """Presses Ctrl-C so many times in every pass."""

    def __init__(self, presses: int) -> None:
        super().__init__()
        self.presses = presses

    def forward(self, images: Tensor) -> Tensor:
        for _ in range(self.presses):
            os.kill(os.getpid(), signal.SIGINT)
        return super().forward(images)


@pytest.mark.parametrize(("presses", "says"), [(2, "nothing was kept"), (3, "not saved by then is lost")])
def test_ctrl_c_again_keeps_nothing(run: Run, capsys: pytest.CaptureFixture[str], presses: int, says: str) -> None:
    Path("x.png").write_text("made before")
    flags = ["--class", "red", "--out", "x.png", *QUICK, "--views", "identity"]
    assert run("class", *flags, load_model=lambda *_: Impatient(presses)) == 130
    assert Path("x.png").read_text() == "made before" and not Path("x.json").exists()
    assert says in capsys.readouterr().err


def test_a_missing_device_is_named(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert run("class", "--class", "red", "--device", "cuda", *QUICK) == 2
    assert "no CUDA device" in capsys.readouterr().err


def test_help_shows_the_presets_defaults(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("attack", "--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "--class [CLASSES ...]" in text and "--norm {none,linf,l2}" in text and "(default: 0.03137)" in text
    assert "--size" not in text and "--task" not in text
