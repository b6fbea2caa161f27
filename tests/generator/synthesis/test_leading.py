"""Classifiers that lead a text along: to what its prompt names, if nobody names classes and they know it."""

import pytest

from foundation.catalogue.entry import ModelInfo
from generator.grids.axis import parse_axis
from generator.grids.grid import Grid
from generator.recipes.recipe import Recipe, RecipeError
from generator.synthesis.drawers import DRAWERS, LEAD, shares_of, usual_models
from generator.synthesis.leading import NOTHING, ON_THE_WAY, led

SMALL, LARGE = ("brown bear", "beacon", "goldfish"), ("ice bear", "brown bear", "beacon", "castle", "goldfish")
NAMES = {"small": SMALL, "large": LARGE}


def listing(name: str, classes: tuple[str, ...]) -> ModelInfo:
    return ModelInfo(name, "classifier", name, "", "shipped", True, class_names=classes)


def text(prompt: str, **fields: object) -> Recipe:
    return Recipe(**{"task": "text", "prompt": prompt, "models": ("reader", "small", "large"), **fields})


def test_all_that_know_it_lead() -> None:
    found = led(text("a lighthouse"), NAMES)
    assert found.recipe.classes == ("beacon",) and found.recipe.class_weight == LEAD
    assert found.recipe.models == ("reader", "small", "large") and found.recipe.weights == ()
    assert found.taken_for == {"small": {"lighthouse": "beacon"}, "large": {"lighthouse": "beacon"}}
    assert found.apart == {} and found.prompts == {"a lighthouse"}
    assert led(found.recipe, NAMES).recipe == found.recipe  # which is a recipe like any other


def test_who_knows_nothing_of_it_takes_no_part() -> None:
    found = led(text("a castle", revisions=("a", "b", "c"), model_weights=(1, 2, 3)), NAMES)
    assert found.recipe.models == ("reader", "large") and found.recipe.classes == ("castle",)
    assert found.recipe.revisions == ("a", "c") and found.recipe.model_weights == (1, 3)
    assert found.apart == {"small": NOTHING}
    nobody = led(text("a spaceship"), NAMES)
    assert nobody.recipe.models == ("reader",) and not nobody.recipe.classes
    assert nobody.apart == dict.fromkeys(NAMES, NOTHING) and nobody.prompts == frozenset()


def test_who_finds_something_else_takes_no_part() -> None:
    """A polar bear is no brown bear."""
    found = led(text("a polar bear"), NAMES)
    assert found.recipe.classes == ("ice bear",) and found.recipe.models == ("reader", "large")
    assert led(text("a bear"), NAMES).recipe.classes == ("brown bear",)


def test_several_prompts_are_several_classes() -> None:
    found = led(text("a goldfish:2 | a lighthouse | oil painting:0.5 | a castle:-1"), NAMES).recipe
    assert found.classes == ("goldfish", "beacon") and found.weights == (2, 1)
    assert found.models == ("reader", "small", "large")
    assert led(text("a goldfish | two goldfish"), NAMES).recipe.classes == ("goldfish",)
    assert led(text("a goldfish | a castle"), NAMES).recipe.models == ("reader", "large")


def test_classes_that_are_named_stay() -> None:
    named = text("a lighthouse", classes=("goldfish",), class_weight=1)
    assert led(named, NAMES).recipe == named
    drawn = Recipe(task="class", classes=("goldfish",), models=("small",))
    assert led(drawn, {"small": SMALL}).recipe == drawn


def test_nobody_leads_on_the_way_between_two_prompts() -> None:
    found = led(text("a goldfish", prompt_to="a castle", images=3), NAMES)
    assert found.recipe.models == ("reader",) and found.apart == dict.fromkeys(NAMES, ON_THE_WAY)


def test_a_class_weight_may_wait_for_the_prompt_where_there_may_be_classifiers() -> None:
    assert led(text("a castle", class_weight=2), NAMES).recipe.class_weight == 2
    with pytest.raises(RecipeError, match="class_weight needs classes"):
        text("a castle", models=("reader",), class_weight=2)
    with pytest.raises(RecipeError, match="class_weight is 0"):
        text("a castle", classes=("castle",))


def test_shares_are_told_where_they_differ() -> None:
    assert shares_of(("x", "y")) == ()
    assert shares_of(DRAWERS["class"]) == (4.0, 1.0) and shares_of(("lite0",)) == ()


def test_nobody_is_usual_who_is_not_there() -> None:
    assert usual_models("text", None, (), []) == usual_models("class", None, ("goldfish",), []) == {}
    assert usual_models("attack", None, (), []) == {}


def test_a_class_is_drawn_by_those_that_know_it() -> None:
    """By all drawers, else by the recipe's default if it knows it, else by those drawers that do."""
    robust, sharp = DRAWERS["class"]
    (usual,) = Recipe(task="class", classes=("goldfish",)).models
    listed = [
        listing(robust, ("goldfish", "lighthouse")),
        listing(sharp, ("goldfish", "lighthouse", "castle", "horse")),
        listing(usual, ("horse", "frog")),
    ]
    both = {"models": (robust, sharp), "model_weights": (4.0, 1.0)}
    assert usual_models("class", None, ("goldfish",), listed) == both
    assert usual_models("class", None, ("goldfish", "lighthouse"), listed) == both
    assert usual_models("class", None, ("castle",), listed) == {"models": (sharp,), "model_weights": ()}
    assert usual_models("class", None, ("goldfish", "castle"), listed) == {"models": (sharp,), "model_weights": ()}
    for nobody in (("horse",), ("frog",), ("unicorn",), ("goldfish", "unicorn"), ()):
        assert usual_models("class", None, nobody, listed) == {}


def test_a_grid_is_drawn_by_those_that_know_every_class_of_its_cells() -> None:
    robust, sharp = DRAWERS["class"]
    listed = [listing(robust, ("goldfish", "lighthouse")), listing(sharp, ("goldfish", "lighthouse", "castle"))]
    seeds, base = parse_axis("seed=1,2", "class"), Recipe(task="class", classes=("goldfish",))

    def drawn(classes: str) -> tuple[str, ...]:
        grid = Grid(base, parse_axis(f"class={classes}", "class"), seeds)
        return grid.drawn_by_usual_models(None, listed, named=False).base.models

    assert drawn("goldfish; lighthouse") == (robust, sharp) and drawn("lighthouse; castle") == (sharp,)
    steps = Grid(base, parse_axis("steps=1,2", "class"), seeds)
    assert steps.drawn_by_usual_models(None, listed, named=True).base.models == (robust, sharp)
    assert steps.drawn_by_usual_models(None, listed, named=False) == steps
    models = Grid(base, parse_axis(f"model={robust}; {sharp}", "class"), seeds)
    assert models.drawn_by_usual_models(None, listed, named=True) == models
