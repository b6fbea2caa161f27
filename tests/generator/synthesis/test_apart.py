"""F18: picture i of a batch of seed s is the picture of seed s + i, and old batches are made as they were."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from foundation.images.files import load_image, pixel_digest, quantise
from foundation.images.pixels import to_tensor
from generator.optimisers.loop import DivergedError
from generator.production.production import output_paths, produce
from generator.recipes.pictures import NO_PICTURES, Pictures
from generator.recipes.recipe import Recipe, RecipeError
from generator.synthesis.apart import rendered
from generator.synthesis.models import Model
from generator.synthesis.synthesis import Synthesis, synthesise
from tests.generator.standins import Colours, NoisyColours, Words, rng

FIELDS: dict[str, Any] = {
    "size": (20, 26),
    "resolutions": "1..4,8,26",
    "steps": 5,
    "seed": 5,
    "views": "crop:0.6-1 | noise:0.1 | flip",
    "views_per_step": 3,
    "learning_rate": 0.2,
}
TEXT = FIELDS | {"task": "text", "models": ("one", "two"), "prompt": "a frog | a leaf:0.5", "negative": "text"}
CLASS = FIELDS | {"task": "class", "models": ("noisy", "colours"), "classes": ("green",)}
ATTACK = FIELDS | {
    "task": "attack",
    "models": ("noisy",),
    "classes": ("green",),
    "objective": "margin",
    "norm": "linf",
    "eps": 0.1,
}
PIXELS = ATTACK | {"perturbation": "pixel", "optimiser": "apgd", "models": ("colours",), "start_std": 0.3}


def models() -> dict[str, Model]:
    return {"one": Words(1), "two": Words(2), "noisy": NoisyColours(), "colours": Colours()}


def photo(count: int, seed: int = 0) -> Tensor:
    return quantise(torch.rand(count, 3, 20, 26, generator=rng(seed)))


SEEN = ATTACK | {"models": ("one",), "classes": (), "objective": "logit", "target_views": "crop:0.5-0.9"}
SEEN |= {"target": pixel_digest(photo(1, 9))}


def run(fields: dict[str, Any], pictures: Pictures = NO_PICTURES, **changes: Any) -> tuple[Synthesis, list[Tensor]]:
    synthesis = synthesise(Recipe(**(fields | changes)), models(), pictures=pictures)
    return synthesis, [step.image() for step in synthesis.steps]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "pictures"),
    [
        (TEXT, NO_PICTURES),
        (TEXT | {"optimiser": "adam", "form": "layered", "colour": "decorrelated"}, NO_PICTURES),
        (CLASS, NO_PICTURES),
        (ATTACK, Pictures(photo(1))),
        (ATTACK, Pictures(photo(3))),
        (PIXELS, Pictures(photo(1))),
        (SEEN, Pictures(photo(1), target=photo(1, 9))),
    ],
)
def test_a_picture_of_a_batch_is_that_of_its_seed(fields: dict[str, Any], pictures: Pictures) -> None:
    """F18: bit for bit, at every step, with its losses and its layers."""
    batch, images = run(fields, pictures, images=3)
    assert batch.seeds == (5, 6, 7) and images[-1].shape == (3, 3, 20, 26)
    for index, seed in enumerate(batch.seeds):
        own = pictures
        if pictures.source is not None and len(pictures.source) > 1:
            own = Pictures(pictures.source[index : index + 1])
        single, alone = run(fields, own, seed=seed)
        assert single.seeds == (seed,)
        assert all(torch.equal(one, many[index : index + 1]) for one, many in zip(alone, images, strict=True))
        for r, layer in single.prior.layers().items():
            assert torch.equal(layer[0], batch.prior.layers()[r][index])
            assert torch.equal(single.prior.layer_image(r)[0], batch.prior.layer_image(r)[index])
    assert len({image.numpy().tobytes() for image in images[-1]}) == 3
    assert torch.equal(batch.prior.render(), images[-1])


@pytest.mark.slow
def test_what_is_made_together_names_no_seeds(tmp_path: Path) -> None:
    """F18: neither in the record nor below the pictures."""
    for fields in (TEXT | {"version": 3}, TEXT | {"prompt_to": "a ship", "negative": ""}, TEXT | {"together": True}):
        batch, _ = run(fields, images=2)
        assert batch.seeds == ()
    for version, named in ((3, [None, None]), (4, [5, 6])):
        recipe = Recipe(**TEXT, images=2, version=version)
        made = produce(recipe, models(), outputs=output_paths(tmp_path / f"{version}.png", 2))
        assert [image.get("seed") for image in made.record.to_json()["images"]] == named


def test_batches_of_before_are_made_as_they_were() -> None:
    """F18: a recipe of version 3 draws the views of all its pictures at once."""
    _, old = run(TEXT, images=2, version=3)
    _, new = run(TEXT, images=2)
    _, one = run(TEXT, version=3)
    assert torch.equal(one[-1], run(TEXT, version=5)[1][-1])  # version 6 rounds otherwise
    assert not torch.allclose(old[-1][1], new[-1][1], atol=1e-3)


def test_together_is_what_it_was_before_pictures_were_made_apart() -> None:
    """Bit for bit; a single one is the same either way."""
    _, old = run(TEXT, images=3, version=3)
    _, new = run(TEXT, images=3, together=True, version=5)  # version 6 rounds otherwise
    assert all(torch.equal(one, other) for one, other in zip(old, new, strict=True))
    assert torch.equal(run(TEXT, together=True)[1][-1], run(TEXT)[1][-1])
    with pytest.raises(RecipeError, match="redraw needs pictures of seeds of their own"):
        Recipe(**TEXT, images=2, together=True, redraw=1)
    with pytest.raises(RecipeError, match="knows no together"):
        Recipe(**TEXT, images=2, together=True, version=4)


def test_every_picture_needs_a_seed() -> None:
    """F18: there is none behind the last."""
    last = 2**53 - 1
    assert Recipe(**TEXT | {"seed": last - 3}, images=4).images == 4
    assert Recipe(**TEXT | {"seed": last}, images=4, version=3).images == 4
    with pytest.raises(RecipeError, match=f"make it at most {last - 3}"):
        Recipe(**TEXT | {"seed": last - 2}, images=4)


class _Failing(Colours):
    """Gives no numbers from so many passes on."""

    def __init__(self, good: int) -> None:
        super().__init__()
        self.good, self.passes = good, 0

    def forward(self, images: Tensor) -> Tensor:
        self.passes += 1
        return super().forward(images) * (torch.nan if self.passes > self.good else 1.0)


@pytest.mark.parametrize("good", range(10))
def test_all_pictures_are_kept_as_they_were_before_one_diverged(good: int) -> None:
    """F18: after as many updates as the last good picture has seen."""
    fields = CLASS | {"models": ("failing",), "views": "identity", "views_per_step": 1}
    recipe = Recipe(**fields, images=3)
    synthesis = synthesise(recipe, {"failing": _Failing(good)})
    with pytest.raises(DivergedError) as caught:
        for _ in synthesis.steps:
            pass
    images = caught.value.images
    if images is None:
        assert good < 3
        return
    whole = synthesise(recipe, {"failing": Colours()})
    rendered = [whole.start, *(step.image() for step in whole.steps)]
    assert torch.equal(images, rendered[caught.value.updates])


def test_stopping_ends_all(tmp_path: Path) -> None:
    """F18: what is there by then is kept, and is what its recipe makes."""
    recipe = Recipe(**CLASS, images=2)
    stopped = produce(recipe, models(), outputs=output_paths(tmp_path / "a.png", 2), should_stop=lambda: True)
    assert stopped.recipe.steps == 1
    produce(stopped.recipe, models(), outputs=output_paths(tmp_path / "b.png", 2))
    produce(stopped.recipe.with_changes(images=1, seed=6), models(), outputs=output_paths(tmp_path / "c.png", 1))
    pixels = [(tmp_path / name).read_bytes() for name in ("a-2.png", "b-2.png")]
    assert hashlib.sha256(pixels[0]).digest() == hashlib.sha256(pixels[1]).digest()


@pytest.mark.parametrize("keep", ["last", "best"])
@pytest.mark.parametrize("asked", range(1, 16))
def test_stopping_in_the_middle_of_a_round_keeps_all_as_they_were_before_it(
    tmp_path: Path, asked: int, keep: str
) -> None:
    """Whichever picture was being made: what is kept is what its recipe makes, and layers are shown of that alone."""
    calls, told = 0, list[Synthesis]()

    def should_stop() -> bool:
        nonlocal calls
        calls += 1
        return calls >= asked

    fields = CLASS if keep == "last" else ATTACK
    pictures = NO_PICTURES if keep == "last" else Pictures(source=photo(3))
    fields = fields | {"views_per_step": 1, "steps": 3, "keep": keep}
    recipe = Recipe(**fields, images=3)
    outputs = output_paths(tmp_path / "a.png", 3)
    stopped = produce(
        recipe, models(), outputs=outputs, pictures=pictures, should_stop=should_stop, on_done=told.append
    )
    assert stopped.stopped == (stopped.recipe.steps < 3)
    produce(stopped.recipe, models(), outputs=output_paths(tmp_path / "b.png", 3), pictures=pictures)
    for number in (1, 2, 3):
        assert (tmp_path / f"a-{number}.png").read_bytes() == (tmp_path / f"b-{number}.png").read_bytes()
    if told:
        drawn = told[0].saved(rendered(told[0].prior))
        assert all(
            torch.equal(image[None], to_tensor(load_image(path)))
            for image, path in zip(drawn, outputs.images, strict=True)
        )
