"""Signs of gradient masking: does a report's robust accuracy rest on gradients that only hide the way down?

Sources of the signs: Athalye, Carlini & Wagner 2018 (arXiv 1802.00420), section 3.1; Carlini et al. 2019 (arXiv
1902.06705), section 4; Tramer et al. 2020 (arXiv 2002.08347). Every sign is tested against a threshold that `facts`
states. "Not found" is no proof of the contrary, and "not tested" says what would test it.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from robust_model.evaluation.facts import Facts, Numbers, Result, Verdict, read_facts
from robust_model.evaluation.gradient_signs import (
    frozen_noise,
    saturated_loss,
    shattered_gradient,
    two_faces,
    zero_gradient,
)
from robust_model.evaluation.signs import (
    accuracy_stays_above_zero,
    autoattack_overestimates,
    black_box_beats_white_box,
    keeps_helping,
    transfer_beats_direct,
)


class Finding(TypedDict):
    """One sign: what was concluded, why in words, and the numbers it rests on."""

    sign: str
    verdict: Verdict
    evidence: str
    numbers: Numbers


SIGNS: dict[str, Callable[[Facts], Result]] = {
    "transfer beats direct": transfer_beats_direct,
    "black box beats white box": black_box_beats_white_box,
    "accuracy does not reach zero": accuracy_stays_above_zero,
    "more steps keep helping": keeps_helping("steps"),
    "more EOT keeps helping": keeps_helping("eot"),
    "zero gradient": zero_gradient,
    "saturated loss": saturated_loss,
    "shattered gradient": shattered_gradient,
    "frozen noise": frozen_noise,
    "two faces": two_faces,
    "AutoAttack overestimates": autoattack_overestimates,
}


def findings(report: Mapping[str, Any]) -> list[Finding]:
    """Every sign of gradient masking, tested on what the report holds (schema 1 or 2, complete or not)."""
    facts = read_facts(report)
    found = []
    for name, sign in SIGNS.items():
        verdict, evidence, numbers = sign(facts)
        found.append(Finding(sign=name, verdict=verdict, evidence=evidence, numbers=numbers))
    return found


def tested(report: Mapping[str, Any]) -> str:
    """Which signs were tested, and which were not, in a sentence each."""
    every = report.get("findings") or findings(report)
    of = {kind: [f["sign"] for f in every if f["verdict"] == kind] for kind in ("found", "not found", "not tested")}
    lines = [
        (f"{len(of['found']) + len(of['not found'])} of {len(every)} signs of gradient masking were tested", ""),
        ("found", ", ".join(of["found"]) or "none"),
        ("tested and not found", ", ".join(of["not found"]) or "none"),
        ("not tested", ", ".join(of["not tested"]) or "none"),
    ]
    return "; ".join(f"{name}: {words}" if words else name for name, words in lines) + "."


def verdict(report: Mapping[str, Any]) -> str:
    """The findings in one or two sentences; those in the report if it has any, else read from it now."""
    every = report.get("findings") or findings(report)
    by_verdict: dict[str, list[str]] = {kind: [] for kind in ("found", "not found", "not tested")}
    for finding in every:
        by_verdict[finding["verdict"]].append(finding["sign"])
    tested = len(every) - len(by_verdict["not tested"])
    untested = f" Not tested: {', '.join(by_verdict['not tested'])}." if by_verdict["not tested"] else ""
    if not tested:
        return f"Gradient masking was not tested.{untested}"
    if by_verdict["found"]:
        return (
            f"Gradient masking: {len(by_verdict['found'])} of {tested} signs tested were found "
            f"({', '.join(by_verdict['found'])}). Trust only the worst case over all attacks, and take it as an upper "
            f"bound.{untested}"
        )
    return f"No sign of gradient masking in {tested} tests; that is no proof that there is none.{untested}"
