"""The report's numbers against what is known of small models."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from foundation.intervals import wilson
from foundation.progress import Progress
from robust_model.attacks import AttackOutcome, AutoAttackConfig, PassCount, PgdConfig, SquareConfig
from robust_model.data.class_match import match_classes
from robust_model.data.datasets import LabelledImages
from robust_model.evaluation.accounting import by_draws, majority
from robust_model.evaluation.cost import estimate
from robust_model.evaluation.masking.diagnostics import diagnose
from robust_model.evaluation.record.config import EvalConfig, choose
from robust_model.networks.noise import SilentNoise
from robust_model.networks.plain import PlainConfig, PlainDefence
from tests.robust_model.evaluated import EPS, Coin, Known, chances, evaluate_model, images

ATTACKS = (
    PgdConfig(source="mean", eps=EPS, steps=10, restarts=1),
    PgdConfig(source="defence", loss="margin", eps=EPS, steps=10, restarts=1, continues=True),
)
CONFIG = EvalConfig(model="linear", data="hand-made", count=0, eps=EPS, attacks=ATTACKS, batch=2)


def changed(**changes: Any) -> EvalConfig:
    return EvalConfig(**{**dict(CONFIG), **changes})


def test_the_report_counts_what_is_known() -> None:
    report = evaluate_model(CONFIG, Known(), data=images())
    assert report["complete"] and report["schema"] == 2
    assert report["clean"]["correct"] == 5
    assert report["clean_by_readout"]["shallow"]["correct"] == 5
    assert report["worst_case"] == {
        "accuracy": pytest.approx(2 / 6), "correct": 2, "n": 6, "ci95": pytest.approx(list(wilson(2, 6)))
    }  # fmt: skip
    assert report["per_image"]["standing"]["mean/ce"] == [False, True, False, True, False, False]
    first = report["attacks"][0]
    assert first["rescored"]["correct"] == 2 and first["attacked"] == 5
    assert 0.05 < first["distance_max"] <= EPS + 1e-6
    assert report["accounting"] is None and report["defence"]["noise"] == "off"
    assert {f["sign"] for f in report["findings"]} >= {"transfer beats direct"}
    json.dumps(report)


def test_every_pass_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = Known(), 0
    plain = model.readouts

    def counted(pixels: Tensor, noise: object = None) -> Tensor:
        nonlocal seen
        seen += len(pixels)
        return plain(pixels)

    monkeypatch.setattr(model, "readouts", counted)
    none, rng = images().images[:0] / 255, torch.Generator()
    nothing = diagnose(Known(), none, images().labels[:0], eps=EPS, noise=SilentNoise(), rng=rng)
    monkeypatch.setattr("robust_model.evaluation.units.diagnose", lambda *_args, **_options: nothing)
    report = evaluate_model(CONFIG, model, data=images())
    assert report["passes"]["forward"] == seen
    by_attack = [PassCount(**attack["passes"]) for attack in report["attacks"]]
    assert sum(passes.forward for passes in by_attack) == seen - 6
    # Without a judge's or a verdict's pass there is one backward per forward pass.
    assert 0 < report["passes"]["backward"] < seen


def test_the_worst_case_is_per_image_over_all_attacks() -> None:
    direct = PgdConfig(source="defence", eps=EPS, steps=10, restarts=1)
    report = evaluate_model(changed(attacks=(ATTACKS[0], direct)), Known(masked=True), data=images())
    by_name = {a["name"]: a["correct"] for a in report["attacks"]}
    assert by_name == {"mean/ce": 2, "defence/ce": 5}
    assert report["worst_case"]["correct"] == 2


@pytest.mark.slow
def test_in_a_cascade_attacks_meet_what_is_left() -> None:
    direct = PgdConfig(source="defence", loss="margin", eps=EPS, steps=10, restarts=1)
    for attacks in ((ATTACKS[0], direct), (direct, ATTACKS[0]), ATTACKS):
        apart = evaluate_model(changed(attacks=attacks), Known(masked=True), data=images())
        cascade = evaluate_model(changed(attacks=attacks, cascade=True), Known(masked=True), data=images())
        assert cascade["worst_case"] == apart["worst_case"]
        first, second = cascade["attacks"]
        assert (first["cumulative"], second["cumulative"]) == (False, True)
        assert second["attacked"] == first["correct"] < apart["attacks"][1]["attacked"] or first["correct"] == 5
        assert second["correct"] == cascade["worst_case"]["correct"]


def test_equal_seeds_give_equal_reports() -> None:
    def figures(seed: int) -> dict[str, Any]:
        report = evaluate_model(changed(seed=seed), Known(), data=images())
        return {key: report[key] for key in ("clean", "worst_case", "per_image", "passes")}

    assert figures(3) == figures(3)


def test_a_stop_keeps_what_is_finished_and_counts_nothing_else() -> None:
    asked = 0

    def stop_in_the_second_batch() -> bool:
        nonlocal asked
        asked += 1
        return asked > 30

    report = evaluate_model(CONFIG, Known(), data=images(), should_stop=stop_in_the_second_batch)
    assert not report["complete"]
    counted = report["per_image"]["counted"]
    assert 0 < sum(counted) < 6
    assert report["worst_case"]["n"] == sum(counted)
    whole = evaluate_model(CONFIG, Known(), data=images())
    for name, standing in report["per_image"]["standing"].items():
        then = whole["per_image"]["standing"][name]
        assert [s for s, c in zip(standing, counted, strict=True) if c] == [
            s for s, c in zip(then, counted, strict=True) if c
        ]

    nothing = evaluate_model(CONFIG, Known(), data=images(), should_stop=lambda: True)
    assert nothing["worst_case"] is None and nothing["attacks"] == [] and nothing["findings"] == []
    assert nothing["clean"]["n"] == 2, "one batch of clean answers is the least"


def test_progress_reaches_its_end_and_never_falls() -> None:
    seen = []
    evaluate_model(CONFIG, Known(), data=images(), on_progress=lambda p: seen.append((p.done, p.total)))
    assert [d for d, _ in seen] == sorted(d for d, _ in seen)
    assert len({total for _, total in seen}) == 1
    assert seen[0][0] > 0 and seen[-1][0] == pytest.approx(seen[-1][1], abs=1)


@pytest.mark.slow
def test_a_random_model_is_counted_in_every_way() -> None:
    # Chances of 0, 30, 60 and 100 % under an attack that can move them by nothing.
    config = EvalConfig(
        model="coin", data="coins", count=0, eps=0.0, draws=301, batch=3, attacks=(PgdConfig(eps=0.0, steps=1),)
    )
    report = evaluate_model(config, Coin(), data=chances(0, 30, 60, 100))
    assert report["defence"] == {"aggregator": "last", "voters": 1, "noise": "fresh", "draws": 301}
    assert report["clean"]["correct"] == 2 and report["worst_case"]["correct"] == 2
    accounting = report["accounting"]["worst_case"]
    assert accounting["rescored"]["correct"] == 2 and accounting["every_draw"]["correct"] == 1
    assert report["accounting"]["clean"]["mean"] == pytest.approx((0 + 0.3 + 0.6 + 1) / 4, abs=0.03)
    (attack,) = report["attacks"]
    assert attack["attacked"] == 3, "an image that some draw gets right is attacked as well"
    assert attack["accounting"]["mean"] == pytest.approx(0.475, abs=0.03)
    only = evaluate_model(config.model_copy(update={"attack_all": False}), Coin(), data=chances(0, 30, 60, 100))
    assert only["attacks"][0]["attacked"] == 2 and only["worst_case"] == report["worst_case"]


def test_a_lucky_verdict_is_rescored(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attack whose judge was wrong: the worst case counts what it found, the re-scored figure does not."""

    def liar(_defence: object, pixels: Tensor, *_args: object, **_options: object) -> Iterator[AttackOutcome]:
        outcome = AttackOutcome.untouched(pixels)
        outcome.broken[:] = True
        yield outcome

    monkeypatch.setattr("robust_model.evaluation.units.run_attack", liar)
    config = EvalConfig(model="coin", data="coins", count=0, eps=0.0, draws=51, attacks=(PgdConfig(eps=0.0),))
    report = evaluate_model(config, Coin(), data=chances(95, 100))
    assert report["worst_case"]["correct"] == 0
    assert report["accounting"]["worst_case"]["rescored"]["correct"] == 2


