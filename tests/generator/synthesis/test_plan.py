"""A recipe is read once, into a plan: no text of it again for each model, image, look, try or measurement."""

import inspect
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from foundation.errors import StudioError
from foundation.images.files import quantise
from generator.classes.class_names import meaning
from generator.priors.operators import parse_resolutions
from generator.production.making import make
from generator.production.production import output_paths, produce, produce_job
from generator.recipes.completion import fill_in
from generator.recipes.pictures import Pictures
from generator.recipes.prompts import parse_prompts
from generator.recipes.recipe import Recipe
from generator.synthesis.plan import plan_of
from generator.synthesis.synthesis import synthesise
from generator.units.unit import parse_unit
from generator.views.registry import parse_views
from tests.generator.standins import Colours, LayeredColours, NoisyColours, Words, rng
from tests.generator.units.networks import Painter

PARSERS: tuple[Callable[..., Any], ...] = (parse_prompts, parse_unit, parse_views, parse_resolutions, meaning)
SMALL = {"size": (20, 24), "resolutions": "1..5,9", "steps": 3, "views": "noise:0.1 | flip"}
MIXTURE = {"models": ("red", "layers"), "classes": ("grey | 0", "green"), "weights": (0.7, 0.3)}


def picture(seed: int, batch: int = 1) -> torch.Tensor:
    return quantise(torch.rand(batch, 3, 20, 24, generator=rng(seed)))


def models() -> dict[str, Any]:
    return {"red": NoisyColours(), "layers": LayeredColours(), "words": Words(), "more": Words(1), "hand": Painter()}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, ...]]:
    """How often each text was read since the recipe was made: by the parser's name, the text, and for whom."""
    found: Counter[tuple[str, ...]] = Counter()

    def counting(parser: Callable[..., Any]) -> Callable[..., Any]:
        def parse(first: Any, *others: Any, **options: Any) -> Any:
            whose = (others[0], ",".join(first)) if parser is meaning else (first,)
            found[(parser.__name__, *whose)] += 1
            return parser(first, *others, **options)

        return parse

    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "generator"]
    for parser in PARSERS:
        holders = [module for module in modules if getattr(module, parser.__name__, None) is parser]
        assert len(holders) > 1
        for module in holders:
            monkeypatch.setattr(module, parser.__name__, counting(parser))
    return found


GUIDED = {"prompt": "a frog:2 | fog:-0.5", "negative": "text"}
CASES: dict[str, tuple[dict[str, Any], Pictures]] = {
    "classes": ({**MIXTURE, "images": 2}, Pictures()),
    "unit": ({"models": ("hand",), "unit": "see:1*0.7-3*0.5", "images": 2}, Pictures()),
    "text": (
        {
            **MIXTURE,
            **GUIDED,
            "task": "text",
            "models": ("words", "more", "red"),
            "class_weight": 0.5,
            "images": 2,
            "tile": True,
        },
        Pictures(style=picture(1)),
    ),
    "way": ({"task": "text", "models": ("words",), **GUIDED, "prompt_to": "rain", "images": 3}, Pictures()),
    "contrast": (
        {"task": "text", "models": ("words",), **GUIDED, "score": "contrastive", "against": "a toad"},
        Pictures(source=picture(2), mask=picture(3)),
    ),
    "attack": (
        {"task": "attack", **MIXTURE, "norm": "linf", "eps": 0.1, "images": 2, "keep": "best", "enough": 0.9},
        Pictures(source=picture(2, batch=2)),
    ),
    "guided attack": (
        {
            "task": "attack",
            "models": ("words", "more"),
            "norm": "linf",
            "eps": 0.1,
            "keep": "best",
            "captions": "a frog | a ship",
            "prompt": "a dog",
            "target_views": "crop:0.5-0.9",
            "images": 2,
        },
        Pictures(source=picture(2), target=picture(4)),
    ),
    "pixels": (
        {"task": "attack", "models": ("red",), "classes": ("red",), "norm": "l2", "eps": 1.0, "perturbation": "pixel"},
        Pictures(source=picture(2)),
    ),
}


