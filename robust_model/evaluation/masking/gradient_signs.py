"""The signs of gradient masking that gradients show: from the diagnostics of a report to a verdict and its evidence.

See `masking` for their names and sources, `facts` for what counts, `diagnostics` for what was looked at, and where.
"""

from collections.abc import Callable
from dataclasses import dataclass

from robust_model.attacks import GradientConfig
from robust_model.attacks.losses import CROSS_ENTROPY
from robust_model.evaluation.masking.facts import (
    ALPHA,
    CHANCE,
    EFFECT,
    UPHILL,
    Facts,
    Result,
    share,
    untested,
    verdict_of,
)
from robust_model.evaluation.masking.significance import at_least
from robust_model.evaluation.record.values import GradientCounts, Numbers


@dataclass(frozen=True)
class Place:
    """Where something was counted: `count` of `n` images. `weight`: the share of all that are right when clean that
    each of the n stands for."""

    where: str
    count: int
    n: int
    weight: float

    @property
    def words(self) -> str:
        """The place and its count."""
        return f"{self.where} for {share(self.count, self.n)}"


def _looks(facts: Facts) -> list[tuple[str, GradientCounts, float]]:
    """Every place where the gradient was looked at: in words, what was seen, and each look's share of the images.

    Where an attack ended, the gradient was looked at for some of the images that it left standing.
    """
    diagnostics = facts.report.diagnostics
    if diagnostics is None or not diagnostics.n:
        return []
    found: list[tuple[str, GradientCounts, float]] = [("at the clean image", diagnostics, 1 / diagnostics.n)]
    ball = diagnostics.ball
    if ball is not None and ball.n:
        found.append(("at random points of the ball", ball, 1 / ball.n))
    for attack in facts.attacks:
        ends = attack.ends
        if ends is not None and ends.n:
            standing = len(facts.images - facts.broken[attack.name]) / max(1, len(facts.images))
            found.append((f"where '{attack.name}' ended", ends, standing / ends.n))
    return found


def _first_steps(facts: Facts, *, entropy: bool) -> list[Place]:
    """Where attacks by our own gradients began with none: those on cross-entropy, or those on other losses."""
    return [
        Place(f"in the first step of '{a.name}'", a.zero_gradients, a.attacked, 1 / a.attacked)
        for a in facts.attacks
        if a.zero_gradients is not None and a.attacked
        if isinstance(a.config, GradientConfig) and (getattr(a.config, "loss", "") == CROSS_ENTROPY) is entropy
    ]


def _worst(places: list[Place], p_of: Callable[[Place], float]) -> tuple[bool, Place, float]:
    """Whether the clearest of several places shows a sign, that place, and its p, multiplied by their number
    (Bonferroni)."""
    worst = min(places, key=lambda place: (p_of(place), -place.count))
    p = min(1.0, len(places) * p_of(worst))
    return p < ALPHA and worst.count * worst.weight >= EFFECT, worst, p


def _vanishing(facts: Facts, count: Callable[[GradientCounts], int], words: str, further: list[Place]) -> Result:
    """Whether a gradient vanishes (by a `count` of the looks) where attacks begin, go and end."""
    looks = _looks(facts)
    places = [Place(where, count(seen), seen.n, weight) for where, seen, weight in looks] + further
    if not looks:
        return untested("Needs the diagnostics of the gradient.")
    yes, worst, p = _worst(places, lambda place: at_least(place.count, place.n, CHANCE))
    told = dict.fromkeys(place.words for place in (*places[:2], worst))
    evidence = f"{words} {', '.join(told)} (exact binomial against {CHANCE:.0%}, p = {p:.2g}, {len(places)} places)."
    return verdict_of(yes), evidence, {"count": worst.count, "n": worst.n, "p": p, "where": worst.where}


def zero_gradient(facts: Facts) -> Result:
    """No loss has a gradient: at the clean image, in the ball, in an attack's first step, or where it ended."""
    found, evidence, numbers = _vanishing(
        facts,
        lambda seen: seen.zero_gradient,
        "The gradient of every loss (cross-entropy and margin) is zero",
        _first_steps(facts, entropy=False),
    )
    cure = " Something in the defence cannot be differentiated." if found == "found" else ""
    return found, evidence + cure, numbers


def saturated_loss(facts: Facts) -> Result:
    """Cross-entropy has no gradient where the margin has one: the logits are too large for float32."""
    margins = [place.count / place.n for place in _first_steps(facts, entropy=False)]
    further = []
    if margins:  # what the margin's gradient lacks as well is no saturation
        further = [
            Place(e.where, max(0, e.count - round(max(margins) * e.n)), e.n, e.weight)
            for e in _first_steps(facts, entropy=True)
        ]
    verdict, evidence, numbers = _vanishing(
        facts,
        lambda seen: seen.saturated_loss,
        "Cross-entropy has a zero gradient in float32 and the margin has not",
        further,
    )
    diagnostics = facts.report.diagnostics
    if verdict != "not tested" and diagnostics is not None and diagnostics.median_margin is not None:
        gap = diagnostics.median_margin
        cure = " The logits are too large for cross-entropy; attack the margin." if verdict == "found" else ""
        evidence += f"{cure} The true logit leads by {gap:.3g} in the median."
        numbers["median_margin"] = gap
    return verdict, evidence, numbers


def shattered_gradient(facts: Facts) -> Result:
    """The gradient is there, and does not lead uphill."""
    places = [
        Place(where, seen.stepped - seen.uphill, seen.stepped, weight)
        for where, seen, weight in _looks(facts)
        if seen.stepped
    ]
    diagnostics = facts.report.diagnostics
    if diagnostics is None or not places:
        return untested("Needs the diagnostics of the gradient at images where it is not zero.")
    yes, worst, p = _worst(places, lambda place: at_least(place.count, place.n, 1 - UPHILL))
    step = diagnostics.step
    told = dict.fromkeys(place.words for place in (*places[:2], worst))
    evidence = (
        f"A step of {step * 255:.3g}/255 along the gradient's sign does not raise the loss as it promises (by a tenth "
        f"of that at least, and more than a random step) {', '.join(told)}; above {1 - UPHILL:.0%} the gradient does "
        f"not lead uphill (exact binomial, p = {p:.2g}, {len(places)} places)."
    )
    numbers: Numbers = {"uphill": worst.n - worst.count, "n": worst.n, "p": p, "where": worst.where}
    return verdict_of(yes), evidence, numbers


def two_faces(facts: Facts) -> Result:
    """A deterministic defence that answers otherwise when its gradient is asked for."""
    places = [
        Place(where, seen.two_faced, seen.faced, weight)
        for where, seen, weight in _looks(facts)
        if seen.faced and seen.two_faced is not None
    ]
    if not places:
        return untested("Needs the diagnostics of a deterministic defence.")
    yes, worst, p = _worst(places, lambda place: at_least(place.count, place.n, CHANCE))
    evidence = (
        f"The answer is another when its gradient is asked for {worst.words} (exact binomial against {CHANCE:.0%}, "
        f"p = {p:.2g}, {len(places)} places)."
    )
    return verdict_of(yes), evidence, {"count": worst.count, "n": worst.n, "p": p, "where": worst.where}


def frozen_noise(facts: Facts) -> Result:
    """The answers are random, and the gradients are not (or nobody was told that they are)."""
    seen = facts.report.diagnostics
    if seen is None or seen.answers_vary is None or seen.gradients_vary is None:
        return untested("Needs the diagnostics of repeated passes, with gradients that are not zero.")
    answers, gradients, declared = seen.answers_vary, seen.gradients_vary, seen.random
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
