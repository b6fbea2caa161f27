"""Masks planted on a small trained network: each must be caught and named, and the bare network must fall to zero."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from robust_model.attacks import Defence, PgdConfig, SquareConfig, run_attack
from robust_model.evaluation.accounting import answers, majority, proportion
from robust_model.evaluation.masking.diagnostics import STEP, diagnose
from robust_model.evaluation.masking.findings import findings, verdict
from robust_model.evaluation.record.reading import as_report
from robust_model.evaluation.record.schema import EvaluationReport
from robust_model.evaluation.sweep import Ladder, SweepConfig, convergence, epsilon_sweep
from robust_model.networks.noise import FreshNoise, Noise, SilentNoise
from tests.reports import attack_report, plain_report
from tests.robust_model.masks import EPS, SIZE, pictures, small_network

COUNT = 24


class Bare(nn.Module):
    """A trained network as a defence of one predictor, open to every attack."""

    class_names = ("a", "b", "c", "d")
    readout_names: tuple[str, ...] = ("output",)
    random = False

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def logits(self, images: Tensor) -> Tensor:
        out: Tensor = self.network((images - 0.5) / 0.05)
        return out

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        return self.logits(images)[:, None]

    def voting(self, logits: Tensor) -> Tensor:
        return logits

    def combine(self, logits: Tensor) -> Tensor:
        return logits[:, -1]


class Rounded(Bare):
    """Rounds its input to 8 bits: the gradient is zero wherever it is defined."""

    def logits(self, images: Tensor) -> Tensor:
        return super().logits((images * 255).round() / 255)


class Loud(Bare):
    """Divides its logits by a temperature of 1e-4: cross-entropy is 0 to the last bit, and so is its gradient."""

    def logits(self, images: Tensor) -> Tensor:
        return super().logits(images) / 1e-4


class Blinking(Bare):
    """Shows its network a random quarter of the pixels; `frozen`: always the same one to whom wants gradients."""

    random = True

    def __init__(self, network: nn.Module, frozen: bool = True) -> None:
        super().__init__(network)
        self.frozen, self.rng = frozen, torch.Generator().manual_seed(1)

    def logits(self, images: Tensor) -> Tensor:
        rng = torch.Generator().manual_seed(7) if self.frozen and images.requires_grad else self.rng
        keep = torch.rand((len(images), 1, *images.shape[2:]), generator=rng) < 0.25
        return super().logits(torch.where(keep, images, torch.tensor(0.5)))


class Detached(Bare):
    """Answers by a branch that passes no gradient; a weak decoy with its own idea of the way passes one instead."""

    readout_names = ("decoy", "final")

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        weights = torch.randn(len(self.class_names), 3 * SIZE * SIZE, generator=torch.Generator().manual_seed(3))
        return torch.stack([1e-3 * images.flatten(1) @ weights.T, self.logits(images)], dim=1)

    def combine(self, logits: Tensor) -> Tensor:
        return logits[:, 1].detach() + logits[:, 0]


class _Flip(torch.autograd.Function):
    """The identity, whose gradient changes its sign from pixel to pixel and from point to point."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient * torch.sin(1e4 * x).sign()


class Shattered(Bare):
    """The sign of its gradient depends on the last digits of its input."""

    def logits(self, images: Tensor) -> Tensor:
        flipped: Tensor = _Flip.apply(images)
        return super().logits(flipped)


MASKS: dict[str, Callable[[nn.Module], Defence]] = {
    "zero gradient": Rounded,
    "saturated loss": Loud,
    "frozen noise": Blinking,
    "transfer beats direct": Detached,
    "shattered gradient": Shattered,
}


@pytest.fixture(scope="session")
def network() -> nn.Module:
    """Right on all of the pictures, and robust to nothing."""
    return small_network()