def texts_of(recipe: Recipe) -> Counter[tuple[str, ...]]:
    """Each text of a recipe that means something to it, once: a class for each classifier."""
    known = models()
    texts: list[tuple[str, ...]] = [("parse_views", recipe.views)]
    if recipe.perturbation != "pixel":
        texts.append(("parse_resolutions", recipe.resolutions))
    prompts = ("prompt", "negative", "prompt_to", "against", "captions")
    texts += [("parse_prompts", getattr(recipe, name)) for name in prompts if getattr(recipe, name)]
    texts += [("parse_unit", recipe.unit)] if recipe.unit else []
    texts += [("parse_views", recipe.target_views)] if recipe.target_views else []
    classifiers = [known[name] for name in recipe.models if name not in ("words", "more")]
    texts += [("meaning", name, ",".join(one.class_names)) for name in recipe.classes for one in classifiers]
    return Counter(texts)


@pytest.mark.parametrize("case", CASES)
def test_each_text_is_read_once(case: str, read: Counter[tuple[str, ...]], tmp_path: Path) -> None:
    fields, pictures = CASES[case]
    digests = {name: digest for name, digest in pictures.digests().items() if name == "target"}
    recipe = Recipe.model_validate({**SMALL, **digests, **fields})
    read.clear()
    produce(recipe, models(), outputs=output_paths(tmp_path / "x.png", recipe.images), pictures=pictures)
    expected = texts_of(recipe)
    assert read == expected


def test_a_picture_that_is_drawn_anew_is_no_second_reading(
    read: Counter[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whys = iter(["all white", "all black"])
    monkeypatch.setattr("generator.production.redrawing.why_ran_away", lambda _image: next(whys, ""))
    recipe = Recipe(**SMALL, models=("red",), classes=("red",), redraw=2, seed=5)  # type: ignore[arg-type]
    read.clear()
    made = produce(recipe, models(), outputs=output_paths(tmp_path / "x.png", 1))
    assert made.recipe.seed == 7 and read == texts_of(recipe)


def test_synonyms_are_read_as_they_were_written_and_once_as_they_are_written_down(
    read: Counter[tuple[str, ...]], tmp_path: Path
) -> None:
    class Cats(Colours):
        class_names = ("cougar", "tabby", "dog", "fox")  # type: ignore[assignment]

    recipe = Recipe(**SMALL, models=("cats",), classes=("puma", "dog"))  # type: ignore[arg-type]
    read.clear()
    made = produce(recipe, {"cats": Cats()}, outputs=output_paths(tmp_path / "x.png", 1))
    assert made.recipe.classes == ("cougar", "dog")
    named = {text[1]: times for text, times in read.items() if text[0] == "meaning"}
    assert named == {"puma": 1, "dog": 1, "cougar": 1}


@pytest.mark.parametrize(("field", "text"), [("views", "wobble"), ("target_views", "wobble"), ("resolutions", "99")])
def test_what_cannot_be_read_is_refused_before_the_work(field: str, text: str) -> None:
    fields, pictures = CASES["guided attack"]
    recipe = Recipe.model_validate({**SMALL, **fields, **pictures.digests(), field: text})
    known = models()
    with pytest.raises(StudioError, match=text):
        plan_of(recipe, known, pictures)
    assert not any(known[name].batches or known[name].texts for name in ("words", "more"))


def test_a_plan_of_one_image_has_its_seed_and_photo() -> None:
    fields, pictures = CASES["attack"]
    plan = plan_of(Recipe.model_validate({**SMALL, **fields, "seed": 3}), models(), pictures)
    own = plan.of_image(1)
    assert (own.recipe.seed, own.recipe.images, plan.recipe.images) == (4, 1, 2)
    assert own.pictures.source is not None and torch.equal(own.pictures.source, picture(2, batch=2)[1:])
    assert own.views is plan.views and own.resolutions == plan.resolutions == (1, 2, 3, 4, 5, 9)


@pytest.mark.parametrize("function", [fill_in, plan_of, synthesise, make, produce, produce_job])
def test_a_photo_comes_in_one_way(function: Callable[..., Any]) -> None:
    names = inspect.signature(function).parameters
    assert "pictures" in names and "source" not in names
