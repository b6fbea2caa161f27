from pathlib import Path

import pytest
import torch

from generator.transfer import perceptual
from generator.transfer.perceptual import distances, lpips, lpips_note, ssim
from tests.generator.standins import rng


@pytest.mark.slow
def test_ssim_is_torchmetrics() -> None:
    from torchmetrics.functional.image import structural_similarity_index_measure as trusted

    a = torch.rand(3, 3, 25, 40, generator=rng()).double()
    b = (a + 0.2 * torch.randn(a.shape, generator=rng(1)).double()).clamp(0, 1)
    _, full = trusted(a, b, data_range=1.0, reduction="none", sigma=1.5, return_full_image=True)
    expected = full[..., 5:-5, 5:-5].mean(dim=(1, 2, 3))  # it pads, where the paper only looks where the window fits
    assert ssim(a, b).tolist() == pytest.approx(expected.tolist(), abs=1e-6)


def test_ssim_by_hand() -> None:
    """Of constant pictures only the means count: (2xy + c1) / (x^2 + y^2 + c1)."""
    a, b = torch.full((2, 3, 12, 16), 0.5), torch.full((2, 3, 12, 16), 0.25)
    assert ssim(a, b).tolist() == pytest.approx([(0.25 + 1e-4) / (0.3125 + 1e-4)] * 2, rel=1e-9)
    assert ssim(a, a).tolist() == pytest.approx([1.0, 1.0], abs=1e-12)


def test_ssim_needs_its_window() -> None:
    with pytest.raises(ValueError, match="11"):
        ssim(torch.zeros(1, 3, 10, 40), torch.zeros(1, 3, 10, 40))
    assert distances(torch.zeros(1, 3, 10, 40), torch.zeros(1, 3, 10, 40)).ssim is None


def test_distances_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    a = torch.zeros(1, 3, 12, 16)
    b = a.clone()
    b[0, 0, 0, 0], b[0, 1, 2, 3] = 0.3, 0.4
    found = distances(a, b)
    assert (found.linf, found.l2) == pytest.approx((0.4, 0.5), rel=1e-6)
    assert found.lpips is None and "not measured" in lpips_note() and str(tmp_path) in lpips_note()


@pytest.mark.slow
def test_lpips_where_its_weights_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchmetrics.functional.image import learned_perceptual_image_patch_similarity as trusted
    from torchvision.models import squeezenet1_1

    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = squeezenet1_1(weights=None).state_dict()
    torch.save(weights, tmp_path / "hub/checkpoints/squeezenet1_1-b8a52dc0.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    a, b = (torch.rand(1, 3, 40, 48, generator=rng(seed)) for seed in (0, 1))
    state = torch.get_rng_state()
    found = lpips(a, b)
    assert torch.equal(torch.get_rng_state(), state)
    assert found == pytest.approx(trusted(a, b, net_type="squeeze", normalize=True).item(), rel=1e-5) and found > 0
    assert lpips(a, a) == pytest.approx(0.0, abs=1e-7)
    assert lpips(a[:, :, :12, :16], b[:, :, :12, :16]) is not None
    assert "'squeeze'" in lpips_note()


def test_ssim_of_strips_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    a = torch.rand(2, 3, 50, 30, generator=torch.Generator().manual_seed(4))
    b = (a + 0.1 * torch.rand(a.shape, generator=torch.Generator().manual_seed(5))).clamp(0, 1)
    whole = ssim(a, b)
    monkeypatch.setattr(perceptual, "_STRIP_PIXELS", 30 * 7)
    assert ssim(a, b).tolist() == pytest.approx(whole.tolist(), abs=1e-12)