def test_an_attack_that_leaves_the_ball_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def stray(_defence: object, pixels: Tensor, *_args: object, **_options: object) -> Iterator[AttackOutcome]:
        outcome = AttackOutcome.untouched(pixels)
        outcome.images = (pixels + 0.2).clamp(0, 1)
        outcome.broken[:] = True
        yield outcome

    monkeypatch.setattr("robust_model.evaluation.units.run_attack", stray)
    with pytest.raises(AssertionError, match="left the ball"):
        evaluate_model(CONFIG, Known(), data=images())


def test_autoattack_says_itself_how_far_it_is() -> None:
    attack = AutoAttackConfig(eps=EPS, version="custom", attacks=("apgd-ce", "square"), steps=3, restarts=1, queries=3)
    said: list[str] = []
    evaluate_model(
        changed(attacks=(attack,)), Known(), data=images(), on_progress=lambda progress: said.append(progress.message)
    )
    assert any("robust accuracy after APGD-CE" in words and "running square" in words for words in said)
    assert not any("still stand" in words for words in said), "what AutoAttack has broken is known only at its end"


class Tying(Known):
    """Class 1 always has the logit 0, and class 0 has no more than that."""

    def readouts(self, images: Tensor, noise: object = None) -> Tensor:
        logits = super().readouts(images)
        return (logits - logits[..., 1:]).clamp(max=0.0)


