"""What holds for every attack, and what they share."""

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from foundation.errors import StudioError
from robust_model.attacks import (
    ATTACKS,
    AnyAttack,
    ApgdConfig,
    AttackOutcome,
    AutoAttackConfig,
    PassCount,
    PgdConfig,
    SquareConfig,
    project,
    source_of,
)
from robust_model.evaluation.suites import Budget, suite_attacks
from tests.robust_model.defences import Linear, attacked, network, picture, trained

EPS = 0.06
OURS = [
    PgdConfig(eps=EPS, steps=8, restarts=2),
    PgdConfig(eps=EPS, steps=6, loss="targeted", restarts=3),
    ApgdConfig(eps=EPS, steps=8, restarts=2),
    ApgdConfig(eps=EPS, steps=6, loss="targeted-dlr", targets=3),
    SquareConfig(eps=EPS, queries=30, restarts=2),
]
THEIRS = AutoAttackConfig(eps=EPS, version="custom", attacks=("apgd-ce", "square"), steps=5, restarts=2, queries=20)
EVERY = [*OURS, THEIRS]


def name_of(config: AnyAttack) -> str:
    return config.name


def test_every_kind_is_registered_and_tested() -> None:
    assert {config.kind for config in EVERY} == set(ATTACKS)
    assert len({config.name for config in EVERY}) == len(EVERY)


@pytest.mark.parametrize("config", EVERY, ids=name_of)
def test_configurations_survive_json(config: AnyAttack) -> None:
    adapter = TypeAdapter(AnyAttack)
    assert adapter.validate_json(adapter.dump_json(config)) == config
    with pytest.raises(ValidationError):
        adapter.validate_python({**config.model_dump(), "nonsense": 1})


@pytest.mark.parametrize("config", EVERY, ids=name_of)
def test_budget_range_and_verdicts(config: AnyAttack) -> None:
    model = trained(conv=True)
    images, labels = picture(12, 5)
    images[0, :, :3], images[1, :, :2] = 0.0, 1.0  # both ends of the range are in play
    outcome = attacked(model, images, labels, config)
    assert 0 < int(outcome.broken.sum()) < 12, "the test needs both kinds"
    assert float((outcome.images - images).abs().max()) <= EPS + 1e-6
    assert float(outcome.images.min()) >= 0 and float(outcome.images.max()) <= 1
    assert torch.equal(outcome.images[~outcome.broken], images[~outcome.broken])
    wrong = model.body(outcome.images).argmax(1) != labels
    assert torch.equal(wrong[outcome.broken], torch.ones(int(outcome.broken.sum()), dtype=torch.bool))
    for last in outcome.last:
        assert last.shape == images.shape
        assert float((last - images).abs().max()) <= EPS + 1e-6
        assert float(last.min()) >= 0 and float(last.max()) <= 1
    assert all(weight.grad is None for weight in model.parameters())
    assert not model.training


@pytest.mark.parametrize("config", EVERY, ids=name_of)
def test_same_seed_same_result(config: AnyAttack) -> None:
    images, labels = picture(6, 5)
    first, second = (attacked(trained(conv=True), images, labels, config, seed=4) for _ in range(2))
    assert torch.equal(first.images, second.images)
    assert (first.passes, first.extra) == (second.passes, second.extra)


@pytest.mark.parametrize("config", EVERY, ids=name_of)
def test_the_cost_is_what_an_unbreakable_image_costs(config: AnyAttack) -> None:
    images, _ = picture(3, 5)
    model = trained(conv=False)
    labels = model.body(images).argmax(1)
    outcome = attacked(model, images, labels, config.model_copy(update={"eps": 0.0}))
    assert not outcome.broken.any()
    assert outcome.passes == config.cost() * 3