def evaluated(defence: Defence) -> dict[str, Any]:
    """A report of a few cheap attacks, examined for masks."""
    images, labels = pictures("test", COUNT)
    rng = torch.Generator().manual_seed(0)
    noise: Noise = FreshNoise(rng) if defence.random else SilentNoise()
    draws = 5 if defence.random else 1

    def stands(x: Tensor, y: Tensor) -> Tensor:
        return majority(answers(defence, x, noise, draws))[:, -1] == y

    common = {"eps": EPS, "steps": 10, "restarts": 1}
    attacks = [PgdConfig(source="defence", loss=loss, **common) for loss in ("ce", "margin")]
    attacks += [PgdConfig(source=f"predictor {i}", loss="margin", **common) for i in range(len(defence.readout_names))]
    every = [*attacks, SquareConfig(eps=EPS, queries=120, repeats=draws)]
    clean = stands(images, labels)
    standing = {}
    for config in every:
        *_, last = run_attack(defence, images, labels, config, rng=rng, noise=noise, judge=stands)
        standing[config.name] = clean & ~last.broken
    worst = torch.stack(list(standing.values())).all(0)
    rows = {"clean": clean.tolist(), "counted": [True] * COUNT, "label": [0] * COUNT}
    report = plain_report(
        COUNT,
        defence={
            "aggregator": "",
            "voters": len(defence.readout_names),
            "noise": "fresh" if defence.random else "off",
            "draws": draws,
        },
        clean=proportion(clean).to_json(),
        clean_by_readout=dict.fromkeys(defence.readout_names, proportion(clean).to_json()),
        attacks=[
            attack_report(c.name, int(standing[c.name].sum()), COUNT, config=c.model_dump(mode="json"), attacked=None)
            for c in every
        ],
        worst_case=proportion(worst).to_json(),
        per_image={**rows, "standing": {name: mask.tolist() for name, mask in standing.items()}},
    )
    sweep = SweepConfig(
        attack=PgdConfig(loss="margin", eps=EPS, steps=10, restarts=1),
        sources=("defence",),
        eps=(6 / 255, EPS, 128 / 255),
        steps=(5, 10, 20),
        eot=(1, 2),
    )
    ladder = lambda: Ladder(defence, images, labels, clean, stands, noise, rng)  # noqa: E731
    return examined(as_report(report), ladder, sweep).to_json()


def examined(report: EvaluationReport, ladder: Callable[[], Ladder], config: SweepConfig) -> EvaluationReport:
    """The report with its curves and diagnostics, each by a ladder of its own, and the findings of all."""
    found = {"sweep": epsilon_sweep(ladder(), config), "convergence": convergence(ladder(), config)}
    last = ladder()
    right = last.clean
    seen = diagnose(
        last.defence,
        last.images[right],
        last.labels[right],
        eps=config.attack.eps,
        step=STEP,
        batch=last.batch,
        noise=last.noise,
        rng=last.rng,
    )
    whole = report.model_copy(update={**found, "diagnostics": seen})
    return whole.model_copy(update={"findings": findings(whole)})


def found(report: dict[str, Any]) -> set[str]:
    return {finding["sign"] for finding in report["findings"] if finding["verdict"] == "found"}


def test_an_undefended_network_falls_to_zero_and_shows_no_sign(network: nn.Module) -> None:
    report = evaluated(Bare(network))
    assert report["clean"]["accuracy"] > 0.95
    assert report["worst_case"]["correct"] == 0
    assert report["sweep"]["curves"][0]["points"][-1]["correct"] == 0
    assert found(report) == set(), report["findings"]
    assert verdict(as_report(report)).startswith("No sign of gradient masking in 8 tests")


@pytest.mark.slow
def test_honest_noise_shows_no_sign_of_frozen_noise(network: nn.Module) -> None:
    report = evaluated(Blinking(network, frozen=False))
    assert not found(report) & {"frozen noise", "zero gradient", "saturated loss", "shattered gradient"}


@pytest.mark.slow
@pytest.mark.parametrize("sign", MASKS)
def test_a_planted_mask_is_caught_and_named(network: nn.Module, sign: str) -> None:
    report = evaluated(MASKS[sign](network))
    assert report["clean"]["accuracy"] > 0.9
    assert sign in found(report), report["findings"]
    assert sign in verdict(as_report(report))
    others = found(report) & {"zero gradient", "saturated loss", "frozen noise"} - {sign}
    assert not others, "another mask was named"
    if sign != "frozen noise":  # whose fresh noise would take more queries
        assert report["worst_case"]["accuracy"] < 0.5, report["attacks"]


@pytest.mark.slow
def test_a_mask_that_square_sees_through_is_named_so(network: nn.Module) -> None:
    assert "black box beats white box" in found(evaluated(Rounded(network)))
