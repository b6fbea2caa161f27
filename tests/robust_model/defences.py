"""Small defences whose robustness is known, for the tests of the attacks."""

import torch
from torch import Tensor, nn

from robust_model.attacks import AnyAttack, AttackOutcome, Defence, Judge, run_attack
from robust_model.networks.noise import Noise, SilentNoise


class Linear(nn.Module):
    """Two predictors, two classes, on 1 x 2 images: logit 1 - logit 0 is `weight . pixels + bias` in both.

    With `masked`, the deeper predictor (the defence) passes no gradient.
    """

    readout_names = ("shallow", "deep")
    class_names = ("no", "yes")
    random = False

    def __init__(self, masked: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -2.0, 0.0, 0.5, 0.0, 1.5]), requires_grad=False)
        self.masked = masked

    def voting(self, logits: Tensor) -> Tensor:
        return logits

    def combine(self, logits: Tensor) -> Tensor:
        return logits[:, -1]

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        score = (images.flatten(1) * self.weight).sum(1) - 0.5
        logits = torch.stack([-score / 2, score / 2], dim=1)
        return torch.stack([logits, logits.detach() if self.masked else logits], dim=1)


def standing(score: float) -> Tensor:
    """An image [3, 1, 2] of class 1 whose score is `score`, far enough from 0 and 1 that no clipping interferes."""
    image = torch.full((3, 1, 2), 0.5)
    image[0, 0, 0] = 1.0 - 0.1 if score > 0.35 else 0.5
    current = float((image.flatten() * Linear().weight).sum() - 0.5)
    image[0, 0, 1] -= (score - current) / 2.0
    return image


class Network(nn.Module):
    """A plain classifier of 6 x 8 images: logits [B, C] of `body`, shifted by noise from the global generator."""

    readout_names = ("output",)

    def __init__(self, body: nn.Module, classes: int, spread: float = 0.0) -> None:
        super().__init__()
        self.body, self.spread = body, spread
        self.class_names = tuple(f"class {i}" for i in range(classes))
        self.random = spread > 0
        self.shifts: list[float] = []

    def voting(self, logits: Tensor) -> Tensor:
        return logits

    def combine(self, logits: Tensor) -> Tensor:
        return logits[:, -1]

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        logits = self.body(images)
        if self.spread:
            shift = torch.randn(len(images), 1)
            self.shifts.append(float(shift[0]))
            logits = logits + self.spread * shift * torch.arange(logits.shape[1])
        return logits[:, None]


def network(classes: int = 5, *, conv: bool = False, seed: int = 0, spread: float = 0.0) -> Network:
    """A random network in eval mode, with smooth enough features that gradients lead somewhere."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = [nn.Flatten(), nn.Linear(3 * 6 * 8, classes)]
        if conv:
            convolution = nn.Conv2d(3, 6, 3, padding=1)
            layers = [convolution, nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(6 * 3 * 4, classes)]
        return Network(nn.Sequential(*layers), classes, spread).eval()


def picture(count: int, classes: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Noisy pictures [count, 3, 6, 8] of `classes` fixed patterns, and their labels."""
    rng = torch.Generator().manual_seed(9)
    patterns = torch.rand(classes, 3, 6, 8, generator=rng)
    rng.manual_seed(seed)
    labels = torch.arange(count) % classes
    return (0.6 * patterns[labels] + 0.4 * torch.rand(count, 3, 6, 8, generator=rng)), labels


def trained(conv: bool, classes: int = 5) -> Network:
    """A network that tells `picture`'s patterns apart."""
    model = network(classes, conv=conv)
    images, labels = picture(200, classes, seed=2)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model.body(images), labels).backward()
        optimiser.step()
    model.zero_grad(set_to_none=True)
    return model


def judge_of(defence: Defence) -> Judge:
    """The verdict of one pass."""

    def judge(images: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            return defence.combine(defence.readouts(images)).argmax(1) == labels

    return judge


def attacked(
    defence: Defence,
    images: Tensor,
    labels: Tensor,
    config: AnyAttack,
    *,
    before: AttackOutcome | None = None,
    judge: Judge | None = None,
    noise: Noise | None = None,
    seed: int = 0,
) -> AttackOutcome:
    """The last outcome of an attack; checks that it yields no more often than it said, and leaves the inputs alone."""
    rng = torch.Generator().manual_seed(seed)
    copies = images.clone(), labels.clone()
    outcomes = list(
        run_attack(
            defence,
            images,
            labels,
            config,
            rng=rng,
            noise=noise or SilentNoise(),
            judge=judge or judge_of(defence),
            before=before,
        )
    )
    assert 1 <= len(outcomes) <= config.units
    assert torch.equal(images, copies[0]) and torch.equal(labels, copies[1])
    return outcomes[-1]