@pytest.mark.parametrize("config", OURS, ids=name_of)
def test_images_that_leave_do_not_change_the_others(config: AnyAttack) -> None:
    """Every second image that breaks does so no longer: all the others must not notice."""
    model = trained(conv=True)
    images, labels = picture(10, 5)
    config = config.model_copy(update={"eps": 0.09})
    alone = attacked(model, images, labels, config)
    assert int(alone.broken.sum()) >= 2
    fragile = torch.zeros(10, dtype=torch.bool)
    fragile[alone.broken.nonzero().squeeze(1)[::2]] = True

    def stubborn(points: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        near = torch.cdist(points.flatten(1), images[fragile].flatten(1), p=torch.inf).amin(1) <= 0.09 + 1e-5
        return near | (model.body(points).argmax(1) == truth)

    crowded = attacked(model, images, labels, config, judge=stubborn)
    assert not crowded.broken[fragile].any()
    assert torch.equal(crowded.broken[~fragile], alone.broken[~fragile])
    assert torch.equal(crowded.images[~fragile], alone.images[~fragile])
    assert crowded.passes.forward > alone.passes.forward


@pytest.mark.parametrize("config", EVERY, ids=name_of)
def test_the_judge_has_the_last_word(config: AnyAttack) -> None:
    images, labels = picture(6, 5)
    model = trained(conv=True)
    stubborn = attacked(model, images, labels, config, judge=lambda x, _: torch.ones(len(x), dtype=torch.bool))
    assert not stubborn.broken.any()
    assert torch.equal(stubborn.images, images)


@pytest.mark.parametrize("config", EVERY, ids=name_of)
def test_a_single_image(config: AnyAttack) -> None:
    images, labels = picture(1, 5)
    assert attacked(network(), images, labels, config).broken.shape == (1,)


def test_leaving_the_ball_is_noticed() -> None:
    clean = torch.full((2, 3, 1, 2), 0.5)
    outcome = AttackOutcome.untouched(clean)
    with pytest.raises(AssertionError, match="left the ball"):
        outcome.mark(torch.tensor([1]), clean[1:] + 0.2, clean[1:], eps=0.1)
    with pytest.raises(AssertionError, match="left the range"):
        outcome.mark(torch.tensor([1]), clean[1:] + 0.6, clean[1:], eps=1.0)
    outcome.mark(torch.tensor([1]), clean[1:] + 0.1, clean[1:], eps=0.1)
    assert outcome.broken.tolist() == [False, True]
    assert outcome.standing().tolist() == [0]


def test_pass_counts_add_up() -> None:
    assert PassCount(1, 2) + PassCount(3, 4) == PassCount(4, 6)
    assert PassCount(1, 2) * 3 == 3 * PassCount(1, 2) == PassCount(3, 6)


def test_projection_by_hand() -> None:
    centre = torch.tensor([0.5, 0.05, 0.98])
    assert project(torch.tensor([0.9, -1.0, 2.0]), centre, 0.1).tolist() == pytest.approx([0.6, 0.0, 1.0])


def test_sources() -> None:
    logits = torch.tensor([[[0.0, 2.0], [4.0, 0.0]]])
    assert source_of(Linear(), "mean")(logits).tolist() == [[2.0, 1.0]]
    assert source_of(Linear(), "predictor 0")(logits).tolist() == [[0.0, 2.0]]
    assert source_of(Linear(), "predictor -2")(logits).tolist() == [[0.0, 2.0]]
    assert source_of(Linear(), "defence")(logits).tolist() == [[4.0, 0.0]]
    for name in ("predictor 2", "predictor --1", "predictor x", "nonsense"):
        with pytest.raises(StudioError, match="Unknown source"):
            source_of(Linear(), name)


def test_the_suite_attacks_the_mean_and_the_defence_and_its_names_are_unique() -> None:
    suite = suite_attacks(("adaptive",), Budget(8 / 255, 50, 2, 1), Linear())
    followed = [a for a in suite if isinstance(a, PgdConfig)]  # the others ask for scores alone
    assert {a.source for a in followed} >= {"mean", "defence"} and len(followed) >= 6
    assert len({a.name for a in suite}) == len(suite)
    assert all(a.steps >= 50 and a.restarts >= 2 for a in followed)
