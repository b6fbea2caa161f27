"""One temperature, against what it must be."""

import pytest
import torch

from foundation.errors import StudioError
from robust_model.weights.calibration import fit_temperature


def sampled(scale: float, count: int = 4000) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are `scale` times the true ones, from which the labels are drawn."""
    rng = torch.Generator().manual_seed(0)
    true = 2 * torch.randn(count, 5, generator=rng)
    labels = torch.multinomial(true.softmax(1), 1, generator=rng).squeeze(1)
    return scale * true, labels


def expected_calibration_error(logits: torch.Tensor, labels: torch.Tensor, bins: int = 15) -> float:
    """The mean distance between confidence and accuracy, over equal bins of confidence (Guo et al. 2017, eq. 5)."""
    confidence, predicted = logits.double().softmax(dim=1).max(dim=1)
    right = (predicted == labels).double()
    place = (confidence * bins).long().clamp(max=bins - 1)
    gaps = [(right[place == b] - confidence[place == b]).sum().abs() for b in range(bins)]
    return float(torch.stack(gaps).sum() / len(labels))


@pytest.mark.parametrize("scale", [0.05, 1.0, 30.0])
def test_the_temperature_undoes_the_scale(scale: float) -> None:
    logits, labels = sampled(scale)
    temperature = fit_temperature(logits, labels)
    assert temperature == pytest.approx(scale, rel=0.06)
    assert expected_calibration_error(logits / temperature, labels) < 0.02
    if scale != 1.0:
        assert expected_calibration_error(logits, labels) > 0.15


def test_two_images_by_hand() -> None:
    # Three images of a two-class model with logits +-1; it is right on two: softmax must say 2/3, so 2 / T = ln 2.
    logits = torch.tensor([[1.0, -1.0], [1.0, -1.0], [1.0, -1.0]])
    assert fit_temperature(logits, torch.tensor([0, 0, 1])) == pytest.approx(
        2 / torch.log(torch.tensor(2.0)).item(), rel=1e-3
    )


def test_calibration_error_by_hand() -> None:
    # Two images with confidence 0.9 (bin 13), one right: |1 - 2 * 0.9| / 2 = 0.4.
    logits = torch.tensor([[0.9, 0.1], [0.9, 0.1]]).log()
    assert expected_calibration_error(logits, torch.tensor([0, 1])) == pytest.approx(0.4)


def test_nothing_to_fit_to() -> None:
    with pytest.raises(StudioError, match="held-out"):
        fit_temperature(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long))
