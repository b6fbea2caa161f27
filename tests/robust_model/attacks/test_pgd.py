"""Adaptive PGD against a linear classifier, whose exact robustness is known on paper."""

import pytest
import torch

from foundation.errors import StudioError
from robust_model.attacks import AttackOutcome, PgdConfig
from tests.robust_model.defences import Linear, attacked, standing

EPS = 0.1


def outcome_of(model: Linear, images: torch.Tensor, before: AttackOutcome | None = None, **changes) -> AttackOutcome:
    config = PgdConfig(**{"eps": EPS, "steps": 20, "restarts": 1, **changes})
    return attacked(model, images, torch.ones(len(images), dtype=torch.long), config, before=before)


@pytest.mark.parametrize("loss", ["ce", "margin", "targeted"])
@pytest.mark.parametrize("source", ["mean", "defence", "predictor 0", "predictor -1"])
def test_pgd_breaks_exactly_what_can_be_broken(loss: str, source: str) -> None:
    # The score can fall by eps * |weight|_1 = 0.1 * 5 = 0.5 and no further.
    images = torch.stack([standing(0.48), standing(0.52), standing(0.1), standing(0.3)])
    outcome = outcome_of(Linear(), images, loss=loss, source=source)
    assert outcome.broken.tolist() == [True, False, True, True]
    assert float((outcome.images - images).abs().max()) <= EPS + 1e-6
    assert torch.equal(outcome.images[1], images[1]), "an image that stands is returned clean"
    broken = Linear().readouts(outcome.images)[:, -1].argmax(1)
    assert broken.tolist() == [0, 1, 0, 0]


def test_no_budget_breaks_nothing() -> None:
    images = torch.stack([standing(0.01), standing(0.3)])
    assert not outcome_of(Linear(), images, eps=0.0).broken.any()


def test_a_masked_defence_falls_to_the_transfer_only() -> None:
    images = torch.stack([standing(0.45), standing(0.4)])
    direct = outcome_of(Linear(masked=True), images, source="defence")
    transferred = outcome_of(Linear(masked=True), images, source="mean")
    assert direct.broken.tolist() == [False, False]
    assert direct.extra["zero_gradients"] == 2
    assert transferred.broken.tolist() == [True, True]
    assert transferred.extra["zero_gradients"] == 0


def test_a_defence_without_any_gradient_is_no_error() -> None:
    class Rounding(Linear):
        def readouts(self, images, noise=None):
            return super().readouts(images).detach()

    outcome = outcome_of(Rounding(), torch.stack([standing(0.45), standing(0.4)]))
    assert outcome.extra["zero_gradients"] == 2


def test_a_continuation_starts_from_the_last_iterate_and_stays_in_the_clean_ball() -> None:
    model = Linear(masked=True)
    images = torch.stack([standing(0.52), standing(0.7)])
    first = outcome_of(model, images, source="mean")
    assert not first.broken.any()
    second = outcome_of(model, images, before=first, source="defence", continues=True, steps=1)
    # The masked source gives no direction: the iterate stays where the transfer had brought it.
    assert torch.allclose(second.last[0], first.last[0])
    assert float((second.last[0] - images).abs().max()) <= EPS + 1e-6
    with pytest.raises(StudioError, match="put that one before it"):
        outcome_of(model, images, source="defence", continues=True)


def test_broken_images_leave_the_batch_and_passes_are_counted() -> None:
    images = torch.stack([standing(0.05), standing(0.9)])
    outcome = outcome_of(Linear(), images, steps=10, eot=3)
    # 11 gradients for the image that stands, fewer for the other; three passes each.
    assert 33 < outcome.passes.forward < 66
    assert outcome.passes.forward % 3 == 0
    assert outcome.passes.backward == outcome.passes.forward


def test_names_tell_siblings_apart() -> None:
    names = {
        PgdConfig(source="mean", loss=loss, continues=continues, noise_over_steps=noise).name
        for loss in ("ce", "margin")
        for continues in (False, True)
        for noise in ("fresh", "shared", "frozen")
    }
    assert len(names) == 12
    assert "mean/ce" in names and "mean/margin (continued, frozen noise)" in names
