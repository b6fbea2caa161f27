"""The signs of gradient masking, one function each: from the facts of a report to a verdict and its evidence.

See `masking` for their names and sources. A difference counts if an exact test puts it beyond chance (p < `ALPHA`) and
it concerns at least `EFFECT` of the images that are right when clean.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from robust_model.crossmax import AGGREGATORS
from robust_model.evaluation.significance import at_least, at_most, fisher_greater, mcnemar_greater

ALPHA = 0.01
"""The level of every test."""
EFFECT = 0.02
"""The smallest difference that counts, as a share of the images that are right when clean."""
CHANCE = 0.01
"""The share of images for which a gradient may vanish by accident."""
UPHILL = 0.9
"""The share of images on which a smooth defence's gradient leads uphill (see `diagnostics`)."""
LARGE_EPS = 0.5
"""The L-inf budget that makes every image constant grey, so that no defence can stand."""

GRADIENT_KINDS = ("pgd", "apgd")
BLACK_BOX_KINDS = ("square",)

Verdict = Literal["found", "not found", "not tested"]
Numbers = dict[str, float | int | str]
Result = tuple[Verdict, str, Numbers]


@dataclass(frozen=True)
class Facts:
    """What the signs are read from: the report, and which images each attack broke.

    `images`: positions of the images that were right when clean and met every attack. `broken`: of these, by attack;
    of a cumulative attack (which meets only what those before it left standing), what it broke itself.
    """

    report: Mapping[str, Any]
    images: frozenset[int]
    broken: dict[str, frozenset[int]]

    @property
    def attacks(self) -> list[dict[str, Any]]:
        """The report's attacks, those with results per image."""
        return [a for a in self.report["attacks"] if a["name"] in self.broken]

    def names(self, kinds: tuple[str, ...]) -> list[str]:
        """The names of the attacks of these kinds."""
        return [a["name"] for a in self.attacks if kind_of(a) in kinds]

    def matters(self, difference: int, p: float) -> bool:
        """Whether a difference of so many images, with this p, is beyond chance and large enough."""
        return p < ALPHA and difference >= EFFECT * len(self.images)


def kind_of(attack: Mapping[str, Any]) -> str:
    """An attack's kind; reports of schema 1 know only PGD and do not name it."""
    return str(attack["config"].get("kind", "pgd"))


def read_facts(report: Mapping[str, Any]) -> Facts:
    """What the signs need of a report (schema 1 or 2, complete or not)."""
    rows = report["per_image"]
    images = frozenset(i for i, right in enumerate(rows["clean"]) if right and rows["counted"][i])
    broken: dict[str, frozenset[int]] = {}
    before: frozenset[int] = frozenset()
    for attack in report["attacks"]:
        standing = rows["standing"].get(attack["name"])
        if standing is None:
            continue
        fallen = frozenset(i for i in images if not standing[i])
        broken[attack["name"]] = fallen - before if attack.get("cumulative") else fallen
        before |= fallen
    return Facts(report, images, broken)


def _share(count: int, total: int) -> str:
    return f"{count} of {total} images ({count / max(1, total):.1%})"


def _untested(needs: str) -> Result:
    return "not tested", needs, {}


def _found(yes: bool) -> Verdict:
    return "found" if yes else "not found"


def _direct_sources(report: Mapping[str, Any]) -> set[str]:
    """The names of sources whose logits are the defended answer itself."""
    defence = report["defence"]
    own = str(defence.get("aggregator", ""))
    direct = {"defence", own, own.removesuffix("-votes")}  # votes only settle ties
    predictors = len(report.get("clean_by_readout", {}))
    if predictors <= 1 or defence.get("voters") == 1:  # one voter: whatever combines it, it is the answer
        direct |= {*AGGREGATORS, "predictor -1", f"predictor {predictors - 1}"}
    return direct


def transfer_beats_direct(facts: Facts) -> Result:
    """The best attack on other logits (or other noise) against the best on the defence's own.

    Continuations are both, and cumulative attacks met other images: they are left out. As many other attacks compete, p
    is multiplied by their number (Bonferroni).
    """
    own = _direct_sources(facts.report)
    direct: list[str] = []
    other: list[str] = []
    for attack in facts.attacks:
        config = attack["config"]
        if kind_of(attack) not in GRADIENT_KINDS or config.get("continues") or attack.get("cumulative"):
            continue
        usual_noise = config.get("noise_over_steps", "fresh") == "fresh"
        (direct if config["source"] in own and usual_noise else other).append(attack["name"])
    if not direct or not other:
        return _untested("Needs a gradient attack on the defence itself and one on another source (suite adaptive).")
    best, rival = (max(names, key=lambda name: len(facts.broken[name])) for names in (direct, other))
    more = len(facts.broken[rival] - facts.broken[best])
    less = len(facts.broken[best] - facts.broken[rival])
    p = min(1.0, len(other) * mcnemar_greater(more, less))
    evidence = (
        f"'{rival}', transferred to the defence, breaks {_share(len(facts.broken[rival]), len(facts.images))}; "
        f"'{best}', aimed at the defence itself, {_share(len(facts.broken[best]), len(facts.images))}. "
        f"{more} images fall only to the former, {less} only to the latter (exact McNemar, p = {p:.2g})."
    )
    numbers: Numbers = {"direct": best, "transfer": rival, "only_transfer": more, "only_direct": less, "p": p}
    return _found(facts.matters(more - less, p)), evidence, {**numbers, "images": len(facts.images)}