def test_breaks_that_are_ties_are_counted_and_said() -> None:
    report, plain = (evaluate_model(CONFIG, model, data=images()) for model in (Tying(), Known()))
    assert report["worst_case"] == plain["worst_case"], "argmax takes the first class of a tie"
    first = report["attacks"][0]
    assert first["tied"] == first["attacked"] - first["correct"] == 3 and plain["attacks"][0]["tied"] == 0
    assert any("'mean/ce' breaks, 3 are exact ties" in words for words in report["warnings"])
    assert not any("ties" in words for words in plain["warnings"])


def test_autoattacks_own_number_stands_beside_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def half(_defence: object, pixels: Tensor, *_args: object, **_options: object) -> Iterator[AttackOutcome]:
        outcome = AttackOutcome.untouched(pixels)
        outcome.extra.update(own_correct=len(pixels) - 1, own_accuracy=0.0, warnings="flaw A\nflaw B")
        yield outcome

    monkeypatch.setattr("robust_model.evaluation.units.run_attack", half)
    attack = AutoAttackConfig(eps=EPS, version="custom", attacks=("apgd-ce",))  # two classes are too few for others
    report = evaluate_model(changed(attacks=(attack,)), Known(), data=images())
    # Batches of 2, 2 and 1 of the five that are right: 1 + 1 + 0 stand by its own count, out of six images.
    assert report["attacks"][0]["autoattack"] == {
        "own_accuracy": pytest.approx(2 / 6),
        "rescored_accuracy": pytest.approx(5 / 6),
        "warnings": ["flaw A", "flaw B"],
    }
    assert any("leaves 2 images, re-scored 5, though the model is deterministic" in w for w in report["warnings"])


class Shifted(Known):
    """Its frozen self sees every score a little lower: where a break is near the border, that decides."""

    def __init__(self, shift: float = 0.0) -> None:
        super().__init__()
        self.shift = shift

    def frozen(self) -> "Shifted":
        return Shifted(0.01)

    def readouts(self, images: Tensor, noise: object = None) -> Tensor:
        return super().readouts(images) + torch.tensor([self.shift, 0.0])


@pytest.mark.slow
def test_no_break_is_lost_by_our_own_rounding() -> None:
    """H2: FAB stops at the border of what it sees; what the copy lets it claim is asked of the network itself."""
    attack = AutoAttackConfig(eps=EPS, version="custom", attacks=("fab-t",), steps=20)
    report = evaluate_model(changed(attacks=(attack,)), Shifted(), data=images())
    (found,) = report["attacks"]
    own, again = found["autoattack"]["own_accuracy"], found["autoattack"]["rescored_accuracy"]
    assert own == again == report["worst_case"]["accuracy"] == pytest.approx(2 / 6)
    assert report["per_image"]["own"][found["name"]] == [False, True, False, True, False, False]
    assert not any("its own count" in warning for warning in report["warnings"])


