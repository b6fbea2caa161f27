"""Adding what makes pictures is one entry: a toy of each kind, put into its registry at run time, and a special one of
each, is judged, made by the command line, and asked for, counted and shown by the page.

Perturbations, forms of priors and views are in `test_adding_changes`; toys that classifiers are made of, or attacked
with, are in `test_adding_models`, and victims in `test_adding_victims`.
"""

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from app.records.params import Wish
from app.ui.attack.change import kind_for, rule_fields, rule_for
from app.ui.attack.tab import title_of
from app.ui.attack.targets import TARGET
from crossmax_studio import attack
from foundation.catalogue.catalogue import Catalogue
from foundation.errors import StudioError
from foundation.jobs import Terminal
from generator.cli import main as cli
from generator.inputs.photos import Photo
from generator.objectives.classes import OBJECTIVES, ClassLogit, LeaveClass, ObjectiveKind
from generator.objectives.similarity import SCORES, Contrastive, ScoreKind, cosine
from generator.optimisers.registry import OPTIMISERS, Rule
from generator.recipes.recipe import Recipe
from generator.recipes.spelling import arguments_of
from generator.transfer.aims import question_of
from generator.victims.survival import SURVIVALS, Survival
from tests.repository.adding import (
    ATTACK,
    FLAGS,
    MODELS,
    QUICK,
    SMALL,
    added,
    attack_tab,
    built,
    choices,
    class_tab,
    held,
    help_of,
    in_a_menu,
    run,
    text_tab,
)
from tests.toy_models import Toys

GUIDE = Path(__file__).resolve().parents[2] / "CONTRIBUTING.md"


# ---------------------------------------------------------------------- objectives and scores


def test_an_objective(photo: Path) -> None:
    kind = ObjectiveKind(lambda classifier, targets, _: ClassLogit(classifier, targets), "a toy", "plays")
    with pytest.raises(
        StudioError, match=r"objective must be 'logit', 'cross_entropy', 'margin' or 'leave', not 'toy'"
    ):
        Recipe(models=("colours",), classes=("red",), objective="toy", **SMALL)
    with added(OBJECTIVES, kind):
        recipe = Recipe(models=("colours",), classes=("red",), objective="toy", **SMALL)
        assert Recipe.model_validate_json(recipe.to_json()).objective == "toy"
        assert "'toy' plays" in help_of("objective", "class")
        assert run("class", "--model", "colours", "--class", "red", "--objective", "toy", *FLAGS, "--out", "x.png") == 0
        assert Recipe.from_png(Path("x.png")).objective == "toy"
        assert in_a_menu(class_tab, photo.parent, "logit")
    assert choices("class", "objective") == ("logit", "cross_entropy", "margin", "leave")


@pytest.mark.slow
def test_an_objective_that_leads_away(photo: Path) -> None:
    """No class is asked for; the page takes it for "anything but what it is", and what is made counts as untargeted."""
    seen: list[list[int]] = []

    def make(classifier: Any, _targets: Tensor, sources: Tensor | None) -> LeaveClass:
        assert sources is not None
        seen.append(sources.tolist())
        return LeaveClass(classifier, sources)

    with added(OBJECTIVES, ObjectiveKind(make, "a toy", "plays", leads_away=True)):
        with pytest.raises(StudioError, match="objective 'toy' needs a photo to start from"):
            Recipe(models=("colours",), classes=("red",), objective="toy", **SMALL)
        asked = ["attack", "photo.png", "--model", "colours", "--objective", "toy", *QUICK]
        assert run(*asked, "--out", "x.png") == 0 and seen == [[1]]  # what the model says of the photo
        made = Recipe.from_png(Path("x.png"))
        assert (made.objective, made.classes) == ("toy", ()) and "--class" not in arguments_of(made)
        assert run(*asked, "--class", "blue", "--out", "y.png") == 0 and seen[1:] == [[2]]
        named = Recipe.from_png(Path("y.png"))
        question = question_of(named, Photo("photo", photo), ("red", "green", "blue"))
        assert (question.label, question.targets) == ("blue", ())
        assert "With the objective 'leave' or 'toy': the class to get away from" in help_of("classes")

        images, labels = torch.full((1, 3, 12, 16), 0.5), torch.tensor([1])
        few = {"resolutions": "1..4", "steps": 2, "objective": "toy"}
        (made,) = attack(MODELS["colours"], images, labels, **few).recipes
        assert (made.objective, made.classes) == ("toy", ("green",))
        with pytest.raises(StudioError, match="'objective' follows from"):
            attack(MODELS["colours"], images, labels, targeted=True, **few)

        assert in_a_menu(attack_tab, photo.parent, "leave")
        tab, _ = built(attack_tab, photo.parent)
        anything = tab.order(held(tab.components, attack_objective="toy")).recipe
        assert (anything.objective, anything.classes) == ("toy", ())
        told = tab.order(held(tab.components, attack_objective="toy", attack_truth="frog")).recipe
        assert (told.objective, told.classes, title_of(told)) == ("toy", ("frog",), "attack away from frog")
        towards = held(tab.components, attack_objective="toy", attack_goal=TARGET, attack_chips="ship")
        assert tab.order(towards).recipe.objective == "margin"
        filled = tab.fill(told, "a" * 32)
        assert filled[tab.truth.name].value == "frog" and filled[tab.classes.goal] != TARGET


