"""The parts of a training, by hand: the schedule, the augmentation, and statistics that stay as they are."""

import pytest
import torch
from torch import Tensor, nn

from robust_model.networks.train_parts import augment, one_cycle, still_statistics


def test_one_cycle_by_hand() -> None:
    # Ten steps, a fifth of them warmup: the middles are at 0.05, 0.15, 0.25, ... of the run.
    rates = [one_cycle(step, 10, 0.8, 0.2) for step in range(10)]
    assert rates == pytest.approx([0.2, 0.6, 0.75, 0.65, 0.55, 0.45, 0.35, 0.25, 0.15, 0.05])
    assert [one_cycle(step, 4, 0.8, 0.0) for step in range(4)] == pytest.approx([0.7, 0.5, 0.3, 0.1])
    assert [one_cycle(step, 4, 0.8, 1.0) for step in range(4)] == pytest.approx([0.1, 0.3, 0.5, 0.7])
    assert {one_cycle(step, 4, 0.8, -1.0) for step in range(4)} == {0.8}


def literal_augment(image: Tensor, down: int, right: int, mirrored: bool) -> Tensor:
    """Mirror, reflect the edges outwards, and take the window that starts at (down, right)."""
    height, width = image.shape[1:]
    image = image.flip(2) if mirrored else image
    wide = nn.functional.pad(image[None].float(), (2, 2, 2, 2), mode="reflect")[0].to(image.dtype)
    return wide[:, 2 + down : 2 + down + height, 2 + right : 2 + right + width]


def test_augment_against_padding_and_cropping() -> None:
    images = torch.arange(40 * 3 * 4 * 6, dtype=torch.int64).remainder(251).to(torch.uint8).view(40, 3, 4, 6)
    rng = torch.Generator().manual_seed(2)
    offsets = torch.randint(-2, 3, (40, 2), generator=rng)
    flips = torch.rand(40, 1, generator=rng) < 0.5
    found = augment(images, 2, True, torch.Generator().manual_seed(2))
    assert found.dtype == torch.uint8
    for i in range(40):
        assert torch.equal(found[i], literal_augment(images[i], *offsets[i].tolist(), bool(flips[i])))
    assert 10 < int(flips.sum()) < 30


def test_augment_by_hand() -> None:
    row = torch.tensor([[1, 2, 3, 4]]).expand(2, 3, 2, 4)
    seen = {tuple(augment(row, 1, True, torch.Generator().manual_seed(s))[0, 0, 0].tolist()) for s in range(40)}
    shifted = {(1, 2, 3, 4), (2, 3, 4, 3), (2, 1, 2, 3)}
    assert seen == shifted | {s[::-1] for s in shifted}
    assert torch.equal(augment(row, 0, False, torch.Generator()), row)
    with pytest.raises(ValueError, match="2 x 4 pixels cannot be shifted by 2"):
        augment(row, 2, False, torch.Generator())


def test_still_statistics() -> None:
    """Outputs as ever, statistics where they were, even for a batch that would poison them."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    x = torch.randn(2, 3, 6, 5)
    before = {n: t.clone() for n, t in network.state_dict().items()}
    with still_statistics(network):
        still = network(x)
        network(torch.full_like(x, torch.nan))
    after = network.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], value) for name, value in before.items())
    assert torch.equal(network(x), still)
    assert not torch.equal(network.state_dict()["1.running_mean"], before["1.running_mean"])
    with pytest.raises(KeyError), still_statistics(network):
        raise KeyError
    assert network[1].track_running_stats
