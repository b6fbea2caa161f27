"""The signs of gradient masking that attacks and curves show: from the facts of a report to a verdict and its evidence.

See `masking` for their names and sources, `facts` for what counts, `gradient_signs` for those that gradients show.
"""

from collections.abc import Callable, Sequence

from robust_model.attacks import ATTACKS, GradientConfig
from robust_model.evaluation.masking.facts import (
    ALPHA,
    CHANCE,
    EFFECT,
    LARGE_EPS,
    Facts,
    Result,
    share,
    untested,
    verdict_of,
)
from robust_model.evaluation.masking.significance import at_least, mcnemar_greater
from robust_model.evaluation.record.schema import AttackReport, Axis, EvaluationReport
from robust_model.evaluation.record.values import Numbers
from robust_model.networks.crossmax import AGGREGATORS, crossmaxes


def direct_sources(report: EvaluationReport) -> set[str]:
    """The names of sources whose logits are the defended answer itself."""
    own = report.defence.aggregator
    direct = {"defence", own}
    if own in crossmaxes():  # votes only settle ties
        direct.add(crossmaxes()[own].but_for_ties or own)
    predictors = len(report.clean_by_readout)
    if predictors <= 1 or report.defence.voters == 1:  # one voter: whatever combines it, it is the answer
        direct |= {*AGGREGATORS, "predictor -1", f"predictor {predictors - 1}"}
    return direct


def transfer_beats_direct(facts: Facts) -> Result:
    """The best attack on other logits (or other noise) against the best on the defence's own.

    Continuations are both, and cumulative attacks met other images: they are left out. As many other attacks compete, p
    is multiplied by their number (Bonferroni).
    """
    own = direct_sources(facts.report)
    direct: list[str] = []
    other: list[str] = []
    for attack in facts.attacks:
        config = attack.config
        if not isinstance(config, GradientConfig) or config.continues or attack.cumulative:
            continue
        usual_noise = config.noise_over_steps == "fresh"
        (direct if config.source in own and usual_noise else other).append(attack.name)
    if not direct or not other:
        return untested("Needs a gradient attack on the defence itself and one on another source (suite adaptive).")
    best, rival = (max(names, key=lambda name: len(facts.broken[name])) for names in (direct, other))
    more = len(facts.broken[rival] - facts.broken[best])
    less = len(facts.broken[best] - facts.broken[rival])
    p = min(1.0, len(other) * mcnemar_greater(more, less))
    evidence = (
        f"'{rival}', transferred to the defence, breaks {share(len(facts.broken[rival]), len(facts.images))}; "
        f"'{best}', aimed at the defence itself, {share(len(facts.broken[best]), len(facts.images))}. "
        f"{more} images fall only to the former, {less} only to the latter (exact McNemar, p = {p:.2g})."
    )
    numbers: Numbers = {"direct": best, "transfer": rival, "only_transfer": more, "only_direct": less, "p": p}
    return verdict_of(facts.matters(more - less, p)), evidence, {**numbers, "images": len(facts.images)}


def black_box_beats_white_box(facts: Facts) -> Result:
    """Images that attacks without gradients break, such as Square, and no gradient attack does."""
    white, black = facts.of_kinds(lambda kind: kind.by_gradients), facts.of_kinds(lambda kind: kind.black_box)
    if not white or not black:
        return untested("Needs gradient attacks and Square on the same images (suite adaptive, square, or thorough).")
    by_white = frozenset[int]().union(*(facts.broken[attack.name] for attack in white))
    more = len(frozenset[int]().union(*(facts.broken[attack.name] for attack in black)) - by_white)
    p = mcnemar_greater(more, 0)
    given = (attack.attacked for attack in black)
    asked = sum(len(facts.images) if count is None else count for count in given)
    evidence = (
        f"{_blind(black)} {share(more, len(facts.images))} that none of the {len(white)} "
        f"gradient attacks broke; these broke {len(by_white)}, and it was given {asked} (exact McNemar, p = {p:.2g})."
    )
    numbers: Numbers = {"only_black_box": more, "white_box": len(by_white), "p": p, "images": len(facts.images)}
    numbers["given"] = asked
    return verdict_of(facts.matters(more, p)), evidence, numbers


def _blind(attacks: Sequence[AttackReport]) -> str:
    """Attacks by the titles of their kinds, as the beginning of a sentence on what they break."""
    titles = list(dict.fromkeys(ATTACKS[attack.config.kind].title for attack in attacks))
    if len(titles) == 1:
        return f"{titles[0]}, which sees no gradient, breaks"
    return f"{', '.join(titles[:-1])} and {titles[-1]}, which see no gradients, break"


