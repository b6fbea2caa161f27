"""Masks planted on a small trained network: each must be caught and named, and the bare network must fall to zero."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from robust_model.attacks import Defence, PgdConfig, SquareConfig, run_attack
from robust_model.evaluation.accounting import answers, majority, proportion
from robust_model.evaluation.masking.diagnostics import STEP, diagnose
from robust_model.evaluation.masking.findings import SIGNS, findings, verdict
from robust_model.evaluation.masking.significance import fisher, mcnemar, mcnemar_greater
from robust_model.evaluation.record.reading import as_report
from robust_model.evaluation.record.schema import EvaluationReport
from robust_model.evaluation.sweep import Ladder, SweepConfig, convergence, epsilon_sweep
from robust_model.networks.noise import FreshNoise, Noise, SilentNoise
from tests.reports import PASSES, attack_report, figure, plain_report
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


def paper(standing: dict[str, list[int]], configs: dict[str, dict[str, Any]], n: int = 50) -> dict[str, Any]:
    """A report on n images, all right when clean; `standing` names those (by number) that each attack leaves."""
    rows = {name: [i in left for i in range(n)] for name, left in standing.items()}
    attacks = []
    for name, left in standing.items():
        config = {key: value for key, value in configs[name].items() if key != "entry"}
        attacks.append(attack_report(name, len(left), n, config=config, **configs[name].get("entry", {})))
    worst = sum(all(column) for column in zip(*rows.values(), strict=True)) if rows else n
    return plain_report(
        n,
        defence={"aggregator": "crossmax-median", "voters": 3, "noise": "off", "draws": 1},
        clean_by_readout=dict.fromkeys(("one", "two", "three"), figure(n, n)),
        attacks=attacks,
        worst_case=figure(worst, n),
        per_image={"label": [0] * n, "clean": [True] * n, "counted": [True] * n, "standing": rows},
    )


def by_sign(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {finding.sign: finding.to_json() for finding in findings(as_report(report))}


def curve(axis: str, *points: tuple[float, int], source: str = "defence") -> dict[str, Any]:
    """A sweep or a convergence of one curve, on 100 images: (value, how many are right)."""
    rows = [{"value": value, **figure(right, 100)} for value, right in points]
    config = PgdConfig(source=source).model_dump(mode="json")
    one = {"name": "c", "axis": axis, "config": config, "points": rows, "broken_at": []}
    return {"complete": True, "n": 100, "clean_correct": 90, "curves": [one], "passes": PASSES, "seconds": 1.0}


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


DIRECT, OTHER = {"source": "defence"}, {"source": "mean"}


def test_transfer_is_compared_on_the_same_images() -> None:
    configs = {"direct": DIRECT, "mean": OTHER}
    beaten = by_sign(paper({"direct": list(range(40)), "mean": list(range(5, 30))}, configs))["transfer beats direct"]
    # 15 images fall only to the transfer (0-4 and 30-39), none only to the direct attack: p = 2^-15.
    assert beaten["verdict"] == "found"
    assert (beaten["numbers"]["only_transfer"], beaten["numbers"]["only_direct"]) == (15, 0)
    assert beaten["numbers"]["p"] == pytest.approx(2**-15)
    # Six more are too few for chance, whatever their share.
    few = by_sign(paper({"direct": list(range(40)), "mean": list(range(34))}, configs))["transfer beats direct"]
    assert few["verdict"] == "not found"
    assert few["numbers"]["p"] == pytest.approx(2**-6)


def test_what_is_no_transfer_is_not_taken_for_one() -> None:
    left = {"direct": list(range(40)), "other": []}
    for config in (
        {"source": "crossmax-median"},  # the defence's own aggregator
        {"source": "defence", "continues": True},
        {"source": "mean", "entry": {"cumulative": True}},
    ):
        sign = by_sign(paper(left, {"direct": DIRECT, "other": config}))["transfer beats direct"]
        assert sign["verdict"] != "found", config
    settled = paper(left, {"direct": DIRECT, "other": {"source": "crossmax-median"}})
    settled["defence"] = {**settled["defence"], "aggregator": "crossmax-median-votes"}  # the same, but for ties
    assert by_sign(settled)["transfer beats direct"]["verdict"] != "found"
    frozen = {"source": "defence", "noise_over_steps": "frozen"}
    assert by_sign(paper(left, {"direct": DIRECT, "other": frozen}))["transfer beats direct"]["verdict"] == "found"
    one = paper(left, {"direct": DIRECT, "other": OTHER})
    one["clean_by_readout"] = {"output": figure(50, 50)}  # the mean of one predictor is the predictor
    assert by_sign(one)["transfer beats direct"]["verdict"] == "not tested"


def test_a_cumulative_square_gets_credit_only_for_its_own() -> None:
    square = {"kind": "square", "entry": {"cumulative": True}}
    configs = {"direct": DIRECT, "square": square}
    inherited = paper({"direct": list(range(20)), "square": list(range(18))}, configs)
    assert by_sign(inherited)["black box beats white box"]["numbers"]["only_black_box"] == 2
    own = paper({"direct": list(range(20)), "square": list(range(10))}, configs)
    assert by_sign(own)["black box beats white box"]["verdict"] == "found"


@pytest.mark.parametrize(
    ("sweep", "wanted"),
    [
        (curve("eps", (0, 90), (0.5, 8)), "found"),
        (curve("eps", (0, 90), (0.5, 1)), "not found"),
        (curve("eps", (0, 90), (0.1, 0)), "not found"),
        (curve("eps", (0, 90), (0.1, 30)), "not tested"),
        (curve("eps", (0, 90), (0.5, 8), source="mean"), "not tested"),
    ],
)
def test_the_sweep_must_reach_zero(sweep: dict[str, Any], wanted: str) -> None:
    report = paper({}, {}) | {"sweep": sweep}
    assert by_sign(report)["accuracy does not reach zero"]["verdict"] == wanted


@pytest.mark.parametrize(
    ("points", "wanted"),
    [
        (((10, 60), (20, 53)), "found"),  # 7 more: p = 2^-7
        (((10, 60), (20, 54)), "not found"),
        (((10, 60), (20, 40), (40, 40)), "not found"),
        (((10, 0),), "not found"),
        (((10, 60),), "not tested"),
    ],
)
@pytest.mark.parametrize(("axis", "sign"), [("steps", "more steps keep helping"), ("eot", "more EOT keeps helping")])
def test_more_effort_should_change_nothing(axis: str, sign: str, points: Any, wanted: str) -> None:
    report = paper({}, {}) | {"convergence": curve(axis, *points)}
    assert by_sign(report)[sign]["verdict"] == wanted


def test_autoattack_is_held_against_the_worst_case() -> None:
    own = {"own_accuracy": 0.8, "rescored_accuracy": 0.9, "warnings": []}
    configs = {"AutoAttack": {"kind": "autoattack", "entry": {"autoattack": own}}, "mean": OTHER}
    sign = by_sign(paper({"AutoAttack": list(range(45)), "mean": list(range(10))}, configs))["AutoAttack overestimates"]
    assert sign["verdict"] == "found"
    assert sign["numbers"]["worst_case"] == pytest.approx(0.2)
    sign = by_sign(paper({"AutoAttack": list(range(45)), "mean": list(range(38))}, configs))["AutoAttack overestimates"]
    assert sign["verdict"] == "not found"


def test_autoattack_and_the_worst_case_are_compared_on_the_same_images() -> None:
    """H4: 33 against 26 of the same 64 images, 7 to 0, is beyond chance; two samples of 64 would not tell."""
    own = {"own_accuracy": 33 / 64, "rescored_accuracy": 33 / 64, "warnings": []}
    configs = {"AutoAttack": {"kind": "autoattack", "entry": {"autoattack": own}}, "mean": OTHER}
    report = paper({"AutoAttack": list(range(33)), "mean": list(range(26))}, configs, n=64)
    sign = by_sign(report)["AutoAttack overestimates"]
    assert (sign["numbers"]["only_own"], sign["numbers"]["only_worst_case"]) == (7, 0)
    assert sign["numbers"]["p"] == pytest.approx(2**-7)
    assert sign["verdict"] == "found" and "McNemar" in sign["evidence"]
    # By its own count it breaks other images than those that fall: as many each way tell nothing.
    report["per_image"]["own"] = {"AutoAttack": [6 <= i < 33 or 50 <= i < 56 for i in range(64)]}
    sign = by_sign(report)["AutoAttack overestimates"]
    assert (sign["numbers"]["only_own"], sign["numbers"]["only_worst_case"]) == (13, 6)
    assert sign["verdict"] == "not found"


def look(**counts: int) -> dict[str, Any]:
    seen = {"n": 40, "zero_gradient": 0, "saturated_loss": 0, "stepped": 40, "uphill": 40, "faced": 40, "two_faced": 0}
    return {**seen, **counts, "passes": PASSES}


WHOLE = {"step": 0.007, "random": False, "draws": 1, "median_margin": 1.0} | {
    "answers_vary": False,
    "gradients_vary": False,
}


@pytest.mark.parametrize(
    ("sign", "counts"),
    [
        ("zero gradient", {"zero_gradient": 12}),
        ("saturated loss", {"saturated_loss": 12}),
        ("shattered gradient", {"uphill": 20}),
        ("two faces", {"two_faced": 12}),
    ],
)
@pytest.mark.parametrize("place", ["clean", "ball", "ends"])
def test_a_gradient_is_judged_wherever_it_was_looked_at(place: str, sign: str, counts: dict[str, int]) -> None:
    """H1: at the clean image, at random points of the ball, and where an attack ended."""
    seen = {name: look(**(counts if name == place else {})) for name in ("clean", "ball", "ends")}

    def report(left: int) -> dict[str, Any]:
        configs = {"direct": {**DIRECT, "entry": {"ends": seen["ends"], "attacked": 50, "zero_gradients": 0}}}
        return paper({"direct": list(range(left))}, configs) | {
            "diagnostics": {**seen["clean"], **WHOLE, "ball": seen["ball"]}
        }

    found = by_sign(report(40))
    assert found[sign]["verdict"] == "found", found[sign]
    assert {s for s, f in found.items() if f["verdict"] == "found"} == {sign}
    where = {"clean": "at the clean image", "ball": "at random points of the ball", "ends": "where 'direct' ended"}
    assert found[sign]["numbers"]["where"] == where[place]
    if place == "ends":  # of an attack that leaves nearly nothing, it explains nothing
        assert by_sign(report(1))[sign]["verdict"] == "not found"


def test_first_gradients_that_are_zero_are_judged() -> None:
    """H1: attacks count images whose first gradient is zero; the count is in the report, and a sign."""

    def verdicts(margin_zero: int, entropy_zero: int) -> set[str]:
        configs = {
            "a": {**DIRECT, "loss": "margin", "entry": {"attacked": 50, "zero_gradients": margin_zero}},
            "b": {**DIRECT, "loss": "ce", "entry": {"attacked": 50, "zero_gradients": entropy_zero}},
        }
        report = paper({"a": list(range(40)), "b": list(range(40))}, configs)
        every = by_sign(report | {"diagnostics": {**look(), **WHOLE}})
        return found({"findings": list(every.values())})

    assert verdicts(0, 0) == set()
    assert verdicts(20, 20) == {"zero gradient"}
    assert verdicts(0, 20) == {"saturated loss"}


def test_nothing_is_concluded_from_nothing() -> None:
    report = paper({}, {})
    every = by_sign(report)
    assert set(every) == set(SIGNS)
    assert {finding["verdict"] for finding in every.values()} == {"not tested"}
    assert verdict(as_report(report)).startswith("Gradient masking was not tested.")


def test_exact_tests_by_hand() -> None:
    assert mcnemar_greater(3, 1) == pytest.approx(5 / 16)  # (4 + 1) of 16
    assert mcnemar(3, 1) == pytest.approx(10 / 16)
    assert mcnemar(0, 0) == 1
    assert mcnemar(5, 5) == 1
    # A lady tasting tea: 3 of 4 and 1 of 4. One-sided 17/70, two-sided 34/70.
    assert fisher(3, 4, 1, 4) == pytest.approx(34 / 70)
    assert mcnemar_greater(900, 700) < 1e-6
