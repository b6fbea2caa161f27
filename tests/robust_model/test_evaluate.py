"""The report's numbers against what is known of the linear classifier."""

import json

import pytest
import torch

from generator.errors import StudioError
from robust_model.attacks import AttackConfig
from robust_model.data import LabelledImages
from robust_model.evaluate import EvalConfig, choose, evaluate_model, wilson
from tests.robust_model.test_attacks import EPS, Linear, standing

ATTACKS = (
    AttackConfig(source="mean", eps=EPS, steps=10, restarts=1),
    AttackConfig(source="defence", loss="margin", eps=EPS, steps=10, restarts=1, continues=True),
)
CONFIG = EvalConfig(model="linear", data="hand-made", count=0, eps=EPS, attacks=ATTACKS, batch=2)


def images() -> LabelledImages:
    """Six images: one wrong from the start, two that stand, three that fall (the rounding to 8 bits is far finer)."""
    scores = (0.1, 0.8, 0.3, 0.9, 0.2, 0.15)
    pixels = torch.stack([standing(s) for s in scores]).mul(255).round().to(torch.uint8)
    return LabelledImages(pixels, torch.tensor([0, 1, 1, 1, 1, 1]), ("no", "yes"), "hand-made")


def test_the_report_counts_what_is_known() -> None:
    report = evaluate_model(CONFIG, Linear(), data=images())
    assert report["complete"]
    assert report["clean"]["correct"] == 5
    assert report["clean_by_readout"]["shallow"]["correct"] == 5
    assert report["worst_case"] == {
        "accuracy": pytest.approx(2 / 6), "correct": 2, "n": 6, "ci95": pytest.approx(list(wilson(2, 6)))
    }  # fmt: skip
    assert report["per_image"]["standing"]["mean/ce"] == [False, True, False, True, False, False]
    assert report["passes"] > 0
    json.dumps(report)


def test_the_worst_case_is_per_image_over_all_attacks() -> None:
    direct = AttackConfig(source="defence", eps=EPS, steps=10, restarts=1)
    both = EvalConfig(**{**CONFIG.model_dump(), "attacks": (ATTACKS[0], direct)})
    report = evaluate_model(both, Linear(masked=True), data=images())
    by_name = {a["name"]: a["correct"] for a in report["attacks"]}
    assert by_name == {"mean/ce": 2, "defence/ce": 5}
    assert report["worst_case"]["correct"] == 2
    assert any("masked gradients" in warning for warning in report["warnings"])


def test_equal_seeds_give_equal_reports() -> None:
    def figures(seed: int) -> dict:
        report = evaluate_model(CONFIG.model_copy(update={"seed": seed}), Linear(), data=images())
        return {key: report[key] for key in ("clean", "attacks", "worst_case", "per_image", "passes")}

    assert figures(3) == figures(3)


def test_a_stop_keeps_what_is_finished_and_counts_nothing_else() -> None:
    steps = 0

    def stop_in_the_second_batch() -> bool:
        nonlocal steps
        steps += 1
        return steps > 30

    report = evaluate_model(CONFIG, Linear(), data=images(), should_stop=stop_in_the_second_batch)
    assert not report["complete"]
    counted = report["per_image"]["counted"]
    assert counted[0] and 0 < sum(counted) < 6
    assert report["worst_case"]["n"] == sum(counted)

    nothing = evaluate_model(CONFIG, Linear(), data=images(), should_stop=lambda: True)
    assert nothing["worst_case"] is None
    assert nothing["attacks"] == []
    assert nothing["clean"]["n"] == 6


def test_progress_reaches_its_end_and_never_falls() -> None:
    seen = []
    evaluate_model(CONFIG, Linear(), data=images(), on_progress=lambda p: seen.append((p.done, p.total)))
    assert [d for d, _ in seen] == sorted(d for d, _ in seen)
    assert all(done <= total for done, total in seen)
    assert seen[0][0] == 0


def test_other_classes_are_refused() -> None:
    other = LabelledImages(images().images, images().labels, ("cat", "dog"), "other")
    with pytest.raises(StudioError, match="own classes"):
        evaluate_model(CONFIG, Linear(), data=other)


def test_choice_of_images() -> None:
    few, indices = choose(images(), 3, seed=1)
    assert len(few) == 3 and indices == sorted(set(indices))
    assert choose(images(), 3, seed=1)[1] == indices
    assert torch.equal(few.images, images().images[torch.tensor(indices)])
    assert choose(images(), 0, seed=1)[1] == list(range(6))
    assert choose(images(), 99, seed=1)[1] == list(range(6))


def test_wilson_interval_by_hand() -> None:
    # 5 of 10: centre 1/2, half-width z / (1 + z^2/n) * sqrt(1/40 + z^2/400) with z = 1.96.
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