def test_an_objective_of_single_classes(photo: Path) -> None:
    """The page takes the one in its place for several classes."""
    kind = OBJECTIVES["margin"]
    toy = ObjectiveKind(kind.make, "a toy", "plays", negative_weights=True, bounded=False, of_mixtures="margin")
    with added(OBJECTIVES, toy):
        assert "(objective 'logit' or 'toy' only)" in help_of("weights")
        with pytest.raises(StudioError, match="use 'cross_entropy', 'margin' or 'leave', not 'toy'"):
            Recipe(**{**ATTACK, "objective": "toy", "weighting": "dynamic"})
        tab, _ = built(class_tab, photo.parent)
        for mixture, objective in (("frog, ship", "margin"), ("", "toy")):
            values = held(tab.inputs, class_mixture=mixture, class_objective="toy")
            assert tab.recipe(*values.values()).objective == objective


def test_a_text_score(photo: Path) -> None:
    with added(SCORES, ScoreKind(lambda _rivals, _odds, _scale: cosine, title="a toy", says="by playing")):
        assert run("text", "red", "--model", "words", "--score", "toy", *FLAGS, "--out", "x.png") == 0
        assert Recipe.from_png(Path("x.png")).score == "toy"
        assert in_a_menu(text_tab, photo.parent, "cosine", "a toy")
        with pytest.raises(StudioError, match="against is for the score 'contrastive': choose"):
            Recipe(task="text", models=("words",), prompt="red", score="toy", against="blue")
    assert choices("text", "score") == ("cosine", "spherical", "contrastive")


def test_a_text_score_with_rivals(photo: Path) -> None:
    seen: list[int] = []

    def make(rivals: Tensor, odds: Tensor, scale: float) -> Contrastive:
        seen.append(len(rivals))
        return Contrastive(rivals, odds, scale)

    with added(SCORES, ScoreKind(make, math.inf, has_rivals=True, title="a toy", says="by playing")):
        asked = ["text", "red", "--model", "words", "--score", "toy", *FLAGS]
        assert run(*asked, "--out", "x.png") == 2
        assert run(*asked, "--against", "blue", "--out", "x.png") == 0 and seen == [1]
        assert Recipe.from_png(Path("x.png")).against == "blue"
        assert "the score 'contrastive' or 'toy' compares with" in help_of("against")
        inputs = built(text_tab, photo.parent)[0].inputs
        for score, kept in (("toy", "a toad"), ("cosine", "")):
            values = held(inputs.components, text_prompt="a frog", text_against="a toad", text_score=score)
            assert inputs.read(values).recipe.against == kept


# ---------------------------------------------------------------------- update rules