def black_box_beats_white_box(facts: Facts) -> Result:
    """Images that Square breaks and no gradient attack does."""
    white, black = facts.names(GRADIENT_KINDS), facts.names(BLACK_BOX_KINDS)
    if not white or not black:
        return _untested("Needs gradient attacks and Square on the same images (suite square, or thorough).")
    by_white = frozenset[int]().union(*(facts.broken[name] for name in white))
    more = len(frozenset[int]().union(*(facts.broken[name] for name in black)) - by_white)
    p = mcnemar_greater(more, 0)
    evidence = (
        f"Square, which sees no gradient, breaks {_share(more, len(facts.images))} that none of the {len(white)} "
        f"gradient attacks broke; these broke {len(by_white)} (exact McNemar, p = {p:.2g})."
    )
    numbers: Numbers = {"only_black_box": more, "white_box": len(by_white), "p": p, "images": len(facts.images)}
    return _found(facts.matters(more, p)), evidence, numbers


def accuracy_stays_above_zero(facts: Facts) -> Result:
    """A direct attack with a budget that allows anything leaves images standing."""
    sweep = facts.report.get("sweep")
    own = _direct_sources(facts.report)
    curves = [c for c in sweep["curves"] if c["config"].get("source") in own] if sweep else []
    if not sweep or not curves:
        return _untested("Needs a sweep of epsilon with an attack on the defence itself.")
    curve = min(curves, key=lambda c: (c["points"][-1]["correct"], -c["points"][-1]["value"]))
    last = curve["points"][-1]
    if last["correct"] and last["value"] < LARGE_EPS:
        return _untested(
            f"The sweep ends at {last['value'] * 255:.3g}/255 with {last['accuracy']:.1%}; it must reach zero, or "
            f"{LARGE_EPS * 255:.3g}/255."
        )
    right = sweep["clean_correct"]
    p = at_least(last["correct"], right, CHANCE) if right else 1.0
    evidence = (
        f"'{curve['name']}' leaves {_share(last['correct'], last['n'])} at {last['value'] * 255:.3g}/255, where an "
        f"image can be made almost anything (exact binomial against {CHANCE:.0%}, p = {p:.2g})."
        if last["correct"]
        else f"'{curve['name']}' reaches zero at {last['value'] * 255:.3g}/255."
    )
    numbers: Numbers = {"eps": last["value"], "correct": last["correct"], "n": last["n"], "p": p}
    return _found(last["correct"] >= max(1.0, EFFECT * right) and p < ALPHA), evidence, numbers


def keeps_helping(axis: str) -> Callable[[Facts], Result]:
    """The sign from the convergence curves along `axis`: the last increase still breaks images."""

    def sign(facts: Facts) -> Result:
        convergence = facts.report.get("convergence")
        every = convergence["curves"] if convergence else []
        curves = [c for c in every if c["axis"] == axis]
        left = [c for c in curves if c["points"][-1]["correct"]]
        if curves and not left:
            ends = ", ".join(f"'{c['name']}' with {c['points'][-1]['value']}" for c in curves)
            return "not found", f"Every curve reaches zero: {ends} {AXES[axis]}.", {}
        left = [c for c in left if len(c["points"]) > 1]
        if not convergence or not left:
            needs = " of a randomised defence" if axis == "eot" else ""
            return _untested(f"Needs a convergence curve over {AXES[axis]}{needs} with at least two values.")
        worst = max(left, key=lambda c: c["points"][-2]["correct"] - c["points"][-1]["correct"])
        before, last = worst["points"][-2:]
        more, right = before["correct"] - last["correct"], convergence["clean_correct"]
        p = mcnemar_greater(more, 0)
        evidence = (
            f"'{worst['name']}': from {before['value']} to {last['value']} {AXES[axis]} the accuracy goes from "
            f"{before['accuracy']:.1%} to {last['accuracy']:.1%}, {more} more of {last['n']} images (exact McNemar, "
            f"p = {p:.2g}); the last increase should change nothing."
        )
        numbers: Numbers = {"before": before["correct"], "after": last["correct"], "n": last["n"], "p": p}
        return _found(p < ALPHA and more >= EFFECT * right), evidence, numbers

    return sign


