"""When an attack has come far enough: how sure its models are, of the picture as it would be saved."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from foundation.images.files import load_image, quantise, save_png, to_tensor
from foundation.protocols import Classifier
from generator.inputs.photos import Photo
from generator.optimisers.best_step import AGREED, BestStep, odds_against
from generator.priors.bounds import Free
from generator.priors.operators import resolution_operator
from generator.priors.prior import ImageSpacePrior
from generator.production.production import Result, output_paths, produce
from generator.recipes.checks import may_end_early
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe
from generator.synthesis.objective import wanted_classes
from generator.synthesis.plan import plan_of
from generator.transfer.attacking import AttackPlan, attack_photos
from tests.generator.standins import Colours, Words, rng
from tests.generator.transfer.standins import Context


class Fixed:
    """Says 1/8, 3/8, 4/8 of the first image, and 1/2, 1/4, 1/4 of the second."""

    class_names = ("a", "b", "c")

    def __call__(self, images: Tensor) -> Tensor:
        return torch.tensor([[1.0, 3.0, 4.0], [2.0, 1.0, 1.0]]).log()[: len(images)]


def rows(*wanted: str) -> Tensor:
    return torch.tensor([[name in row for name in "abc"] for row in wanted])


def test_odds_are_those_of_the_wanted_classes_together() -> None:
    images = torch.zeros(2, 3, 4, 5)
    assert odds_against(images, [(Fixed(), rows("c"))]).tolist() == pytest.approx([0.0, math.log(3)], abs=1e-6)
    found = odds_against(images, [(Fixed(), rows("bc", "a"))])  # 7/8 of the first image, 1/2 of the second
    assert found.tolist() == pytest.approx([math.log(1 / 7), 0.0], abs=1e-6)
    least_sure = odds_against(images, [(Fixed(), rows("c")), (Fixed(), rows("ab"))])
    assert least_sure.tolist() == pytest.approx([0.0, math.log(3)], abs=1e-6)


def test_it_takes_several_looks_in_a_row_at_all_pictures() -> None:
    said = iter([[-3.0, -1.0], [-3.0, -2.5], [-1.0, -4.0], [-2.0, -2.0], [-9.0, -2.0]])
    seen: list[float] = []

    def judge(images: Tensor) -> Tensor:
        seen.append(float(images.mean()))
        return torch.tensor(next(said))

    prior = ImageSpacePrior(resolution_operator((1, 4), (4, 4)), Free(), batch=2)
    best = BestStep(prior, judge, enough=-2.0, saved=lambda images: images / 2)
    found = []
    for _ in range(5):
        best.look(torch.ones(2, 3, 4, 4))
        found.append(best.has_enough)
    assert AGREED == 2 and found == [False, False, False, False, True]
    assert seen == [0.5] * 5


def attack(**fields: Any) -> Recipe:
    given: dict[str, Any] = {"task": "attack", "models": ("colours",), "classes": ("green",), "objective": "margin"}
    given |= {"norm": "linf", "eps": 0.2, "resolutions": "1,2,8", "steps": 40, "learning_rate": 0.05, "momentum": 0.5}
    return Recipe(**{**given, "keep": "best", "views": "noise:0.01", "views_per_step": 1, "start_std": 0.0, **fields})


def photo(seed: int = 0) -> Tensor:
    """Red."""
    noise = 0.2 + 0.4 * torch.rand(1, 3, 12, 16, generator=rng(seed))
    return quantise(noise * torch.tensor([1.0, 0.6, 0.6])[:, None, None])


def make(recipe: Recipe, path: Path, source: Tensor) -> Result:
    return produce(
        recipe, {"colours": Colours(30.0)}, outputs=output_paths(path, recipe.images), pictures=Pictures(source)
    )


def share(path: Path, name: str) -> float:
    model = Colours(30.0)
    return float(model(to_tensor(load_image(path))).softmax(1)[0, model.class_names.index(name)].detach())


@pytest.mark.parametrize("goal", [{}, {"objective": "leave", "classes": ()}])
def test_an_attack_ends_once_its_saved_picture_is_sure(goal: dict[str, Any], tmp_path: Path) -> None:
    made = make(attack(enough=0.9, **goal), tmp_path / "a.png", photo())
    whole = make(attack(enough=0.0, **goal), tmp_path / "b.png", photo())
    assert (made.record.to_json()["enough"], made.stopped) == (True, False)
    assert (whole.record.to_json()["enough"], whole.recipe.steps) == (False, 40)
    assert 2 * AGREED <= made.recipe.steps < 20 and made.recipe.planned_steps == 40
    before = made.record.to_json()["images"][0]["before"]["colours"]["top"][0]["class"]
    file = made.outputs.images[0]
    assert (share(file, "green") if not goal else 1 - share(file, before)) >= 0.9
    again = make(Recipe.from_png(file), tmp_path / "again.png", photo())
    assert again.outputs.images[0].read_bytes() == file.read_bytes()


def test_one_that_never_is_sure_takes_all_steps(tmp_path: Path) -> None:
    made = make(attack(enough=0.999, eps=0.004, steps=6), tmp_path / "a.png", photo())
    assert (made.record.to_json()["enough"], made.recipe.steps) == (False, 6)


def test_one_that_leads_to_texts_too_takes_all_steps(tmp_path: Path) -> None:
    models = {"colours": Colours(30.0), "words": Words()}
    recipe = attack(enough=0.5, steps=12, models=tuple(models), prompt="a frog")
    assert not may_end_early(recipe) and may_end_early(attack(enough=0.5))
    made = produce(recipe, models, outputs=output_paths(tmp_path / "a.png", 1), pictures=Pictures(photo()))
    assert (made.record.to_json()["enough"], made.recipe.steps) == (False, 12)
    assert share(made.outputs.images[0], "green") > 0.5


def test_pictures_of_a_batch_wait_for_each_other(tmp_path: Path) -> None:
    photos = torch.cat([photo(), photo(1)])
    made = make(attack(enough=0.9, images=2), tmp_path / "a.png", photos)
    assert made.record.to_json()["enough"] and made.recipe.steps < 40
    assert all(share(file, "green") >= 0.9 for file in made.outputs.images)


def test_a_batch_that_goes_on_makes_no_picture_twice_that_needed_fewer_steps(tmp_path: Path) -> None:
    save_png(photo(), tmp_path / "photo.png")
    plan = AttackPlan({"a": attack(enough=0.9)}, [Photo("photo", tmp_path / "photo.png")], tmp_path / "out")
    models = {"colours": Colours(30.0)}
    assert [attack_photos(Context(), plan, models).made for _ in range(2)] == [1, 0]
    longer = AttackPlan({"a": attack(enough=0.9, steps=80)}, plan.photos, tmp_path / "out")
    assert attack_photos(Context(), longer, models).made == 1  # another plan takes other steps


def test_what_is_wanted_of_each_model() -> None:
    models = {"colours": Colours(), "fixed": Fixed()}

    def wanted(recipe: Recipe, models: Mapping[str, Classifier]) -> list[list[list[bool]]]:
        plan = plan_of(recipe.with_changes(models=tuple(models)), models, Pictures(photo()))
        return [one.tolist() for one in wanted_classes(plan, models)]

    mixture = attack(classes=("1", "2"), weights=(1.0, 0.0))
    assert wanted(mixture, models) == [[[False, True, False, False]], [[False, True, False]]]
    left = attack(objective="leave", classes=("blue",))
    assert wanted(left, {"colours": Colours()}) == [[[True, True, False, True]]]
    own = attack(objective="leave", classes=())
    assert wanted(own, {"colours": Colours()}) == [[[False, True, True, True]]]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"keep": "last"}, "set keep to 'best'"),
        ({"enough": 1.0}, "enough must be"),
    ],
)
def test_what_cannot_end_early_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(StudioError, match=words):
        attack(**{"enough": 0.9, **fields})


def test_recipes_of_old_pictures_take_all_their_steps() -> None:
    old = Recipe.parse_json('{"version": 4, "task": "attack", "norm": "linf", "eps": 0.03, "keep": "best"}')
    assert old.enough == 0.0
