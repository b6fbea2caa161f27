"""Networks made by hand, whose units answer to what is known."""

import torch
from torch import Tensor, nn

SIDE = 16


class Painter(nn.Module):
    """A network of 1 x 1 convolutions without biases: channel 0 of `see` answers to red, 1 to green, 2 to blue.

    `bend` changes the output of `see` in place; `twice` has half of it, and then runs again on that.
    """

    class_names = ("red", "green", "blue", "dark")

    def __init__(self) -> None:
        super().__init__()
        self.see = nn.Conv2d(3, 4, 1, bias=False)
        self.bend = nn.ReLU(inplace=True)
        self.twice = nn.AvgPool2d(2)
        self.idle = nn.Identity()
        self.unused = nn.Conv2d(3, 2, 1)
        rows = torch.tensor([[1.0, -0.5, -0.5], [-0.5, 1.0, -0.5], [-0.5, -0.5, 1.0], [-1.0, -1.0, -1.0]])
        self.see.weight = nn.Parameter(rows[:, :, None, None])
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        found = self.idle(self.twice(self.twice(self.bend(self.see(images)))))
        return found.mean(dim=(2, 3))


class Sequence(nn.Module):
    """Patches of 4 x 4 pixels as tokens after one more that sees all, as vision transformers have them.

    `tokens` [B, 1 + N, 3] are the mean colours; `first` [1 + N, B, 3] has them tokens first; `last` [B, H, W, 3] is a
    map with its channels last; `pair` returns a tuple, as attention does.
    """

    class_names = ("red", "green", "blue")

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.first, self.last, self.pair = Join(), nn.Identity(), nn.SiLU(), Pair()
        self.weights = nn.Linear(3, 3)

    def forward(self, images: Tensor) -> Tensor:
        patches = nn.functional.avg_pool2d(images, 4)
        self.last(patches.permute(0, 2, 3, 1))
        found, _ = self.pair(self.tokens(patches))
        return self.first(found.transpose(0, 1)).mean(dim=0)


class Join(nn.Module):
    """A map [B, C, H, W] as tokens [B, 1 + H W, C], the mean first."""

    def forward(self, patches: Tensor) -> Tensor:
        flat = patches.flatten(2).transpose(1, 2)
        return torch.cat([flat.mean(dim=1, keepdim=True), flat], dim=1)


class Pair(nn.Module):
    """A sequence [B, N, C], and nothing, as attention returns them."""

    def forward(self, tokens: Tensor) -> tuple[Tensor, None]:
        return 2 * tokens, None
