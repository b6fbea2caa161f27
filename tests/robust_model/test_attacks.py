"""The adaptive attack against a linear classifier, whose exact robustness is known on paper."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from generator.errors import StudioError
from robust_model.attacks import AttackConfig, adaptive_suite, attack_loss, project, run_attack, source_of
from robust_model.ensemble import SilentNoise

EPS = 0.1


class Linear(nn.Module):
    """Two predictors, two classes, on 1 x 2 images: logit 1 - logit 0 is `weight . pixels + bias` in both.

    With `masked`, the deeper predictor (the defence) passes no gradient.
    """

    readout_names = ("shallow", "deep")
    class_names = ("no", "yes")

    def __init__(self, masked: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -2.0, 0.0, 0.5, 0.0, 1.5]), requires_grad=False)
        self.config = SimpleNamespace(
            aggregator="last", voters=0, inference_noise="off", stack=SimpleNamespace(random=False)
        )
        self.masked = masked
        self.images_seen = 0

    def voting(self, logits: Tensor) -> Tensor:
        return logits

    def combine(self, logits: Tensor) -> Tensor:
        return logits[:, -1]

    def readouts(self, images: Tensor, noise: object = None) -> Tensor:
        self.images_seen += len(images)
        score = (images.flatten(1) * self.weight).sum(1) - 0.5
        logits = torch.stack([-score / 2, score / 2], dim=1)
        deep = logits.detach() if self.masked else logits
        return torch.stack([logits, deep], dim=1)


def standing(score: float) -> Tensor:
    """An image [3, 1, 2] of class 1 whose score is `score`, far enough from 0 and 1 that no clipping interferes."""
    image = torch.full((3, 1, 2), 0.5)
    image[0, 0, 0] = 1.0 - 0.1 if score > 0.35 else 0.5
    current = float((image.flatten() * Linear().weight).sum() - 0.5)
    image[0, 0, 1] -= (score - current) / 2.0
    return image


def judge_of(model: Linear):
    def judge(images: Tensor, labels: Tensor) -> Tensor:
        return model.readouts(images)[:, -1].argmax(1) == labels

    return judge


def outcome_of(model: Linear, images: Tensor, labels: Tensor, before=None, **changes):
    config = AttackConfig(**{"eps": EPS, "steps": 20, "restarts": 1, **changes})
    rng = torch.Generator().manual_seed(0)
    for outcome in run_attack(
        model, images, labels, config, rng=rng, noise=SilentNoise(), judge=judge_of(model), before=before
    ):
        last = outcome
    return last


@pytest.mark.parametrize("loss", ["ce", "margin", "targeted"])
@pytest.mark.parametrize("source", ["mean", "defence", "predictor 0", "predictor -1"])
def test_pgd_breaks_exactly_what_can_be_broken(loss: str, source: str) -> None:
    # The score can fall by eps * |weight|_1 = 0.1 * 5 = 0.5 and no further.
    images = torch.stack([standing(0.48), standing(0.52), standing(0.1), standing(0.3)])
    outcome = outcome_of(Linear(), images, torch.ones(4, dtype=torch.long), loss=loss, source=source)
    assert outcome.broken.tolist() == [True, False, True, True]
    assert float((outcome.images - images).abs().max()) <= EPS + 1e-6
    assert torch.equal(outcome.images[1], images[1]), "an image that stands is returned clean"
    broken = Linear().readouts(outcome.images)[:, -1].argmax(1)
    assert broken.tolist() == [0, 1, 0, 0]


def test_no_budget_breaks_nothing() -> None:
    images = torch.stack([standing(0.01), standing(0.3)])
    assert not outcome_of(Linear(), images, torch.ones(2, dtype=torch.long), eps=0.0).broken.any()


def test_a_masked_defence_falls_to_the_transfer_only() -> None:
    images = torch.stack([standing(0.45), standing(0.4)])
    labels = torch.ones(2, dtype=torch.long)
    direct = outcome_of(Linear(masked=True), images, labels, source="defence")
    transferred = outcome_of(Linear(masked=True), images, labels, source="mean")
    assert direct.broken.tolist() == [False, False]
    assert transferred.broken.tolist() == [True, True]


def test_a_continuation_starts_from_the_last_iterate_and_stays_in_the_clean_ball() -> None:
    model = Linear(masked=True)
    images = torch.stack([standing(0.52), standing(0.7)])
    labels = torch.ones(2, dtype=torch.long)
    first = outcome_of(model, images, labels, source="mean")
    assert not first.broken.any()
    second = outcome_of(model, images, labels, before=first, source="defence", continues=True, steps=1)
    # The masked source gives no direction: the iterate stays where the transfer had brought it.
    assert torch.allclose(second.last[0], first.last[0])
    assert float((second.last[0] - images).abs().max()) <= EPS + 1e-6
    with pytest.raises(StudioError, match="put that one before it"):
        outcome_of(model, images, labels, source="defence", continues=True)


def test_broken_images_leave_the_batch_and_passes_are_counted() -> None:
    model = Linear()
    images = torch.stack([standing(0.05), standing(0.9)])
    outcome = outcome_of(model, images, torch.ones(2, dtype=torch.long), steps=10, eot=3)
    # 11 gradients for the image that stands, fewer for the other; three passes each.
    assert 33 < outcome.passes < 66
    assert outcome.passes % 3 == 0


def test_the_judge_has_the_last_word() -> None:
    images = torch.stack([standing(0.05), standing(0.1)])
    labels = torch.ones(2, dtype=torch.long)
    rng = torch.Generator().manual_seed(0)
    stubborn = run_attack(
        Linear(),
        images,
        labels,
        AttackConfig(eps=EPS, steps=5, restarts=1),
        rng=rng,
        noise=SilentNoise(),
        judge=lambda x, _: torch.ones(len(x), dtype=torch.bool),
    )
    assert not [outcome.broken.clone() for outcome in stubborn][-1].any()


def test_losses_by_hand() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0], [0.0, -1.0, 4.0]])
    labels, targets = torch.tensor([1, 0]), torch.tensor([0, 1])
    assert attack_loss(logits, labels, "margin", targets).tolist() == [-1.0, 4.0]
    assert attack_loss(logits, labels, "targeted", targets).tolist() == [-2.0, -1.0]
    expected = [-(3 - torch.logsumexp(logits[0], 0)), torch.logsumexp(logits[1], 0)]
    assert attack_loss(logits, labels, "ce", targets).tolist() == pytest.approx([float(e) for e in expected])


def test_projection_by_hand() -> None:
    centre = torch.tensor([0.5, 0.05, 0.98])
    assert project(torch.tensor([0.9, -1.0, 2.0]), centre, 0.1).tolist() == pytest.approx([0.6, 0.0, 1.0])


def test_sources() -> None:
    logits = torch.tensor([[[0.0, 2.0], [4.0, 0.0]]])
    assert source_of(Linear(), "mean")(logits).tolist() == [[2.0, 1.0]]
    assert source_of(Linear(), "predictor 0")(logits).tolist() == [[0.0, 2.0]]
    assert source_of(Linear(), "defence")(logits).tolist() == [[4.0, 0.0]]
    for name in ("predictor 2", "predictor x", "nonsense"):
        with pytest.raises(StudioError, match="Unknown source"):
            source_of(Linear(), name)


def test_the_suite_attacks_the_mean_and_the_defence_and_its_names_are_unique() -> None:
    suite = adaptive_suite(8 / 255, 50, 2, 1)
    assert {a.source for a in suite} >= {"mean", "defence"}
    assert len({a.name for a in suite}) == len(suite)
    assert all(a.steps >= 50 and a.restarts >= 2 for a in suite)