AXES = {"steps": "steps", "eot": "passes per gradient"}


def _vanishing(facts: Facts, key: str, words: str, cure: str) -> Result:
    diagnostics = facts.report.get("diagnostics")
    if not diagnostics or not diagnostics["n"]:
        return _untested("Needs the diagnostics of the gradient at the clean images.")
    count, total = diagnostics[key], diagnostics["n"]
    p = at_least(count, total, CHANCE)
    evidence = f"{words} for {_share(count, total)} (exact binomial against {CHANCE:.0%}, p = {p:.2g})."
    yes = p < ALPHA and count >= EFFECT * total
    return _found(yes), evidence + (f" {cure}" if yes else ""), {"count": count, "n": total, "p": p}


def zero_gradient(facts: Facts) -> Result:
    """No loss has a gradient at the clean image."""
    return _vanishing(
        facts,
        "zero_gradient",
        "At the clean image the gradient of every loss (cross-entropy and margin) is zero",
        "Something in the defence cannot be differentiated.",
    )


def saturated_loss(facts: Facts) -> Result:
    """Cross-entropy has no gradient where the margin has one: the logits are too large for float32."""
    verdict, evidence, numbers = _vanishing(
        facts,
        "saturated_loss",
        "At the clean image cross-entropy has a zero gradient in float32 and the margin has not",
        "The logits are too large for cross-entropy; attack the margin.",
    )
    if verdict != "not tested":
        gap = facts.report["diagnostics"]["median_margin"]
        evidence += f" The true logit leads by {gap:.3g} in the median."
        numbers["median_margin"] = gap
    return verdict, evidence, numbers


def shattered_gradient(facts: Facts) -> Result:
    """The gradient is there, and does not lead uphill."""
    diagnostics = facts.report.get("diagnostics")
    if not diagnostics or not diagnostics["stepped"]:
        return _untested("Needs the diagnostics of the gradient at images where it is not zero.")
    uphill, total = diagnostics["uphill"], diagnostics["stepped"]
    p = at_most(uphill, total, UPHILL)
    evidence = (
        f"A step of {diagnostics['step'] * 255:.3g}/255 along the gradient's sign raises the loss as it promises (by a "
        f"tenth of that at least, and more than a random step) for {_share(uphill, total)}; below {UPHILL:.0%} the "
        f"gradient does not lead uphill (exact binomial, p = {p:.2g})."
    )
    return _found(p < ALPHA), evidence, {"uphill": uphill, "n": total, "p": p}


def frozen_noise(facts: Facts) -> Result:
    """The answers are random, and the gradients are not (or nobody was told that they are)."""
    diagnostics = facts.report.get("diagnostics")
    if not diagnostics or diagnostics["answers_vary"] is None or diagnostics["gradients_vary"] is None:
        return _untested("Needs the diagnostics of repeated passes, with gradients that are not zero.")
    answers, gradients, declared = (diagnostics[key] for key in ("answers_vary", "gradients_vary", "random"))
    numbers: Numbers = {
        "answers_vary": int(answers),
        "gradients_vary": int(gradients),
        "declared_random": int(declared),
    }
    if not answers:
        return "not found", "Two passes over the same images answer alike: no noise to freeze.", numbers
    if gradients and declared:
        return "not found", "Answers and gradients both change from pass to pass, as they should.", numbers
    what = (
        "the defence calls itself deterministic, so that attacks average over nothing"
        if gradients
        else "gradients repeat: attacks see one frozen draw"
    )
    return "found", f"Answers change from pass to pass, but {what}.", numbers


def autoattack_overestimates(facts: Facts) -> Result:
    """AutoAttack's own figure is above the worst case."""
    entries = [a for a in facts.attacks if a.get("autoattack")]
    if not entries or not facts.report["worst_case"]:
        return _untested("Needs AutoAttack (suite autoattack-standard or autoattack-rand).")
    counted = facts.report["worst_case"]["n"]
    standing = facts.images - frozenset[int]().union(*facts.broken.values())
    lowest = min(entries, key=lambda a: a["autoattack"]["own_accuracy"])
    own, rescored = lowest["autoattack"]["own_accuracy"], lowest["autoattack"]["rescored_accuracy"]
    own_correct, worst = round(own * counted), len(standing)
    p = fisher_greater(own_correct, counted, worst, counted)
    evidence = (
        f"'{lowest['name']}' itself reports {own:.1%}; its images re-scored by majority, {rescored:.1%}; the worst "
        f"case over all attacks is {worst / max(1, counted):.1%} of {counted} images (Fisher's exact test, own figure "
        f"against worst case, p = {p:.2g})."
    )
    numbers: Numbers = {"own": own, "rescored": rescored, "worst_case": worst / max(1, counted), "n": counted, "p": p}
    return _found(facts.matters(own_correct - worst, p)), evidence, numbers
