"""Signs of masking by hand: from what attacks left standing, sweeps and gradients to a verdict."""

from typing import Any

import pytest

from robust_model.attacks import PgdConfig
from robust_model.evaluation.masking.findings import SIGNS, findings, verdict
from robust_model.evaluation.masking.significance import fisher, mcnemar, mcnemar_greater
from robust_model.evaluation.record.reading import as_report
from tests.reports import PASSES, attack_report, figure, plain_report


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
