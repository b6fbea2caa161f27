"""A network by hand with two classes."""

import torch
from torch import Tensor, nn


class Grey(nn.Module):
    """Two logits from the mean of the image; with `spread`, noise from PyTorch's global generator on top."""

    def __init__(self, spread: float = 0.0) -> None:
        super().__init__()
        self.spread = spread
        self.offset = nn.Parameter(torch.tensor(0.5))

    def forward(self, images: Tensor) -> Tensor:
        score = images.mean((1, 2, 3)) - self.offset
        if self.spread:
            score = score + self.spread * torch.randn(len(images), device=images.device)
        return torch.stack([-score, score], dim=1)