def test_an_update_rule(photo: Path) -> None:
    seen: list[str] = []

    def make(prior: Any, settings: Any) -> Any:
        seen.append(type(prior).__name__)
        return OPTIMISERS["pgd"].make(prior, settings)

    attacking = ["attack", "photo.png", "--model", "colours", "--class", "red", "--momentum", "0"]
    with added(OPTIMISERS, Rule(make, "a toy", "(plays)", tasks=("attack",), projected=True)):
        assert "toy" in choices("attack", "optimiser") and "toy" not in choices("class", "optimiser")
        with pytest.raises(StudioError, match="'toy' is for attacks"):
            Recipe(models=("colours",), classes=("red",), optimiser="toy", **SMALL)
        with pytest.raises(StudioError, match="momentum belongs to sgd and mi-fgsm"):
            Recipe(task="attack", norm="linf", eps=0.1, models=("colours",), optimiser="toy", momentum=0.5)
        assert run(*attacking, "--optimiser", "toy", *QUICK, "--out", "x.png") == 0
        assert Recipe.from_png(Path("x.png")).optimiser == "toy" and seen == ["LayeredPrior"]
        assert in_a_menu(attack_tab, photo.parent, "mi-fgsm", "a toy")
    assert choices("class", "optimiser") == ("sgd", "adam")


def test_an_update_rule_with_step_sizes_of_its_own() -> None:
    toy = Rule(
        OPTIMISERS["mi-fgsm"].make,
        "a toy",
        takes_momentum=True,
        usual_momentum=0.25,
        full_momentum=True,
        takes_schedule=True,
        pixels_alone=True,
        reach=3.0,
    )
    with added(OPTIMISERS, toy):
        usual = Recipe(**ATTACK)
        fields = {"momentum": 0.25, "learning_rate": 0.06, "step_schedule": "constant"}
        assert rule_fields("toy", "pixel", 50, usual) == fields
        assert (kind_for("toy", "layers"), rule_for("layers", "toy"), rule_for("pixel", "toy")) == (
            "pixel",
            "pgd",
            "toy",
        )
        assert "1 and toy, whose authors take 0.25; 0 with" in help_of("momentum")
        assert "How the steps of sgd, pgd, mi-fgsm and toy change" in help_of("step_schedule")
        whole = Recipe(**{**ATTACK, "optimiser": "toy", "perturbation": "pixel", "momentum": 1.0})
        assert whole.momentum == 1
        with pytest.raises(StudioError, match="optimiser 'toy' starts with 2 eps: it needs perturbation 'pixel'"):
            Recipe(**{**ATTACK, "optimiser": "toy"})


# ---------------------------------------------------------------------- afterwards


@pytest.mark.slow
def test_a_survival(photo: Path) -> None:
    with pytest.raises(ValueError, match="toy"):
        Wish(survivals=("toy",))
    for usual in (True, False):
        with added(SURVIVALS, Survival("Turned.", lambda picture: picture.rotate(180), usual=usual)):
            assert Wish(survivals=("toy",)).survivals == ("toy",)
            assert in_a_menu(attack_tab, photo.parent, "jpeg-50", "Turned")
            tab, _ = built(attack_tab, photo.parent)
            assert ("toy" in tab.testing.survivals.value) is usual
            asked = ["batch", "photo.png", "--model", "colours", "--class", "red", "--victim", "colours"]
            assert run(*asked, "--survival", "toy", *QUICK, "--out", f"out-{usual}") == 0
            assert "Turned." in (Path(f"out-{usual}") / "report.html").read_text()


def test_a_source_of_models(photo: Path) -> None:
    catalogue = Catalogue([Toys({"colours": MODELS["colours"]})])
    flags = ["--model", "colours", "--class", "red", *FLAGS, "--out", "x.png"]
    handed = {"load_model": catalogue.load, "list_models": catalogue.known, "foreground": Terminal()}
    assert cli.main(["class", *flags], **handed) == 0  # type: ignore[arg-type]
    assert Recipe.from_png(Path("x.png")).revisions == ("0" * 15 + "1",)


KINDS = (
    *("objective", "text score", "view", "update rule", "perturbation", "prior form", "robust attack", "aggregator"),
    *("backbone", "evaluation suite", "survival", "victim"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_names_one_file_for_each(kind: str) -> None:
    (row,) = [line for line in GUIDE.read_text("utf-8").splitlines() if line.startswith(f"| {kind} |")]
    named = [path for path in re.findall(r"`((?:\w+/)+\w+\.py)`", row) if not path.startswith("tests/")]
    assert len(set(named)) == 1 and (GUIDE.parent / named[0]).is_file()