def test_the_short_square_meets_a_sample_of_what_stands() -> None:
    """H1: it goes on to the rest where the sample falls, and costs little where it does not."""
    short = SquareConfig(eps=EPS, queries=60, only_standing=True, sample=0.1)
    many = images().subset(torch.tensor([1, 3] * 10 + [2, 4] * 20))
    # Nothing of the linear classifier is left by the first attack that could be broken.
    first = PgdConfig(source="mean", eps=EPS, steps=10, restarts=1)
    report = evaluate_model(changed(attacks=(first, short), batch=60), Known(), data=many)
    assert report["attacks"][1]["cumulative"] and report["attacks"][1]["attacked"] == 8
    assert report["attacks"][1]["correct"] == report["worst_case"]["correct"] == 20
    blind = PgdConfig(source="defence", eps=EPS, steps=10, restarts=1)
    report = evaluate_model(changed(attacks=(blind, short), batch=60), Known(masked=True), data=many)
    assert report["attacks"][0]["zero_gradients"] == 60
    assert report["attacks"][1]["attacked"] == report["attacks"][0]["correct"] > 40
    assert report["worst_case"]["correct"] == 20
    assert {"zero gradient", "black box beats white box"} <= {
        f["sign"] for f in report["findings"] if f["verdict"] == "found"
    }


def test_the_estimate_is_what_a_model_costs_that_never_breaks() -> None:
    attacks = (PgdConfig(eps=0.0, steps=4, restarts=2), PgdConfig(eps=0.0, source="defence", loss="targeted", steps=3))
    config = changed(eps=0.0, attacks=attacks)
    right = images().subset(torch.arange(1, 6))
    report = evaluate_model(config, Known(), data=right)
    found = estimate(Known(), config, right)
    assert {"forward": found.forward, "backward": found.backward} == report["passes"]
    assert found.images == 5 and found.seconds > 0 and f"{found.forward:,}" in found.text()


@pytest.mark.slow
def test_curves_are_part_of_the_report_on_request() -> None:
    report = evaluate_model(changed(sweep=4, eps=0.02, attacks=()), Known(), data=images())
    assert report["sweep"]["n"] == 4 and report["convergence"]["n"] == 4
    assert report["sweep"]["curves"][0]["points"][-1]["correct"] == 0
    assert "sweep" not in evaluate_model(CONFIG, Known(), data=images())


@pytest.mark.slow
def test_curves_are_in_the_estimate_and_in_the_progress() -> None:
    config = changed(sweep=4, attacks=ATTACKS[:1])
    with_curves, without = (estimate(Known(), c, images()) for c in (config, config.model_copy(update={"sweep": 0})))
    # By two sources, of 4 images each: 10 budgets of 20 steps, and 5, 10, 20, 40, 80 steps; a last look after each.
    more = 4 * 2 * (10 * 21 + 6 + 11 + 21 + 41 + 81)
    assert with_curves.forward - without.forward == with_curves.backward - without.backward == more
    seen: list[Progress] = []
    evaluate_model(config, Known(), data=images(), on_progress=seen.append)
    done = [progress.done for progress in seen]
    assert done == sorted(done) and done[-1] == seen[-1].total
    before = next(i for i, progress in enumerate(seen) if progress.message.startswith("sweep"))
    assert done[before] < seen[0].total - 1.5 * more, "the curves are still to come"
    assert any("convergence: " in progress.message and "still stand" in progress.message for progress in seen)


def test_other_classes_are_refused() -> None:
    other = LabelledImages(images().images, images().labels, ("cat", "dog"), "other")
    with pytest.raises(StudioError, match=r"no class called cat, dog.*--match order"):
        evaluate_model(CONFIG, Known(), data=other)
    report = evaluate_model(changed(match="order"), Known(), data=other)
    assert report["clean"]["correct"] == 5 and report["data"]["class_names"] == ["no", "yes"]
    with pytest.raises(StudioError, match="equally many"):
        match_classes(other, ("a", "b", "c"), "order")


