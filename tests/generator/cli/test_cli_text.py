"""`python -m generator text`."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from foundation.errors import StudioError
from foundation.images.files import load_image, pixel_digest, quantise, save_png, to_tensor
from foundation.jobs import Terminal
from foundation.protocols import JobContext
from generator.cli.main import main
from generator.recipes.recipe import Recipe
from generator.synthesis.models import Model
from tests.generator.standins import Colours, Words, rng

Run = Callable[..., int]
QUICK = ["--size", "16", "24", "--steps", "3", "--resolutions", "1..4,8"]
SIZE = (20, 32)


@dataclass(frozen=True)
class Info:
    name: str
    revision: str = "abc123"
    title: str = "A model"
    ready: bool = True
    why_not: str = ""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    known = {"tiny-clip": Words(), "other": Words(2, vocabulary="a frog"), "colours": Colours()}

    def load(name: str, device: str, context: JobContext) -> Model:
        assert device == "cpu" and not context.stop_requested
        if name not in known:
            raise StudioError(f"There is no model '{name}'.")
        return known[name]

    def call(*argv: str, load_model: Any = load) -> int:
        listing = [Info(name) for name in known]
        return main(["text", *argv], load_model=load_model, list_models=lambda: listing, foreground=Terminal())

    return call


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, str]:
    images = {name: quantise(torch.rand(1, 3, *SIZE, generator=rng(seed))) for seed, name in enumerate("abc")}
    images["mask"] = torch.zeros(1, 3, *SIZE)
    images["mask"][..., 8:, 10:] = 1
    for name, image in images.items():
        save_png(image, tmp_path / f"{name}.png")
    return {name: f"{name}.png" for name in images}


def pixels(path: str) -> torch.Tensor:
    return to_tensor(load_image(path))


def test_a_prompt_makes_a_picture(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("a Frog, on a leaf:0.5 | rain", "--seed", "7", "--negative", "text", *QUICK) == 0
    recipe = Recipe.from_png(Path("a-Frog-on-a-leaf-0-5-rain-7.png"))
    assert (recipe.prompt, recipe.negative, recipe.seed) == ("a Frog, on a leaf:0.5 | rain", "text", 7)
    assert (recipe.models, recipe.classes, recipe.revisions) == (("tiny-clip",), (), ("abc123",))
    assert recipe.colour == "decorrelated"  # the preset's
    out = capsys.readouterr().out
    assert "tiny-clip: prompt 'rain': cosine " in out and "negative 'text': cosine" in out


def test_every_field_is_a_flag(run: Run) -> None:
    flags = [
        *("--models", "tiny-clip", "other", "colours", "--model-weights", "2", "1", "1", "--class", "red"),
        *("--class-weight", "0.5", "--prompt-to", "a frog", "--images", "2", "--score", "contrastive"),
        *("--against", "a toad | a frog:2", "--tile", "--size", "12", "--steps", "1", "--resolutions", "1..4"),
    ]
    assert run("a leaf", *flags, "--out", "x.png") == 0
    recipe = Recipe.from_png(Path("x-1.png"))
    assert (recipe.model_weights, recipe.class_weight, recipe.classes) == ((2, 1, 1), 0.5, ("red",))
    assert (recipe.prompt_to, recipe.score, recipe.against) == ("a frog", "contrastive", "a toad | a frog:2")
    assert recipe.tile and recipe.size == (12, 12)


def test_equal_arguments_give_equal_bytes_and_from_repeats(run: Run, photos: dict[str, str]) -> None:
    flags = ["--style", photos["c"], "--start", photos["a"], "--margin", "0.1", "--steps", "3"]
    assert run("a frog", *flags, "--out", "x.png") == run("a frog", *flags, "--out", "y.png") == 0
    assert Path("x.png").read_bytes() == Path("y.png").read_bytes()
    assert run("--from", "x.png", "--start", photos["a"], "--style", photos["c"], "--out", "z.png") == 0
    assert Path("x.png").read_bytes() == Path("z.png").read_bytes()
    assert run("a leaf", "--from", "x.png", "--start", photos["a"], "--style", photos["c"], "--out", "w.png") == 0
    assert Recipe.from_png(Path("w.png")) == Recipe.from_png(Path("x.png")).with_changes(prompt="a leaf")


def test_from_needs_the_same_pictures(run: Run, photos: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--target", photos["b"], "--out", "x.png", *QUICK) == 0
    assert Recipe.from_png(Path("x.png")).target == pixel_digest(pixels("b.png"))
    assert run("--from", "x.png", "--out", "y.png") == 2
    assert "made with a target picture: give it, too" in capsys.readouterr().err
    assert run("--from", "x.png", "--target", photos["a"], "--out", "y.png") == 2
    assert "not the target picture that the recipe was made for" in capsys.readouterr().err


def test_a_photo_is_changed_inside_the_mask_and_the_budget(run: Run, photos: dict[str, str]) -> None:
    flags = ["--start", photos["a"], "--mask", photos["mask"], "--norm", "linf", "--eps", "8/255", "--steps", "3"]
    assert run("a frog", *flags, "--out", "x.png") == 0
    recipe, facts = Recipe.from_png(Path("x.png")), json.loads(Path("x.json").read_text())["images"][0]
    assert (recipe.size, recipe.colour, recipe.start_std) == (SIZE, "rgb", 0.0)
    assert 0 < facts["linf"] <= 8 / 255 + 1e-6
    change = (pixels("x.png") != pixels("a.png")).any(dim=1)[0]
    assert change[8:, 10:].any() and not change[:8].any() and not change[:, :10].any()


def test_a_transparent_mask_keeps_what_is_transparent(run: Run, photos: dict[str, str], tmp_path: Path) -> None:
    drawn = Image.new("RGBA", SIZE[::-1], (255, 255, 255, 0))
    drawn.paste((255, 255, 255, 255), (0, 0, 5, 5))
    drawn.save(tmp_path / "drawn.png")
    assert run("a frog", "--start", photos["a"], "--mask", "drawn.png", "--steps", "2", "--out", "x.png") == 0
    change = (pixels("x.png") != pixels("a.png")).any(dim=1)[0]
    assert change[:5, :5].any() and not change[5:].any() and not change[:, 5:].any()


def test_what_else_can_be_saved(run: Run, photos: dict[str, str]) -> None:
    files = ["--layers", "layers", "--spectrum", "s.json", "--spectrum-photo", photos["b"], "--video", "v.mp4"]
    assert run("a frog", *QUICK, *files, "--frames", "frames", "--out", "x.png") == 0
    assert torch.equal(pixels("layers/upto-0008.png"), pixels("x.png"))
    assert len(list(Path("layers").iterdir())) == 10 and len(list(Path("frames").iterdir())) == 3
    report = json.loads(Path("s.json").read_text())
    assert len(report["images"]) == 1 and report["photo"]["fourier"]["power"]
    assert Path("v.mp4").stat().st_size > 100


def test_the_way_between_two_prompts_is_a_strip_and_a_video(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--prompt-to", "a leaf", "--images", "3", "--video", "v.mp4", "--out", "x.png"]
    assert run("a frog", *flags, *QUICK) == 0
    with_gaps = (16, 3 * 24 + 8)
    assert pixels("x-all.png").shape[2:] == with_gaps
    assert "x-all.png" in capsys.readouterr().out
    assert Path("v.mp4").stat().st_size > 100


def test_unknown_words_are_mentioned(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("a xyzzy frog", "--model", "other", *QUICK) == 0
    assert "Note: other never saw 'xyzzy' in training" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ([], "prompt is empty"),
        ([""], "prompt is empty"),
        (["x" * 10_000], "prompt must have at most 2000 characters"),
        (["?!..."], "nothing to draw"),
        (["a frog:1.x"], "\n    a frog:1.x\n           ^\n"),
        (["🐸", "--model", "other"], "never saw any of the words in '🐸'"),
        (["лягушка", "--model", "other"], "never saw any of the words in 'лягушка'"),
        (["a frog", "--model", "missing"], "There is no model 'missing'"),
        (["a frog", "--mask", "mask.png"], "give one, or leave it out"),
        (["a frog", "--start", "missing.png"], "There is no file 'missing.png'"),
        (["a frog", "--start", "a.png", "--out", "a.png"], "would overwrite"),
        (["a frog", "--style", "a.png", "--out", "a.png"], "would overwrite"),
        (["a frog", "--video", "v.gif"], "a name that ends in .mp4"),
        (["a frog", "--prompt-to", "b"], "at least 2 images"),
        (["a frog", "--preset", "standard"], "invalid choice"),
    ],
)
def test_refusals_are_sentences(
    run: Run, photos: dict[str, str], capsys: pytest.CaptureFixture[str], flags: list[str], says: str
) -> None:
    before = sorted(Path().iterdir())
    assert run(*flags, *QUICK) == 2
    out, err = capsys.readouterr()
    assert says in err and "Traceback" not in err and out == ""
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize("prompt", ["🐸", "лягушка", "青蛙", "7"])
def test_a_general_model_takes_any_alphabet(run: Run, prompt: str) -> None:
    assert run(prompt, *QUICK, "--out", "x.png") == 0
    assert Recipe.from_png(Path("x.png")).prompt == prompt


def test_no_memory_is_a_sentence(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    class Huge(Words):
        """Asks for more memory than there is."""

        def encode_images(self, images: torch.Tensor, /) -> torch.Tensor:
            return torch.empty(2**55)

    assert run("a frog", *QUICK, load_model=lambda *_: Huge()) == 2
    assert "Memory ran out: use a smaller size" in capsys.readouterr().err


def test_help_shows_the_syntax_and_the_presets_defaults(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("--help")
    text = " ".join(capsys.readouterr().out.split())
    assert (
        "'a frog:1.2 | oil painting:0.5'" in text
        and "(default: tiny-clip crossmax-imagenet64 lite0)" in text.replace("- ", "-")  # lines may end after a hyphen
        and "(default: 192 192)" in text
    )
    assert "--prompt-to TEXT" in text and "--prompt " not in text and "--task" not in text
