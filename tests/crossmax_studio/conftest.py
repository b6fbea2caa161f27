"""Networks of other people, and photos, for the front door."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn


class Corners(nn.Module):
    """Two classes by the mean of red against green, behind BatchNorm and Dropout, whose modes matter."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(3, 2)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([[20.0, -20.0, 0.0], [-20.0, 20.0, 0.0]]))
            self.head.bias.zero_()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.drop(self.norm(images).mean(dim=(2, 3))))
        return logits


@pytest.fixture
def network() -> Corners:
    return Corners()


@pytest.fixture
def photos() -> tuple[Tensor, Tensor]:
    """Four images [4, 3, 10, 12] on the grid of 8-bit levels, and their classes by `Corners`.

    Red leads by 4 levels in the first, by 40 in the second; green in the others.
    """
    images = torch.full((4, 3, 10, 12), 100.0)
    for image, (channel, lead) in enumerate([(0, 4), (0, 40), (1, 4), (1, 40)]):
        images[image, channel] += lead
    return images / 255, torch.tensor([0, 0, 1, 1])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a data directory of its own."""
    monkeypatch.setenv("CROSSMAX_STUDIO_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path
