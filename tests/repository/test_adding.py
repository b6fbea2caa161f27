"""Adding is one entry: a toy of each kind, put into its registry, is judged, made, a flag's choice and in the menu."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
import torch
from PIL import Image
from torch import nn

from app.costs.estimates import Rates, cost_of
from app.evaluation.service import Evaluations
from app.records.params import Wish
from app.ui.attack.tab import AttackTab
from app.ui.classes.tab import ClassTab
from app.ui.text.tab import TextTab
from foundation.catalogue.catalogue import Catalogue
from foundation.errors import StudioError
from foundation.images.files import save_png
from foundation.jobs import Terminal
from generator.cli import main as cli
from generator.objectives.classes import OBJECTIVES, ClassLogit, ObjectiveKind
from generator.objectives.similarity import SCORES, ScoreKind, cosine
from generator.optimisers.registry import OPTIMISERS, Rule
from generator.priors.prior import PRIORS, LayeredPrior
from generator.recipes.fields import cli_fields
from generator.recipes.perturbations import PERTURBATIONS, Perturbation
from generator.recipes.recipe import Recipe
from generator.synthesis.synthesis import synthesise
from generator.victims.survival import SURVIVALS, Survival
from generator.views.registry import VIEWS, HorizontalFlip
from robust_model.evaluation.record.config import EvalConfig
from robust_model.evaluation.suites import SUITES, Suite
from robust_model.networks.backbones import BACKBONES, Backbone
from robust_model.networks.crossmax import AGGREGATORS
from robust_model.networks.ensemble import ModelConfig, SelfEnsemble
from robust_model.networks.networks import Chain
from robust_model.training.adversary import ADVERSARIES
from robust_model.training.train_config import TrainConfig
from tests.browser.standins import StandInMeasurements, make_studio
from tests.generator.standins import Words
from tests.toy_models import Toys

SMALL = {"size": (12, 16), "resolutions": "1..4", "steps": 2, "seed": 1}
FLAGS = ["--size", "12", "16", "--resolutions", "1..4", "--steps", "2", "--device", "cpu", "--quiet"]


class Colours(nn.Module):
    """Logits are the mean colour, scaled."""

    class_names = ("red", "green", "blue")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 20 * images.mean((2, 3))


MODELS: dict[str, Any] = {"colours": Colours(), "words": Words(vocabulary="a red blue")}


@contextlib.contextmanager
def added(registry: Any, entry: Any, name: str = "toy") -> Iterator[None]:
    """One entry more, and afterwards none."""
    assert name not in registry
    registry[name] = entry
    try:
        yield
    finally:
        del registry[name]


def choices(task: str, field: str) -> tuple[str, ...]:
    return next(one.choices for one in cli_fields(task) if one.name == field)


def run(*argv: str) -> int:
    catalogue = Catalogue([Toys({"colours": MODELS["colours"]}), Toys({"words": MODELS["words"]}, "encoder")])
    return cli.main([*argv], load_model=catalogue.load, list_models=catalogue.known, foreground=Terminal())


def menus(make: Callable[[Any], Any], folder: Path) -> list[list[Any]]:
    """The choices of all menus of a tab."""

    async def build() -> list[list[Any]]:
        with gr.Blocks(analytics_enabled=False) as blocks:
            make(make_studio(SimpleNamespace(), folder, StandInMeasurements())).build()  # type: ignore[arg-type]
        kinds = (gr.Dropdown, gr.Radio, gr.CheckboxGroup)
        return [list(one.choices) for one in blocks.blocks.values() if isinstance(one, kinds)]

    return asyncio.run(build())


def in_a_menu(make: Callable[[Any], Any], folder: Path, beside: str, title: str = "toy") -> bool:
    """Whether a menu that has the entry `beside` has the toy, too."""
    return any(
        {beside, "toy"} <= {value for _, value in found}
        and title in {shown for shown, value in found if value == "toy"}
        for found in menus(make, folder)
    )


def attack_tab(studio: Any) -> AttackTab:
    return AttackTab(studio, gr.BrowserState({}))


def text_tab(studio: Any) -> TextTab:
    return TextTab(studio, gr.BrowserState({}))


def class_tab(studio: Any) -> ClassTab:
    return ClassTab(studio, gr.BrowserState({}))


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return save_png(Image.new("RGB", (16, 12), (90, 120, 80)), tmp_path / "photo.png") or tmp_path / "photo.png"


def test_an_objective(photo: Path) -> None:
    kind = ObjectiveKind(lambda classifier, targets, _: ClassLogit(classifier, targets), "a toy", "plays")
    with pytest.raises(
        StudioError, match=r"objective must be 'logit', 'cross_entropy', 'margin' or 'leave', not 'toy'"
    ):
        Recipe(models=("colours",), classes=("red",), objective="toy", **SMALL)
    with added(OBJECTIVES, kind):
        recipe = Recipe(models=("colours",), classes=("red",), objective="toy", **SMALL)
        assert Recipe.model_validate_json(recipe.to_json()).objective == "toy"
        assert "'toy' plays" in next(one.help for one in cli_fields() if one.name == "objective")
        assert run("class", "--model", "colours", "--class", "red", "--objective", "toy", *FLAGS, "--out", "x.png") == 0
        assert Recipe.from_png(Path("x.png")).objective == "toy"
        assert in_a_menu(class_tab, photo.parent, "logit")
    assert choices("class", "objective") == ("logit", "cross_entropy", "margin", "leave")


def test_a_text_score(photo: Path) -> None:
    with added(SCORES, ScoreKind(lambda _rivals, _odds, _scale: cosine, title="a toy", says="by playing")):
        assert run("text", "red", "--model", "words", "--score", "toy", *FLAGS, "--out", "x.png") == 0
        assert Recipe.from_png(Path("x.png")).score == "toy"
        assert in_a_menu(text_tab, photo.parent, "cosine", "a toy")
    assert choices("text", "score") == ("cosine", "spherical", "contrastive")


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
        flags = [flag for flag in FLAGS if flag not in ("--size", "12", "16")]
        assert run(*attacking, "--optimiser", "toy", *flags, "--out", "x.png") == 0
        assert Recipe.from_png(Path("x.png")).optimiser == "toy" and seen == ["LayeredPrior"]
        assert in_a_menu(attack_tab, photo.parent, "mi-fgsm", "a toy")
    assert choices("class", "optimiser") == ("sgd", "adam")


def test_a_perturbation(photo: Path) -> None:
    with added(PERTURBATIONS, Perturbation(PERTURBATIONS["layers"].make, "a toy", "(plays)")):
        flags = [flag for flag in FLAGS if flag not in ("--size", "12", "16")]
        attacking = ["attack", "photo.png", "--model", "colours", "--class", "red", "--perturbation", "toy"]
        assert run(*attacking, *flags, "--out", "x.png") == 0
        made = Recipe.from_png(Path("x.png"))
        assert made.perturbation == "toy" and cost_of(made, Rates(), (12, 16)).seconds > 0
        assert in_a_menu(attack_tab, photo.parent, "pixel", "a toy")
    assert choices("attack", "perturbation") == ("layers", "pixel")


def test_a_prior_form() -> None:
    class Toy(LayeredPrior):
        """Layers, as they are."""

    with added(PRIORS, Toy):
        recipe = Recipe(models=("colours",), classes=("red",), form="toy", optimiser="adam", **SMALL)
        synthesis = synthesise(recipe, {"colours": MODELS["colours"]})
        assert isinstance(synthesis.prior, Toy) and len(list(synthesis.steps)) == 2
        assert "toy" in choices("class", "form")
    assert choices("class", "form") == ("auto", "layered", "image_space")


def test_a_view(photo: Path) -> None:
    seen: list[int] = []

    class Toy(HorizontalFlip):
        """Counts."""

        def __call__(self, images: torch.Tensor, *rest: Any, **more: Any) -> Any:
            seen.append(len(images))
            return super().__call__(images, *rest, **more)

    with added(VIEWS, Toy):
        flags = ["--model", "colours", "--class", "red", "--views", "toy", *FLAGS]
        assert run("class", *flags, "--out", "x.png") == 0 and seen
    assert run("class", *flags, "--out", "y.png") == 2


def test_a_survival(photo: Path) -> None:
    with pytest.raises(ValueError, match="toy"):
        Wish(survivals=("toy",))
    with added(SURVIVALS, Survival("Turned.", lambda picture: picture.rotate(180))):
        assert Wish(survivals=("toy",)).survivals == ("toy",)
        assert in_a_menu(attack_tab, photo.parent, "jpeg-50", "Turned")


def network(**settings: Any) -> ModelConfig:
    return ModelConfig(class_names=("a", "b"), widths=(4, 4), blocks=(1, 1), readout_depths=(1,), **settings)


def test_an_aggregator() -> None:
    with pytest.raises(ValueError, match="no aggregator 'toy'"):
        network(aggregator="toy")
    with added(AGGREGATORS, lambda logits: logits[:, 0] + 7):
        model = SelfEnsemble(network(aggregator="toy")).eval()
        images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(model(images), model.readouts(images)[:, 0] + 7)


def test_a_backbone() -> None:
    def make(config: ModelConfig, name: str, _pretrained: bool, _file: str) -> Chain:
        stages = [nn.Conv2d(config.stack.channels, int(name), 3), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())]
        return Chain(stages)

    with pytest.raises(StudioError, match=r"Unknown backbone 'toy:5': use cifar-resnet, .*or timm:NAME \(a ResNet\)\."):
        SelfEnsemble(network(backbone="toy:5"))
    with added(BACKBONES, Backbone(make, "toy:CHANNELS")):
        model = SelfEnsemble(network(backbone="toy:5")).eval()
        assert model(torch.rand(2, 3, 20, 32, generator=torch.Generator().manual_seed(0))).shape == (2, 2)
        assert sum(weight.shape[0] == 5 for weight in model.chain.parameters() if weight.ndim == 4) == 1
        for wrong in ("toy", "cifar-resnet:5"):
            with pytest.raises(StudioError, match=r"Unknown backbone.*or toy:CHANNELS"):
                SelfEnsemble(network(backbone=wrong))


def test_an_adversary_and_a_suite() -> None:
    with added(ADVERSARIES, lambda _loss, images, _eps, _steps, _rng: images):
        assert TrainConfig(model=network(), data="synthetic:8", adversary="toy").adversary == "toy"
    with added(SUITES, Suite("A toy", "Plays.", SUITES["quick"].make)):
        assert EvalConfig(model="x", data="synthetic:8", suites=("toy",)).suites == ("toy",)
        offered = Evaluations.suites(SimpleNamespace())  # type: ignore[arg-type]
        assert [choice.title for choice in offered if choice.name == "toy"] == ["A toy"]
        assert json.loads(EvalConfig(model="x", data="synthetic:8", suites=("toy",)).model_dump_json())["suites"]


def test_a_source_of_models(photo: Path) -> None:
    catalogue = Catalogue([Toys({"colours": MODELS["colours"]})])
    flags = ["--model", "colours", "--class", "red", *FLAGS, "--out", "x.png"]
    handed = {"load_model": catalogue.load, "list_models": catalogue.known, "foreground": Terminal()}
    assert cli.main(["class", *flags], **handed) == 0  # type: ignore[arg-type]
    assert Recipe.from_png(Path("x.png")).revisions == ("0" * 15 + "1",)
