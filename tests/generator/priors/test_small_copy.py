"""A large photo attacked by way of a small copy: as the slow way up to stated tolerances, and within the budget."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from foundation.images.files import load_image, save_png, to_tensor
from foundation.images.pixels import quantise, quantise_rows, quantise_within
from generator.priors.operators import Size, resolution_operator
from generator.priors.small_copy import SHOWN_SIDE, SmallCopy, canvas_of, resolutions_on
from generator.production.making import make
from generator.production.production import Outputs, produce
from generator.recipes.pictures import Pictures
from generator.recipes.presets import from_preset
from generator.recipes.recipe import Recipe, RecipeError
from generator.synthesis.synthesis import synthesise
from tests.generator.standins import NAMES, Colours, Words, rng

LARGE: Size = (90, 130)
SMALL: Size = (17, 25)


class Quarters(Colours):
    """Scores the colours of the four quarters of what it scales pictures to: [B, 4] from 12 x 12 pixels."""

    observed_side = 12
    accelerations = 0

    @property
    def observed(self) -> torch.nn.Module:
        return self

    def look(self, images: Tensor) -> None:
        self(images)

    def forward(self, images: Tensor) -> Tensor:
        small = functional.interpolate(images, size=(12, 12), mode="bilinear", align_corners=False, antialias=True)
        return super().forward(small * torch.linspace(0.2, 1.8, 12))

    def accelerated(self) -> "Quarters":
        self.accelerations += 1
        return self


def photo(size: Size = LARGE, batch: int = 1, seed: int = 0) -> Tensor:
    """A smooth photo made of 8-bit levels, away from black and white."""
    coarse = 0.2 + 0.6 * torch.rand(batch, 3, 6, 8, generator=rng(seed))
    return quantise(functional.interpolate(coarse, size=size, mode="bicubic").clamp(0, 1))


def attack(**fields: Any) -> Recipe:
    usual = {"classes": ("blue",), "models": ("m",), "steps": 8, "enough": 0.0, "seed": 3}
    return from_preset("attack", "standard", **(usual | fields))


def change(copy: SmallCopy, eps: float, seed: int = 1) -> Tensor:
    shape = (len(copy.photo), *copy.image.shape[1:])
    return copy.image + eps * (2 * torch.rand(shape, generator=rng(seed)).to(copy.image) - 1)


def test_the_canvas_shows_what_the_enlarged_picture_looks_like_scaled_down() -> None:
    copy = SmallCopy.of(photo(batch=2), SMALL)
    images = change(copy, 0.1)
    whole = functional.interpolate(
        copy.enlarged(images), size=SMALL, mode="bilinear", align_corners=False, antialias=True
    )
    assert copy.enlarged(images).shape == (2, 3, *LARGE)
    assert (whole - copy.seen(images)).abs().max() < 2e-6
    assert (copy.seen(images) - images).abs().max() > 0.01  # fine changes lose strength on the way


def test_the_composed_operator_has_the_gradient_that_its_values_say() -> None:
    copy = SmallCopy.of(photo((40, 50), batch=2).double(), (7, 9))
    images = change(copy, 0.05).double().requires_grad_()
    assert torch.autograd.gradcheck(copy.seen, (images,))


def test_enlarging_is_bilinear_and_no_value_grows() -> None:
    copy = SmallCopy.of(photo(batch=2), SMALL)
    images = change(copy, 0.1)
    own = functional.interpolate(images - copy.image, size=LARGE, mode="bilinear", align_corners=False)
    found = copy.enlarged(images) - copy.photo
    assert (found - own).abs().max() < 1e-6
    assert found.abs().max() <= (images - copy.image).abs().max() + 1e-6
    rows = torch.cat([copy.parts(images)[1](slice(top, min(top + 7, LARGE[0]))) for top in range(0, LARGE[0], 7)], 2)
    assert torch.equal(rows[0], copy.enlarged(images)[1])


def test_what_is_looked_at_on_the_way_is_the_photo_with_its_change() -> None:
    large = photo((SHOWN_SIDE // 2, 2 * SHOWN_SIDE))
    for one, size in (
        (SmallCopy.of(large, (16, 64)), (SHOWN_SIDE // 4, SHOWN_SIDE)),
        (SmallCopy.of(photo(), SMALL), LARGE),
    ):
        assert one.shown(one.image).shape[2:] == size
        assert (one.shown(one.image + 0.1) - one.shown(one.image)).mean() == pytest.approx(0.1, abs=1e-4)


@pytest.mark.parametrize(
    ("detail", "size", "sides", "canvas"),
    [
        (1.0, (3000, 4000), (224,), (224, 299)),
        (1.25, (4000, 3000), (224, 32), (373, 280)),
        (2.0, (1000, 1000), (32,), (64, 64)),
        (0.0, (3000, 4000), (224,), None),
        (1.0, (300, 300), (224,), None),  # hardly larger
        (1.0, (3000, 4000), (224, None), None),  # one takes pictures as they are
    ],
)
def test_the_canvas_is_as_large_as_the_models_see(
    detail: float, size: Size, sides: tuple[int | None, ...], canvas: Size | None
) -> None:
    models = []
    for side in sides:
        model = Quarters()
        model.observed_side = side  # type: ignore[assignment]
        models.append(model)
    assert canvas_of(detail, size, models) == canvas


def test_encoders_say_what_they_see_and_unknown_models_nothing() -> None:
    assert canvas_of(1.0, (120, 120), [Words()]) == (12, 12)
    assert canvas_of(1.0, (120, 120), [Colours()]) is None


def test_resolutions_of_a_copy_end_in_its_own_pixels() -> None:
    assert resolutions_on((1, 2, 4, 8, 16, 32, 64, 512), (40, 60)) == (1, 2, 4, 8, 16, 60)
    assert resolutions_on((1, 30), (40, 60)) == (1, 30)


@pytest.mark.parametrize("perturbation", ["layers", "pixel"])
@pytest.mark.parametrize(("norm", "eps"), [("linf", 8 / 255), ("l2", 2.0), ("none", 0.0)])
def test_the_saved_file_keeps_the_budget(perturbation: str, norm: str, eps: float, tmp_path: Path) -> None:
    source = photo()
    recipe = attack(detail=1.5, perturbation=perturbation, norm=norm, eps=eps, images=1)
    outputs = Outputs((tmp_path / "x.png",), tmp_path / "x.json")
    result = produce(recipe, {"m": Quarters()}, outputs=outputs, pictures=Pictures(source))
    saved = to_tensor(load_image(outputs.images[0]))
    facts = result.record.to_json()["images"][0]
    assert saved.shape == source.shape and saved.ne(source).any()
    assert facts["linf"] == pytest.approx((saved - source).abs().max().item())
    if norm == "linf":
        assert (saved - source).abs().max() <= eps + 1e-6
        assert (saved - source).abs().max() >= 0.5 * eps
    if norm == "l2":
        assert (saved - source).norm() <= eps + 1e-5
    assert result.recipe.size == LARGE and Recipe.from_png(outputs.images[0]).detail == 1.5


@pytest.mark.parametrize("objective", ["cross_entropy", "margin"])
def test_it_reaches_as_much_as_the_slow_way(objective: str) -> None:
    """Within 0.02 of its probability: the slow way works on all 90 x 130 pixels."""
    source, model = photo(), Quarters()
    shares = {}
    for detail in (0.0, 2.0):
        made = make(attack(detail=detail, objective=objective, steps=20), {"m": model}, pictures=Pictures(source))
        shares[detail] = model(made.images).softmax(dim=1)[0, NAMES.index("blue")].item()
        assert made.synthesis.copy is None if detail == 0 else made.synthesis.copy is not None
    before = model(source).softmax(dim=1)[0, NAMES.index("blue")].item()
    assert shares[0.0] > before + 0.03
    assert shares[2.0] == pytest.approx(shares[0.0], abs=0.02)


def test_a_step_touches_no_more_than_the_canvas() -> None:
    model = Quarters()
    synthesis = synthesise(attack(detail=1.0, keep="last"), {"m": model}, pictures=Pictures(photo((300, 400))))
    for step in synthesis.steps:
        assert step.image().shape == (1, 3, 12, 16) and step.shown().shape == (1, 3, 300, 400)
    assert synthesis.prior.size == (12, 16)


def test_the_same_recipe_makes_the_same_picture_and_each_of_a_batch_by_itself() -> None:
    sources, model = photo(batch=2), Quarters()
    recipe = attack(detail=1.5, images=2)
    both = make(recipe, {"m": model}, pictures=Pictures(sources)).images
    assert torch.equal(both, make(recipe, {"m": model}, pictures=Pictures(sources)).images)
    second = make(
        recipe.with_changes(images=1, seed=recipe.seed + 1), {"m": model}, pictures=Pictures(sources[1:])
    ).images
    assert torch.equal(both[1:], second)


def test_recipes_of_before_know_nothing_of_it_and_use_models_as_they_are() -> None:
    with pytest.raises(RecipeError, match="knows no detail: make it version 5"):
        attack(version=4)
    old = Recipe.parse_json('{"version": 4, "task": "attack", "norm": "linf", "eps": 0.03, "classes": ["blue"]}')
    assert old.detail == 0 and old.version == 4
    for recipe, times in ((old, 0), (old.with_changes(version=5), 1)):
        model = Quarters()
        make(recipe.with_changes(models=("m",), steps=2), {"m": model}, pictures=Pictures(photo()))
        assert model.accelerations == times


@pytest.mark.parametrize("eps", [None, 8 / 255, 0.01])
def test_rounding_by_rows_is_rounding(eps: float | None) -> None:
    photos = photo(batch=2)
    wanted = photos + 0.1 * torch.randn(photos.shape, generator=rng(5))
    found = quantise_rows([lambda rows, one=one: one[None, :, rows] for one in wanted], photos, eps)
    assert torch.equal(found, quantise(wanted) if eps is None else quantise_within(wanted, photos, eps))


def test_the_layer_of_a_canvass_own_pixels_needs_no_product() -> None:
    size, resolutions = (20, 28), (1, 2, 4, 8, 28)
    usual, fast = (
        resolution_operator(resolutions, size, weights=(1, 2, 3, 1, 0.5), own_pixels=own) for own in (False, True)
    )
    images = torch.randn(2, 3, *size, generator=rng(2))
    assert (usual.kernel(images) - fast.kernel(images)).abs().max() < 1e-4 * usual.kernel(images).abs().max()
    layers = usual.adjoint(images)
    for one, other in zip(layers, fast.adjoint(images), strict=True):
        assert (one - other).abs().max() < 1e-4 * one.abs().max()
    assert (usual.up(layers) - fast.up(layers)).abs().max() < 1e-4 * usual.up(layers).abs().max()


def test_a_photo_on_disk_is_read_as_it_was_saved(tmp_path: Path) -> None:
    save_png(photo()[0], tmp_path / "photo.png")
    assert torch.equal(to_tensor(load_image(tmp_path / "photo.png")), photo())
