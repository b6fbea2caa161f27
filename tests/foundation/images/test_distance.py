"""Distances: by hand, per image, in float64."""

import math

import pytest
import torch

from foundation.images.distance import l2, linf


def test_by_hand_per_image() -> None:
    a = torch.zeros(2, 3, 4, 5)
    b = torch.zeros(2, 3, 4, 5)
    b[0, 0, 1, 2], b[0, 2, 3, 4] = 0.5, -0.25
    a[1, 1, 0, 0] = 0.75
    assert linf(a, b).tolist() == [0.5, 0.75]
    assert l2(a, b).tolist() == [math.sqrt(0.25 + 0.0625), 0.75]
    assert linf(a, b).dtype == l2(a, b).dtype == torch.float64


def test_one_image_is_compared_with_all() -> None:
    a = torch.zeros(1, 3, 4, 5)
    b = torch.stack([torch.full((3, 4, 5), 0.5), torch.full((3, 4, 5), -1.0)])
    for measure, expected in ((linf, [0.5, 1.0]), (l2, [0.5 * math.sqrt(60), math.sqrt(60)])):
        assert measure(a, b).tolist() == pytest.approx(expected, rel=1e-15)
        assert measure(b, a).tolist() == measure(a, b).tolist()
        assert measure(b, b).tolist() == [0.0, 0.0]


def test_accuracy_is_that_of_float64() -> None:
    a = torch.full((2, 3, 500, 700), 0.1)
    b = torch.full((2, 3, 500, 700), 0.1 + 1e-4)
    step = float(b[0, 0, 0, 0].double() - a[0, 0, 0, 0].double())
    assert linf(a, b).tolist() == [step, step]
    assert l2(a, b).tolist() == pytest.approx([step * math.sqrt(1_050_000)] * 2, rel=1e-12)


def test_nan_is_not_hidden() -> None:
    a = torch.zeros(2, 3, 4, 5)
    b = a.clone()
    b[1, 2, 3, 4] = math.nan
    for measure in (linf, l2):
        assert torch.isnan(measure(a, b)).tolist() == [False, True]


def test_measurements_carry_no_graph() -> None:
    a = torch.zeros(2, 3, 4, 5, requires_grad=True)
    assert not linf(a, a + 1).requires_grad
    assert not l2(a, a + 1).requires_grad


@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (3, 3, 4, 5), (3, 4, 5), (2, 1, 4, 5)])
def test_shapes_that_do_not_fit(shape: tuple[int, ...]) -> None:
    for measure in (linf, l2):
        with pytest.raises(ValueError, match="one size"):
            measure(torch.zeros(2, 3, 4, 5), torch.zeros(shape))