def test_choice_of_images() -> None:
    few, indices = choose(images(), 3, seed=1)
    assert len(few) == 3 and indices == sorted(set(indices))
    assert choose(images(), 3, seed=1)[1] == indices
    assert torch.equal(few.images, images().images[torch.tensor(indices)])
    assert choose(images(), 0, seed=1)[1] == list(range(6))
    assert choose(images(), 99, seed=1)[1] == list(range(6))


def test_votes_by_hand() -> None:
    found = torch.tensor([[2, 0, 1], [2, 1, 0], [1, 1, 0], [0, 0, 1]])
    assert majority(found).tolist() == [2, 0, 0], "of equally many votes the lowest class wins"
    counted = by_draws(torch.tensor([[True, True], [True, False], [False, True], [False, False]]))
    assert counted.one_draw.correct == 2 and counted.every_draw.correct == 1
    assert counted.mean == 0.5 and counted.draws == 2


class Lying(Known):
    """Its frozen self answers the opposite; `asked` says which of the two has been asked."""

    def __init__(self, asked: list[str], honest: bool = True) -> None:
        super().__init__()
        self.asked, self.honest = asked, honest

    def frozen(self) -> "Lying":
        return Lying(self.asked, honest=False)

    def readouts(self, images: Tensor, noise: object = None) -> Tensor:
        self.asked.append("itself" if self.honest else "frozen")
        return super().readouts(images) * (1 if self.honest else -1)


def test_attacks_ask_the_frozen_network_and_verdicts_come_from_the_network_itself() -> None:
    asked: list[str] = []
    standing = changed(eps=0.0, attacks=(PgdConfig(source="mean", eps=0.0, steps=2, restarts=1),))
    assert evaluate_model(standing, Lying(asked), data=images())["worst_case"]["correct"] == 5, "no lie breaks an image"
    assert set(asked) == {"itself", "frozen"}
    believer = AutoAttackConfig(eps=0.0, version="custom", attacks=("apgd-ce",), steps=2, restarts=1)
    report = evaluate_model(changed(eps=0.0, attacks=(believer,)), Lying(asked), data=images())
    assert report["worst_case"]["correct"] == 5
    own = report["attacks"][0]["autoattack"]["own_accuracy"]
    assert own == pytest.approx(5 / 6), "what the copy alone lets AutoAttack claim is asked of the network itself"
    assert report["warnings"] == []


def test_attacks_in_bfloat16_are_judged_in_float32() -> None:
    """Logits 1 and 1.001 are equal in bfloat16, whose argmax is the wrong class: rounding, and no break."""
    linear = torch.nn.Linear(3 * 4 * 5, 2)
    linear.weight.data.zero_()
    linear.bias.data = torch.tensor([1.0, 1.001])
    seen: list[torch.dtype] = []
    linear.register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
    network = torch.nn.Sequential(torch.nn.Flatten(), linear)
    model = PlainDefence(network, PlainConfig(name="near", class_names=("no", "yes")))
    black = torch.zeros(3, 3, 4, 5, dtype=torch.uint8)
    data = LabelledImages(black, torch.ones(3, dtype=torch.int64), ("no", "yes"), "black")
    report = evaluate_model(changed(precision="bfloat16"), model, data=data)
    assert report["worst_case"]["correct"] == 3
    assert set(seen) == {torch.bfloat16, torch.float32}
    assert any("bfloat16" in warning for warning in report["warnings"])
    seen.clear()
    assert evaluate_model(CONFIG, model, data=data)["worst_case"]["correct"] == 3
    assert set(seen) == {torch.float32}
    seen.clear()
    believer = AutoAttackConfig(eps=0.1, version="custom", attacks=("apgd-ce",), steps=2, restarts=1)
    report = evaluate_model(changed(precision="bfloat16", attacks=(believer,)), model, data=data)
    assert set(seen) == {torch.float32}, "AutoAttack believes what it sees"
    assert report["attacks"][0]["autoattack"]["own_accuracy"] == 1.0
