"""The losses on numbers by hand."""

import math

import pytest
import torch

from foundation.errors import StudioError
from robust_model.attacks import attack_loss
from robust_model.attacks.losses import LOSSES, check_classes

# Sorted: 4 3 1 0 -2 and 5 2 2 0 -1. Labels: the first one is right (class 1), the second one is wrong (class 0).
LOGITS = torch.tensor([[1.0, 4.0, 3.0, -2.0, 0.0], [2.0, -1.0, 5.0, 0.0, 2.0]])
LABELS, TARGETS = torch.tensor([1, 0]), torch.tensor([0, 4])


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("margin", [3 - 4, 5 - 2]),
        ("targeted", [1 - 4, 2 - 2]),
        ("dlr", [(3 - 4) / (4 - 1), (5 - 2) / (5 - 2)]),
        ("targeted-dlr", [(1 - 4) / (4 - (1 + 0) / 2), (2 - 2) / (5 - (2 + 0) / 2)]),
        (
            "ce",
            [
                math.log(sum(map(math.exp, [1, 4, 3, -2, 0]))) - 4,
                math.log(sum(map(math.exp, [2, -1, 5, 0, 2]))) - 2,
            ],
        ),
    ],
)
def test_losses_by_hand(loss: str, expected: list[float]) -> None:
    assert attack_loss(LOGITS, LABELS, loss, TARGETS).tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("loss", ["dlr", "targeted-dlr"])
def test_dlr_ignores_shift_and_scale_of_the_logits(loss: str) -> None:
    plain = attack_loss(LOGITS, LABELS, loss, TARGETS)
    torch.testing.assert_close(attack_loss(1e4 * LOGITS + 7, LABELS, loss, TARGETS), plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_equal_logits_give_a_finite_loss_and_gradient(loss: str) -> None:
    logits = torch.zeros(2, 5, requires_grad=True)
    value = attack_loss(logits, LABELS, loss, TARGETS).sum()
    (gradient,) = torch.autograd.grad(value, logits)
    assert bool(value.isfinite()) and bool(gradient.isfinite().all())


def test_too_few_classes() -> None:
    for loss, needed in (("dlr", 3), ("targeted-dlr", 4), ("ce", 2), ("margin", 2)):
        check_classes(loss, needed)
        if needed > 2:
            with pytest.raises(StudioError, match=f"at least {needed} classes, and the model has {needed - 1}"):
                check_classes(loss, needed - 1)
