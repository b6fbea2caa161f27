"""Sweeps and diagnostics of a linear classifier, whose exact robustness is known on paper."""

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from robust_model.attacks import PgdConfig
from robust_model.evaluation.masking.diagnostics import diagnose
from robust_model.evaluation.record.schema import Diagnostics
from robust_model.evaluation.sweep import Ladder, SweepConfig, convergence, epsilon_sweep
from robust_model.networks.noise import Noise, SilentNoise

EPS = (0.02, 0.06, 0.1, 0.2)
CONFIG = SweepConfig(
    attack=PgdConfig(loss="margin", eps=0.06, steps=8, restarts=1),
    sources=("defence",),
    eps=EPS,
    steps=(1, 8),
    batch=2,
)


class Linear(nn.Module):
    """Two classes on images [B, 3, 1, 2]: logit 1 minus logit 0 is the sum of (pixels - 1/2)."""

    class_names = ("no", "yes")
    readout_names = ("output",)
    random = False
    seen = 0

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        self.seen += len(images)
        score = (images - 0.5).flatten(1).sum(1)
        return torch.stack([-score / 2, score / 2], dim=1)[:, None]

    def voting(self, logits: Tensor) -> Tensor:
        return logits

    def combine(self, logits: Tensor) -> Tensor:
        return logits[:, 0]


def images() -> tuple[Tensor, Tensor]:
    """Class 1; eps lowers the score by 6 eps. Broken above 0.01, 0.05, 0.05 and 0.15; the last one is wrong."""
    scores = torch.tensor([0.01, 0.05, 0.05, 0.15, -0.1]) * 6
    return 0.5 + (scores / 6).view(-1, 1, 1, 1).expand(-1, 3, 1, 2), torch.ones(5, dtype=torch.long)


def ladder(model: Linear, **options: object) -> Ladder:
    x, y = images()

    def stands(points: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            return model.combine(model.readouts(points)).argmax(1) == labels

    rng = torch.Generator().manual_seed(0)
    return Ladder(model, x, y, stands(x, y), stands, SilentNoise(), rng, batch=2, **options)  # type: ignore[arg-type]


def test_the_sweep_finds_each_images_own_budget_and_ends_at_zero() -> None:
    found = epsilon_sweep(ladder(Linear()), CONFIG.model_copy(update={"eps": (*EPS, 0.4)}))
    (curve,) = found.curves
    assert [(p.value, p.correct) for p in curve.points] == [(0, 4), (0.02, 3), (0.06, 1), (0.1, 1), (0.2, 0)]
    assert curve.broken_at == (0.02, 0.06, 0.06, 0.2, -1)
    assert found.complete and found.n == 5 and found.clean_correct == 4


def test_broken_images_carry_over_and_cost_nothing_more() -> None:
    short, whole = (epsilon_sweep(ladder(Linear()), CONFIG.model_copy(update={"eps": e})) for e in (EPS[:2], EPS[:3]))
    # Only one image is left for the third budget: 9 gradients at most.
    assert 0 < whole.passes.backward - short.passes.backward <= 9


def test_convergence_varies_the_steps_at_the_attacks_own_budget() -> None:
    found = convergence(ladder(Linear()), CONFIG)
    (curve,) = found.curves  # a deterministic defence has no curve over EOT
    assert curve.axis == "steps"
    assert [p.value for p in curve.points] == [1, 8]
    assert curve.points[-1].correct == 1
    assert curve.config.eps == 0.06


def test_progress_rises_to_its_end() -> None:
    seen: list[tuple[int, int]] = []
    epsilon_sweep(ladder(Linear(), on_progress=lambda now: seen.append((now.done, now.total))), CONFIG)
    done = [d for d, _ in seen]
    assert done == sorted(done)
    assert done[-1] == seen[-1][1]
    assert {total for _, total in seen} == {seen[0][1]}


def test_a_stop_keeps_the_finished_values() -> None:
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 30

    found = epsilon_sweep(ladder(Linear(), should_stop=stop), CONFIG)
    assert not found.complete
    (curve,) = found.curves
    assert 1 <= len(curve.points) < len(EPS) + 1
    assert len(curve.points) - 1 == len({b for b in curve.broken_at if b not in (None, -1)})


@pytest.mark.parametrize("change", [{"eps": ()}, {"eps": (0.2, 0.1)}, {"steps": (3, 3)}, {"more": 1}])
def test_values_must_rise(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SweepConfig(**change)  # type: ignore[arg-type]


def diagnosed(model: Linear) -> Diagnostics:
    x, y = images()
    rng = torch.Generator().manual_seed(0)
    return diagnose(model, x[:4], y[:4], eps=0.02, batch=3, noise=SilentNoise(), rng=rng)


def test_a_linear_classifier_has_nothing_to_hide() -> None:
    seen = {
        "n": 4,
        "zero_gradient": 0,
        "saturated_loss": 0,
        "stepped": 4,
        "uphill": 4,
        "faced": 4,
        "two_faced": 0,
    }
    assert diagnosed(Linear()).to_json() == {
        **seen,
        "random": False,
        "draws": 1,
        "step": pytest.approx(1.7 / 255),
        "median_margin": pytest.approx(0.3),  # of 0.06, 0.3, 0.3 and 0.9
        "answers_vary": False,
        "gradients_vary": False,
        # A pass with the gradients of two losses, one without, and two steps; when clean one more, and two answers.
        "passes": {"forward": 4 * (2 + 2 + 3) + 4 * 4, "backward": 4 * 4 + 4 * 2},
        "ball": {**seen, "passes": {"forward": 16, "backward": 8}},
    }


class Cut(Linear):
    """Its answer has no gradient at all."""

    def combine(self, logits: Tensor) -> Tensor:
        return logits[:, 0].detach()


class Backwards(Linear):
    """Its gradient leads downhill."""

    def combine(self, logits: Tensor) -> Tensor:
        return 2 * logits[:, 0].detach() - logits[:, 0]


class Restless(Linear):
    """Says that it is deterministic, and is not."""

    def __init__(self) -> None:
        super().__init__()
        self.rng = torch.Generator().manual_seed(0)

    def combine(self, logits: Tensor) -> Tensor:
        return logits[:, 0] * (1 + torch.rand(1, generator=self.rng))


def test_what_is_wrong_with_a_gradient_is_counted() -> None:
    cut = diagnosed(Cut())
    assert (cut.zero_gradient, cut.stepped, cut.gradients_vary) == (4, 0, None)
    assert diagnosed(Backwards()).uphill == 0
    restless = diagnosed(Restless())
    assert restless.answers_vary and restless.gradients_vary and not restless.random


def test_nothing_can_be_said_of_no_images() -> None:
    x, y = images()
    rng = torch.Generator().manual_seed(0)
    found = diagnose(Linear(), x[:0], y[:0], eps=0.1, noise=SilentNoise(), rng=rng)
    assert found.n == 0 and found.median_margin is None and found.answers_vary is None
