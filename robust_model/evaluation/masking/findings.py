"""Signs of gradient masking: does a report's robust accuracy rest on gradients that only hide the way down?

Sources of the signs: Athalye, Carlini & Wagner 2018 (arXiv 1802.00420), section 3.1; Carlini et al. 2019 (arXiv
1902.06705), section 4; Tramer et al. 2020 (arXiv 2002.08347). Every sign is tested against a threshold that `facts`
states. "Not found" is no proof of the contrary, and "not tested" says what would test it.
"""

from collections.abc import Callable, Sequence

from robust_model.evaluation.masking.facts import Facts, Result, read_facts
from robust_model.evaluation.masking.gradient_signs import (
    frozen_noise,
    saturated_loss,
    shattered_gradient,
    two_faces,
    zero_gradient,
)
from robust_model.evaluation.masking.signs import (
    accuracy_stays_above_zero,
    autoattack_overestimates,
    black_box_beats_white_box,
    keeps_helping,
    transfer_beats_direct,
)
from robust_model.evaluation.record.schema import EvaluationReport, Finding, Verdict

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


def findings(report: EvaluationReport) -> tuple[Finding, ...]:
    """Every sign of gradient masking, tested on what the report holds, complete or not."""
    facts = read_facts(report)
    found = []
    for name, sign in SIGNS.items():
        verdict, evidence, numbers = sign(facts)
        found.append(Finding(sign=name, verdict=verdict, evidence=evidence, numbers=numbers))
    return tuple(found)


def findings_of(report: EvaluationReport) -> tuple[Finding, ...]:
    """The report's findings; of one that has none (it is of version 1, or no attack has begun) read from it now."""
    return report.findings or findings(report)


def _signs(every: Sequence[Finding], verdict: Verdict) -> list[str]:
    return [finding.sign for finding in every if finding.verdict == verdict]


def tested(report: EvaluationReport) -> str:
    """Which signs were tested, and which were not, in a sentence each."""
    every = findings_of(report)
    found, missed, untested = (_signs(every, verdict) for verdict in ("found", "not found", "not tested"))
    lines = [
        (f"{len(found) + len(missed)} of {len(every)} signs of gradient masking were tested", ""),
        ("found", ", ".join(found) or "none"),
        ("tested and not found", ", ".join(missed) or "none"),
        ("not tested", ", ".join(untested) or "none"),
    ]
    return "; ".join(f"{name}: {words}" if words else name for name, words in lines) + "."


def verdict(report: EvaluationReport) -> str:
    """The findings in one or two sentences."""
    every = findings_of(report)
    found, left = _signs(every, "found"), _signs(every, "not tested")
    tested = len(every) - len(left)
    untested = f" Not tested: {', '.join(left)}." if left else ""
    if not tested:
        return f"Gradient masking was not tested.{untested}"
    if found:
        return (
            f"Gradient masking: {len(found)} of {tested} signs tested were found ({', '.join(found)}). Trust only the "
            f"worst case over all attacks, and take it as an upper bound.{untested}"
        )
    return f"No sign of gradient masking in {tested} tests; that is no proof that there is none.{untested}"