def accuracy_stays_above_zero(facts: Facts) -> Result:
    """A direct attack with a budget that allows anything leaves images standing."""
    sweep = facts.report.sweep
    own = direct_sources(facts.report)
    curves = [c for c in sweep.curves if c.config.source in own] if sweep else []
    if sweep is None or not curves:
        return untested("Needs a sweep of epsilon with an attack on the defence itself.")
    curve = min(curves, key=lambda c: (c.points[-1].correct, -c.points[-1].value))
    last = curve.points[-1]
    if last.correct and last.value < LARGE_EPS:
        return untested(
            f"The sweep ends at {last.value * 255:.3g}/255 with {last.accuracy:.1%}; it must reach zero, or "
            f"{LARGE_EPS * 255:.3g}/255."
        )
    right = sweep.clean_correct
    p = at_least(last.correct, right, CHANCE) if right else 1.0
    evidence = (
        f"'{curve.name}' leaves {share(last.correct, last.n)} at {last.value * 255:.3g}/255, where an image can be "
        f"made almost anything (exact binomial against {CHANCE:.0%}, p = {p:.2g})."
        if last.correct
        else f"'{curve.name}' reaches zero at {last.value * 255:.3g}/255."
    )
    numbers: Numbers = {"eps": last.value, "correct": last.correct, "n": last.n, "p": p}
    return verdict_of(last.correct >= max(1.0, EFFECT * right) and p < ALPHA), evidence, numbers


def keeps_helping(axis: Axis) -> Callable[[Facts], Result]:
    """The sign from the convergence curves along `axis`: the last increase still breaks images."""

    def sign(facts: Facts) -> Result:
        convergence = facts.report.convergence
        curves = [c for c in convergence.curves if c.axis == axis] if convergence else []
        left = [c for c in curves if c.points[-1].correct]
        if curves and not left:
            ends = ", ".join(f"'{c.name}' with {c.points[-1].value}" for c in curves)
            return "not found", f"Every curve reaches zero: {ends} {AXES[axis]}.", {}
        left = [c for c in left if len(c.points) > 1]
        if convergence is None or not left:
            needs = " of a randomised defence" if axis == "eot" else ""
            return untested(f"Needs a convergence curve over {AXES[axis]}{needs} with at least two values.")
        worst = max(left, key=lambda c: c.points[-2].correct - c.points[-1].correct)
        before, last = worst.points[-2:]
        more, right = before.correct - last.correct, convergence.clean_correct
        p = mcnemar_greater(more, 0)
        evidence = (
            f"'{worst.name}': from {before.value} to {last.value} {AXES[axis]} the accuracy goes from "
            f"{before.accuracy:.1%} to {last.accuracy:.1%}, {more} more of {last.n} images (exact McNemar, "
            f"p = {p:.2g}); the last increase should change nothing."
        )
        numbers: Numbers = {"before": before.correct, "after": last.correct, "n": last.n, "p": p}
        return verdict_of(p < ALPHA and more >= EFFECT * right), evidence, numbers

    return sign


AXES: dict[Axis, str] = {"steps": "steps", "eot": "passes per gradient"}


def autoattack_overestimates(facts: Facts) -> Result:
    """AutoAttack's own figure is above the worst case, on the same images."""
    entries = [(a, a.autoattack) for a in facts.attacks if a.autoattack is not None]
    if not entries or facts.report.worst_case is None:
        return untested("Needs AutoAttack (suite autoattack-standard or autoattack-rand).")
    counted = facts.report.worst_case.n
    standing = facts.images - frozenset[int]().union(*facts.broken.values())
    lowest, figures = min(entries, key=lambda entry: entry[1].own_accuracy)
    own, rescored = figures.own_accuracy, figures.rescored_accuracy
    more, less = _own_against_worst(facts, lowest, standing, round(own * counted))
    p = mcnemar_greater(more, less)
    evidence = (
        f"'{lowest.name}' itself reports {own:.1%}; its images re-scored by majority, {rescored:.1%}; the worst "
        f"case over all attacks is {len(standing) / max(1, counted):.1%} of {counted} images. {more} images stand only "
        f"by AutoAttack's count, {less} only in the worst case (exact McNemar, p = {p:.2g})."
    )
    numbers: Numbers = {"own": own, "rescored": rescored, "worst_case": len(standing) / max(1, counted), "n": counted}
    return (
        verdict_of(facts.matters(more - less, p)),
        evidence,
        {**numbers, "only_own": more, "only_worst_case": less, "p": p},
    )


def _own_against_worst(
    facts: Facts, attack: AttackReport, standing: frozenset[int], own_correct: int
) -> tuple[int, int]:
    """How many images stand only by AutoAttack's own count, and how many only in the worst case.

    Where a report does not have its count per image, all breaks that nobody confirmed are taken to be of images that
    stand in the worst case: then the difference is least certain.
    """
    rows = (facts.report.per_image.own or {}).get(attack.name)
    if rows is not None:
        counted = facts.report.per_image.counted
        own = frozenset(i for i, stands in enumerate(rows) if stands and counted[i])
        return len(own - standing), len(standing - own)
    confirmed = len(facts.images - facts.broken[attack.name])
    less = max(0, min(confirmed - own_correct, len(standing)))
    return max(0, own_correct - len(standing) + less), less
