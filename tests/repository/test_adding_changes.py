"""Adding a perturbation, a form of prior or a view is one entry, which recipe, command line, page and costs know."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from PIL import Image
from torch import Tensor

from app.costs.estimates import Rates
from app.handlers.changes import save_changes
from app.records.pictures import Picture
from app.ui.attack.change import kind_for, rule_fields, rule_for
from app.ui.attack.results.results import parts_view
from app.ui.markup.media import Media
from foundation.errors import StudioError
from foundation.images.files import save_png, to_tensor
from generator.priors.making import PRIORS
from generator.priors.operators import Size, layer_shape
from generator.priors.parting import Part, Parting
from generator.priors.prior import DirectPrior, ImageSpacePrior, LayeredPrior, Prior
from generator.recipes.perturbations import PERTURBATIONS, Perturbation
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe
from generator.synthesis.synthesis import synthesise
from generator.views.registry import VIEWS, HorizontalFlip, parse_views
from generator.views.shown import UNTIMED, Counted, Shown
from generator.views.text import NoArgument
from tests.picture_results import picture
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
    seconds,
)


@pytest.mark.slow
def test_a_perturbation(photo: Path) -> None:
    with added(PERTURBATIONS, Perturbation(PERTURBATIONS["layers"].make, "a toy", "(plays)")):
        attacking = ["attack", "photo.png", "--model", "colours", "--class", "red", "--perturbation", "toy"]
        assert run(*attacking, *QUICK, "--out", "x.png") == 0
        made = Recipe.from_png(Path("x.png"))
        assert made.perturbation == "toy" and seconds(perturbation="toy") == seconds(perturbation="layers")
        assert in_a_menu(attack_tab, photo.parent, "pixel", "a toy")
    assert choices("attack", "perturbation") == ("layers", "pixel")


def halves(changes: Tensor, _prior: Prior) -> Iterator[Part]:
    """The left half of changes [B, 3, H, W], and the right one but for a value of 0.01."""
    left, right = changes.clone(), changes.clone()
    left[..., changes.shape[3] // 2 :], right[..., : changes.shape[3] // 2] = 0, 0
    right[0, 0, 0, -1] -= 0.01
    yield Part("the <left> half", left)
    yield Part("the right half", right)


def test_a_perturbation_with_a_bound_parts_and_cost_of_its_own(photo: Path) -> None:
    pixel = PERTURBATIONS["pixel"]
    toy = Perturbation(
        pixel.make,
        "a toy",
        parts=Parting(halves, "Left & right; {rest} is missing.", lambda _layers, _pixels: 2),
        bound=pixel.bound,
        of_resolutions=False,
        single_pixels=True,
        passes=1300,
    )
    with added(PERTURBATIONS, toy):
        attacking = ["attack", "photo.png", "--model", "colours", "--class", "red", "--perturbation", "toy"]
        rule = ["--optimiser", "apgd", "--momentum", "0"]  # which moves single pixels alone
        assert run(*attacking, *rule, *QUICK, "--out", "x.png") == 0
        base = seconds(perturbation="pixel", momentum=0.0)
        assert seconds(perturbation="toy") - base == pytest.approx(120 * 160 * (1300 - 13) * Rates().pixel)
        assert kind_for("apgd", "toy") == "toy" and rule_for("toy", "apgd") == "apgd"
        assert rule_fields("pgd", "toy", 50, Recipe(**ATTACK))["learning_rate"] == 0.05

        recipe = Recipe(**{**ATTACK, "perturbation": "toy"})
        source = to_tensor(Image.open(photo, formats=("PNG",)))
        synthesis = synthesise(recipe, {"colours": MODELS["colours"]}, pictures=Pictures(source))
        *_, last = synthesis.steps
        save_png(last.image(), Path("made.png"))
        (change,) = save_changes(photo.parent, [Path("made.png")], source, synthesis)
        made = Picture.read(picture(perturbation=change.to_json()))
        page = parts_view(made, photo.parent, Media({"data": photo.parent}, b"k" * 32))
    for words in ("Part by part", "Left &amp; right; 2.55 is missing.", "the &lt;left&gt; half", "the right half"):
        assert words in page  # also where the way to take it apart is not there any more


class Doubled(DirectPrior):
    """Half of X is the leaf."""

    says: ClassVar[str] = "plays"

    def __init__(self, operator: Any, bound: Any, **more: Any) -> None:
        super().__init__(operator, bound, **more)
        self._leaf = torch.zeros(self.batch, 3, *operator.size, requires_grad=True)

    @classmethod
    def products(cls, _layers: float, _size: Size, _tolerance: float, /) -> float:
        return 1e9

    def leaves(self) -> list[Tensor]:
        return [self._leaf]

    def length(self, directions: Sequence[Tensor]) -> Tensor:
        return (2 * directions[0]).square().mean((1, 2, 3), keepdim=True).sqrt()

    def _sum(self) -> Tensor:
        return 2 * self._leaf

    def _layer(self, index: int) -> Tensor:
        return torch.zeros(self.batch, 3, *layer_shape(self.resolutions[index], self.size))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [LayeredPrior, Doubled])
def test_a_prior_form(kind: type[DirectPrior], photo: Path) -> None:
    """Layers, or leaves that are none: any update rule moves them."""

    class Toy(kind):  # type: ignore[misc, valid-type]
        """As it is."""

    with added(PRIORS, Toy):
        for rule in ("sgd", "adam", "pgd", "mi-fgsm"):
            asked = {**ATTACK, "form": "toy", "optimiser": rule}
            source = to_tensor(Image.open(photo, formats=("PNG",)))
            synthesis = synthesise(Recipe(**asked), {"colours": MODELS["colours"]}, pictures=Pictures(source))
            *_, last = synthesis.steps
            assert isinstance(synthesis.prior, Toy)
            assert 0 < (last.image() - source).abs().max() <= 0.1 + 1e-6
        assert "toy" in choices("class", "form") and f"'toy' {Toy.says}, 'auto' chooses" in help_of("form")
        if kind is Doubled:
            assert seconds(form="toy") - seconds(form="image_space") > 0.9 * 1e9 * Rates().product
        assert run("class", "--model", "colours", "--class", "red", "--form", "toy", *FLAGS, "--out", "x.png") == 0
        assert in_a_menu(class_tab, photo.parent, "layered")
    assert choices("class", "form") == ("auto", "layered", "image_space")


def test_a_prior_form_that_only_linear_descent_moves() -> None:
    class Toy(ImageSpacePrior):
        """As it is."""

    with added(PRIORS, Toy):
        recipe = Recipe(models=("colours",), classes=("red",), form="toy", **SMALL)
        assert len(list(synthesise(recipe, {"colours": MODELS["colours"]}).steps)) == 2
        with pytest.raises(StudioError, match="form 'toy' is for optimiser 'sgd': use 'layered' or 'auto' with pgd"):
            Recipe(**{**ATTACK, "form": "toy", "optimiser": "pgd"})


@pytest.mark.slow
def test_a_view(photo: Path) -> None:
    seen: list[int] = []

    class Toy(HorizontalFlip):
        """Counts, and takes its time."""

        passes: ClassVar[float] = 1008

        def __call__(self, images: torch.Tensor, *rest: Any, **more: Any) -> Any:
            seen.append(len(images))
            return super().__call__(images, *rest, **more)

    class Untimed(NoArgument):
        """Nobody has timed it."""

        def __call__(self, images: torch.Tensor, _rng: torch.Generator) -> torch.Tensor:
            return images

    class Quarter(Counted):
        """Shows a quarter, four times."""

        def shown(self, seen: Shown, /) -> Shown:
            return seen.cut(seen.scaled(0.5), copies=4)

    with added(VIEWS, Toy):
        flags = ["--model", "colours", "--class", "red", "--views", "toy", *FLAGS]
        assert run("class", *flags, "--out", "x.png") == 0 and seen
        more = seconds(views="toy", views_per_step=3) - seconds(views="flip", views_per_step=3)
        assert more == pytest.approx(3 * 1000 * 120 * 160 * Rates().pixel)
        tab, _ = built(attack_tab, photo.parent)
        assert tab.costly(held(tab.costly_components, attack_views="toy")).recipe.views == "toy"
    with added(VIEWS, Untimed):
        assert parse_views("toy").shown(Shown((10, 20))) == Shown((10, 20), 200 * UNTIMED)
    assert Quarter().shown(Shown((10, 20))) == Shown((5, 10), 3 * 50 * 4, 4)
    assert run("class", *flags, "--out", "y.png") == 2
