"""The command `attack` with what attacks on CLIP models and on pixels have of their own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from foundation.images.files import METADATA_KEY, load_image, pixel_digest, quantise, read_metadata, save_png
from foundation.jobs import Terminal
from foundation.protocols import JobContext
from generator.cli.main import main
from generator.recipes.recipe import RECIPE_VERSION, Recipe
from tests.generator.standins import Colours, Info, Words, rng

Run = Callable[..., int]
MODELS = {"colours": Colours(), "words": Words()}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)

    def load(name: str, _device: str, _context: JobContext) -> Any:
        return MODELS[name]

    def call(*argv: str) -> int:
        listing = [Info(name) for name in MODELS]
        return main([*argv], load_model=load, list_models=lambda: listing, foreground=Terminal())

    for seed, name in enumerate(("photo", "other")):
        save_png(quantise(torch.rand(1, 3, 20, 32, generator=rng(seed))), tmp_path / f"{name}.png")
    return call


def test_a_text_is_a_target(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--model", "words", "--prompt", "a ship", "--captions", "a frog | a leaf", "--steps", "3"]
    rule = ["--perturbation", "pixel", "--optimiser", "mi-fgsm", "--step-schedule", "cosine"]
    assert run("attack", "photo.png", *flags, *rule, "--out", "a.png") == 0
    made = Recipe.from_png(Path("a.png"))
    assert (made.classes, made.prompt, made.perturbation) == ((), "a ship", "pixel")
    assert (made.optimiser, made.momentum, made.planned_steps) == ("mi-fgsm", 1.0, 3)
    out = capsys.readouterr().out
    assert "words: prompt 'a ship': cosine" in out and "words: caption 'a leaf': cosine" in out
    assert run("attack", "photo.png", "--from", "a.png", "--out", "b.png") == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert run("attack", "photo.png", "--from", "a.png", "--steps", "2", "--out", "c.png") == 0
    assert Recipe.from_png(Path("c.png")).planned_steps == 2


def test_where_nobody_named_a_class_that_is_said_before_anything_is_drawn(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["attack", "photo.png"], ["batch", "photo.png", "other.png"]):
        assert run(*words, "--model", "colours", "--out", "made") == 2
        said = capsys.readouterr().err
        assert "Name a class, with --class, or lead away" in said and "'frog' is taken" in said
        assert not list(Path().glob("made*/*.png"))
    assert run("class", "--model", "colours", "--out", "a.png") == 2
    assert "--class: where none is named" in capsys.readouterr().err
    assert run("batch", "photo.png", "--model", "colours", "--objective", "leave", "--steps", "1", "--out", "b") == 0


def test_the_recipe_can_be_left_out_of_the_picture(run: Run) -> None:
    flags = ["--model", "colours", "--class", "green", "--steps", "2", "--quiet"]
    assert run("attack", "photo.png", *flags, "--out", "a.png") == 0
    assert run("attack", "photo.png", *flags, "--no-recipe", "--out", "b.png") == 0
    assert METADATA_KEY in read_metadata("a.png") and read_metadata("b.png") == {}
    assert load_image("a.png").tobytes() == load_image("b.png").tobytes()
    assert json.loads(Path("b.json").read_text())["recipe"] == json.loads(Path("a.json").read_text())["recipe"]
    assert run("attack", "photo.png", *flags, "--images", "2", "--no-recipe", "--out", "c.png") == 0
    assert read_metadata("c-1.png") == read_metadata("c-2.png") == {}


def test_another_picture_is_a_target_beside_a_class(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--models", "words", "colours", "--class", "green", "--class-weight", "0.5", "--steps", "2"]
    views = ["--target-views", "crop:0.5-0.9", "--views", "crop:0.5-0.9"]
    assert run("attack", "photo.png", "--target", "other.png", *flags, *views, "--out", "a.png") == 0
    made = Recipe.from_png(Path("a.png"))
    assert (made.target, made.classes) == (
        pixel_digest(quantise(torch.rand(1, 3, 20, 32, generator=rng(1)))),
        ("green",),
    )
    assert run("attack", "photo.png", "--from", "a.png", "--target", "other.png", "--out", "b.png") == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert run("attack", "photo.png", "--from", "a.png", "--out", "c.png") == 2
    assert "This recipe was made with a target picture: give it, too." in capsys.readouterr().err
    assert run("attack", "photo.png", "--from", "a.png", "--target", "photo.png", "--out", "c.png") == 2
    assert "not the target picture that the recipe was made for" in capsys.readouterr().err


@pytest.mark.parametrize("rule", ["adam", "pgd", "apgd"])
def test_an_update_rule_comes_without_the_momentum_of_the_preset(run: Run, rule: str) -> None:
    flags = ["--model", "colours", "--class", "green", "--steps", "2", "--perturbation", "pixel"]
    assert run("attack", "photo.png", *flags, "--optimiser", rule, "--out", "a.png") == 0
    assert Recipe.from_png(Path("a.png")).momentum == 0
    assert run("attack", "photo.png", *flags, "--optimiser", "sgd", "--out", "b.png") == 0
    assert Recipe.from_png(Path("b.png")).momentum == 0.9


def test_flags_that_an_old_recipe_does_not_know_make_it_a_new_one(run: Run) -> None:
    flags = ["--model", "colours", "--class", "green", "--steps", "2"]
    assert run("attack", "photo.png", *flags, "--out", "now.png") == 0
    old = Recipe.from_png(Path("now.png")).with_changes(
        version=1, keep="last", enough=0.0, step_schedule="constant", detail=0.0
    )
    save_png(torch.zeros(1, 3, 20, 32), "old.png", old.png_metadata())
    assert run("attack", "photo.png", "--from", "old.png", "--seed", "3", "--out", "a.png") == 0
    assert Recipe.from_png(Path("a.png")).version == 1
    assert run("attack", "photo.png", "--from", "old.png", "--perturbation", "pixel", "--out", "b.png") == 0
    assert Recipe.from_png(Path("b.png")).version == RECIPE_VERSION
