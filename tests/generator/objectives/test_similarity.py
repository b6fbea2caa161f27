"""Objectives on embeddings, by hand."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from foundation.errors import StudioError
from generator.objectives.base import Ensemble
from generator.objectives.similarity import (
    SCORES,
    Contrastive,
    Directions,
    EmbeddingObjective,
    aim_at,
    direction,
    slerp,
)
from generator.optimisers.loop import score as score_views
from generator.views.registry import RandomCrop
from tests.generator.standins import Words, rng

EYE = torch.eye(3)
RIVALS = EYE[2:]
# two images: one at 60 degrees from the first axis towards the second, one at 45 towards the third
IMAGES = torch.tensor([[0.5, math.sqrt(0.75), 0.0], [math.sqrt(0.5), 0.0, math.sqrt(0.5)]])
PICTURES = torch.rand(2, 3, 12, 15, generator=rng())


def score(name: str, rivals: Tensor = RIVALS, odds: float = 1.0, scale: float = 10.0):
    return SCORES[name].make(rivals, torch.full((len(rivals),), odds), scale)


def distances(name: str, **options: float) -> list[float]:
    return Directions("prompt", 1.0, EYE[None, :1], torch.ones(1), score(name, **options)).distance(IMAGES).tolist()


def test_scores_by_hand() -> None:
    assert distances("cosine") == pytest.approx([0.5, 1 - math.sqrt(0.5)])
    assert distances("spherical") == pytest.approx([(math.pi / 3) ** 2 / 2, (math.pi / 4) ** 2 / 2])
    even = math.log(2)  # the second image is as near to the rival
    assert distances("contrastive") == pytest.approx([math.log1p(math.exp(-5)), even])
    assert distances("contrastive", odds=3.0) == pytest.approx([math.log1p(3 * math.exp(-5)), math.log(4)])


def test_the_spherical_distance_is_crowsons() -> None:
    u, v = (functional.normalize(torch.randn(50, 8, generator=rng(seed)), dim=1) for seed in (1, 2))
    crowson = (u - v).norm(dim=1).div(2).arcsin().pow(2).mul(2)
    assert torch.allclose(score("spherical")((u * v).sum(1, keepdim=True), u)[:, 0], crowson, atol=1e-5)


def test_contrastive_is_the_cross_entropy_of_each_prompt_against_the_rivals() -> None:
    u = functional.normalize(torch.randn(2, 3, generator=rng()), dim=1)
    wanted, rivals = EYE[:2], functional.normalize(torch.randn(4, 3, generator=rng(1)), dim=1)
    contrastive = Contrastive(rivals, torch.tensor([1.0, 2.0, 1.0, 0.5]), 7.0)
    for image in range(2):
        for prompt in range(2):
            logits = 7 * torch.cat([u[image] @ wanted[prompt : prompt + 1].T, u[image] @ rivals.T])
            logits[1:] += torch.tensor([1.0, 2.0, 1.0, 0.5]).log()
            expected = functional.cross_entropy(logits[None], torch.tensor([0]))
            assert contrastive(u @ wanted.T, u)[image, prompt].item() == pytest.approx(expected.item())


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("where", [0, 1, 2])
def test_slopes_are_numbers_even_where_the_aim_is_reached_or_opposite(name: str, where: int) -> None:
    image = torch.stack([(EYE[0], -EYE[0], EYE[1])[where]]).requires_grad_()
    aim = Directions("prompt", 1.0, EYE[None, :1], torch.ones(1), score(name))
    aim.distance(image).sum().backward()
    assert image.grad is not None and image.grad.isfinite().all()


def test_an_aim_weighs_its_directions() -> None:
    aim = aim_at("negative", EYE[:2], [-0.1, -0.3])
    assert (aim.name, aim.weight) == ("negative", pytest.approx(-0.4))
    assert aim.distance(IMAGES).tolist() == pytest.approx(
        [0.25 * 0.5 + 0.75 * (1 - math.sqrt(0.75)), 0.25 * (1 - math.sqrt(0.5)) + 0.75]
    )


def test_directions_may_differ_between_the_images_and_repeat_for_their_views() -> None:
    aim = Directions("prompt", 1.0, EYE[[0, 2], None], torch.ones(1))
    once = aim.distance(IMAGES).tolist()
    assert once == pytest.approx([0.5, 1 - math.sqrt(0.5)])
    assert aim.distance(torch.cat([IMAGES, IMAGES.flip(0)])).tolist() == pytest.approx([*once, 1 - math.sqrt(0.5), 1])


def test_an_objective_asks_the_encoder_once_and_names_its_terms() -> None:
    encoder = Words()
    axes = torch.eye(16)
    objective = EmbeddingObjective(encoder, [aim_at("prompt", axes[:2], [1.0, 0.5]), aim_at("style", axes[2:3], [2])])
    terms = objective.evaluate(PICTURES)
    assert [(term.name, term.weight, term.value.shape) for term in terms] == [("prompt", 1.5, (2,)), ("style", 2, (2,))]
    assert len(encoder.batches) == 1
    u = encoder.encode_images(PICTURES)
    expected = (1 - u[:, 0]) + 0.5 * (1 - u[:, 1]) + 2 * (1 - u[:, 2])
    assert torch.allclose(objective(PICTURES), expected, atol=1e-6)
    with pytest.raises(StudioError, match="nothing to lead"):
        EmbeddingObjective(encoder, [])


@pytest.mark.parametrize("name", SCORES)
def test_descent_lowers_it_and_images_stay_apart(name: str) -> None:
    encoder, images = Words(), PICTURES.clone().requires_grad_()
    axes = torch.eye(16)
    aim = aim_at("prompt", axes[:1], [1.0], SCORES[name].make(axes[1:3], torch.ones(2), 5.0))
    objective = EmbeddingObjective(encoder, [aim])
    first, second = torch.autograd.grad(objective(images)[0], images)[0]
    assert first.abs().sum() > 0 and second.abs().sum() == 0
    (slope,) = torch.autograd.grad(objective(images).sum(), images)
    assert (objective(images - 0.5 * slope) < objective(images)).all()


def test_views_of_all_sizes_make_one_batch_where_the_encoder_can_fit_them() -> None:
    class Fitting(Words):
        """Brings images to 12 x 12 pixels by itself."""

        def fit(self, images: Tensor, /) -> Tensor:
            return functional.adaptive_avg_pool2d(images, 12)

    plain, fitting = Words(), Fitting()
    results = []
    for encoder in (plain, fitting):
        aim = aim_at("prompt", torch.eye(16)[:2], [1.0, 0.5])
        objective = Ensemble({"one": 0.5 * EmbeddingObjective(encoder, [aim])})
        results.append(score_views(PICTURES, objective, RandomCrop(0.5, 1), 4, rng(1)))
    assert len(plain.batches) > 1 and fitting.batches == [(8, 3, 12, 12)]
    (losses, gradient), (again, same) = results
    assert torch.allclose(gradient, same, atol=1e-6) and gradient.abs().max() > 1e-4
    assert torch.allclose(losses["total"], again["total"], atol=1e-6)


def test_directions_add_up() -> None:
    assert direction(EYE[:2], [3.0, 4.0]).tolist() == pytest.approx([0.6, 0.8, 0])
    assert direction(EYE[:2], [3.0, -4.0]).tolist() == pytest.approx([0.6, -0.8, 0])
    with pytest.raises(StudioError, match="cancel each other out"):
        direction(EYE[[0, 0]], [1.0, -1.0])


def test_slerp_goes_in_equal_angles() -> None:
    way = slerp(EYE[0], EYE[1], 4)
    angles = [0, math.pi / 6, math.pi / 3, math.pi / 2]
    assert torch.allclose(way, torch.tensor([[math.cos(a), math.sin(a), 0] for a in angles]), atol=1e-6)
    u, v = functional.normalize(torch.randn(2, 16, generator=rng()), dim=1)
    way = slerp(u, v, 7)
    assert torch.allclose(way.norm(dim=1), torch.ones(7), atol=1e-6)
    assert torch.allclose(way[0], u, atol=1e-6) and torch.allclose(way[-1], v, atol=1e-6)
    cosines = (way[:-1] * way[1:]).sum(1)
    assert torch.allclose(cosines, cosines[:1].expand(6), atol=1e-5)


def test_slerp_between_almost_equal_and_opposite_directions() -> None:
    assert torch.allclose(slerp(EYE[0], EYE[0], 3), EYE[[0, 0, 0]])
    near = functional.normalize(EYE[0] + 1e-4 * EYE[1], dim=0)
    assert slerp(EYE[0], near, 3)[1].tolist() == pytest.approx([1, 5e-5, 0], abs=1e-7)
    with pytest.raises(StudioError, match="opposites"):
        slerp(EYE[0], -EYE[0], 3)
