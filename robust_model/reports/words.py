"""A report's numbers in words: what the HTML page, the Markdown table and the comparison all say alike."""

from robust_model.attacks import ATTACKS
from robust_model.evaluation.record.schema import AttackReport, EvaluationReport
from robust_model.evaluation.record.values import Passes, Proportion

WORST_CASE = "worst case over all attacks"
FINISHED = "worst case over the finished attacks"
NOTHING = "–"
WHILE_ATTACKED, AFRESH = "while attacked", "by fresh draws"
"""The two rules by which a random defence's answers are judged (see `both_rules`)."""


def percent(share: float) -> str:
    """A share in [0, 1] as per cent, with one decimal."""
    return f"{share:.1%}"


def interval(figure: Proportion) -> str:
    """The 95 % interval of a proportion."""
    low, high = figure.ci95
    return f"{low * 100:.1f} to {percent(high)}"


def budget(eps: float) -> str:
    """An L-inf budget in grey levels of 255."""
    return f"{eps * 255:.3g}/255"


def count(number: int | None) -> str:
    """A whole number with a comma at the thousands; nothing for None."""
    return NOTHING if number is None else f"{number:,}"


def duration(seconds: float | None) -> str:
    """Seconds as the largest two units that say something."""
    if seconds is None:
        return NOTHING
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def effort(attack: AttackReport) -> str:
    """How hard an attack tried, from its configuration."""
    config = attack.config
    units = {"steps": "step", "queries": "query", "restarts": "restart", "targets": "target", "repeats": "repeat"}
    plural = {"query": "queries"}
    counts = [(getattr(config, key, None), word) for key, word in units.items()]
    parts = [
        f"{count:,} {word if count == 1 else plural.get(word, word + 's')}"
        for count, word in counts
        if count is not None
    ]
    if config.is_sampled and attack.attacked is not None:
        parts.append(f"of a sample: {attack.attacked:,} images")
    parts += [f"EOT {config.eot}"] if config.eot > 1 else []
    return ", ".join([*parts, *filter(None, [config.further_effort])])


def named(attack: AttackReport) -> str:
    """An attack's name, marked where its accuracy is that after all before it."""
    return attack.name + (" (after those above)" if attack.cumulative else "")


def passes(figure: Passes | None) -> str:
    """Forward and backward passes of one image."""
    if figure is None:
        return NOTHING
    return count(figure.forward) + (f" + {count(figure.backward)}" if figure.backward is not None else "")


def setting(report: EvaluationReport) -> str:
    """What was evaluated on what, in a line."""
    defence, data = report.defence, report.data
    noise = f"noise on, majority of {defence.draws} draws" if defence.noise != "off" else "deterministic"
    return f"{data.n:,} images of {data.source}, L∞ {budget(report.config.eps)}, {noise}"


def autoattack_lines(report: EvaluationReport) -> list[tuple[str, float, float]]:
    """(attack, AutoAttack's own accuracy, the same images re-scored by majority) of every AutoAttack in the report."""
    return [
        (a.name, a.autoattack.own_accuracy, a.autoattack.rescored_accuracy)
        for a in report.attacks
        if a.autoattack is not None
    ]


def both_rules(report: EvaluationReport) -> list[tuple[str, str, Proportion]]:
    """(which, rule, figure): a random defence's figures under attack, by each of the two rules that judge them.

    While an attack runs, an image is broken as soon as most of the draws are wrong at any of its steps; afterwards what
    the attack returned is judged once more, by fresh draws. Empty where nothing is random: then both are the same.
    """
    if report.accounting is None or report.worst_case is None:
        return []
    rows: list[tuple[str, str, Proportion]] = []
    for attack in report.attacks:
        if attack.autoattack is not None and attack.rescored is not None:
            rows += [(attack.name, WHILE_ATTACKED, attack), (attack.name, AFRESH, attack.rescored)]
    rows.append((WORST_CASE, WHILE_ATTACKED, report.worst_case))
    rows.append((WORST_CASE, AFRESH, report.accounting.worst_case.rescored))
    return rows


def rule(report: EvaluationReport) -> str:
    """The two rules in a sentence, of a random defence; nothing of another."""
    if not both_rules(report):
        return ""
    return (
        f"Judged {WHILE_ATTACKED}, an image is broken as soon as most of {report.defence.draws} draws are wrong "
        "at any of an attack's many steps (of AutoAttack's: once, at its end, where it claims a break). Judged "
        f"{AFRESH}, what the attack returned is answered once more, and most of as many new draws must be wrong. The "
        "first is what is left of an image that may be tried again and again, the second what is left of the picture "
        "that was kept."
    )


def caveats(report: EvaluationReport) -> list[str]:
    """What the numbers do not say, for this report."""
    config, defence = report.config, report.defence
    said = [
        "The worst case is an upper bound: a stronger attack can only lower it. No evaluation by attacks proves that "
        "an image cannot be broken.",
        f"Only changes of at most {budget(config.eps)} in each colour value of each pixel were tried: nothing is "
        "said of other norms, larger changes, patches, rotations, blur or weather.",
        f"The 95 % intervals (Wilson) are those of drawing {report.data.n:,} images; another training run of the "
        "same recipe would differ by more than that may suggest. All attacks met the same images, so their intervals "
        "overlap even where one attack is certainly stronger.",
    ]
    if not report.complete:
        said.insert(0, "The evaluation is not complete: only images that met every attack count in the worst case.")
    if defence.noise != "off":
        said.append(
            f"The defence answers at random. An image counts as broken when most of {defence.draws} fresh passes "
            "are wrong: someone who may ask again and again breaks more, and one who has a single try breaks fewer."
        )
    if any(attack.cumulative for attack in report.attacks):
        said.append(
            "Attacks marked “after those above” met only images that the attacks before them had left standing: their "
            "accuracy is what is left after all of them, and no measure of their own strength."
        )
    for kind in ATTACKS:
        said += dict.fromkeys(a.config.caveat for a in report.attacks if a.config.kind == kind and a.config.caveat)
    if report.samples:
        said.append("The sample images are the first that each attack broke, not typical ones.")
    return said
