"""A report's numbers in words: what the HTML page, the Markdown table and the comparison all say alike."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generator.errors import StudioError
from robust_model.evaluation.facts import kind_of
from robust_model.evaluation.masking import findings

SCHEMA_PATH = Path(__file__).with_name("report.schema.json")
WORST_CASE = "worst case over all attacks"
FINISHED = "worst case over the finished attacks"
NOTHING = "–"
WHILE_ATTACKED, AFRESH = "while attacked", "by fresh draws"
"""The two rules by which a random defence's answers are judged (see `both_rules`)."""


def readable(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report with everything that renderers ask for; one of schema 1 is brought to the form of schema 2.

    What schema 1 never recorded (backward passes, distances, samples) stays absent. Raises StudioError for anything
    that is no evaluation report.
    """
    missing = {"schema", "config", "data", "defence", "clean", "attacks", "per_image"} - report.keys()
    if missing:
        raise StudioError(
            f"This is no evaluation report: it lacks {', '.join(sorted(missing))}. Give the JSON that "
            "`python -m robust_model evaluate --json FILE` writes."
        )
    if report["schema"] not in (1, 2):
        raise StudioError(
            f"This report has schema {report['schema']}, and this program reads 1 and 2: use the program that wrote "
            "it, or evaluate again."
        )
    full = {"suites": [], "samples": [], "warnings": [], "versions": {}, "worst_case": None, **report}
    full["findings"] = report.get("findings") or findings(full)
    if isinstance(full.get("passes"), int):
        full["passes"] = {"forward": full["passes"]}
    return full


def percent(share: float) -> str:
    """A share in [0, 1] as per cent, with one decimal."""
    return f"{share:.1%}"


def interval(figure: Mapping[str, Any]) -> str:
    """The 95 % interval of a proportion."""
    low, high = figure["ci95"]
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


def effort(attack: Mapping[str, Any]) -> str:
    """How hard an attack tried, from its configuration."""
    config = attack["config"]
    units = {"steps": "step", "queries": "query", "restarts": "restart", "targets": "target", "repeats": "repeat"}
    plural = {"query": "queries"}
    parts = [
        f"{config[key]:,} {word if config[key] == 1 else plural.get(word, word + 's')}"
        for key, word in units.items()
        if isinstance(config.get(key), int)
    ]
    parts += (
        [f"of a sample: {attack['attacked']:,} images"] if config.get("sample", 1) < 1 and "attacked" in attack else []
    )
    parts += [f"EOT {config['eot']}"] if config.get("eot", 1) > 1 else []
    parts += [f"version {config['version']}"] if "version" in config else []
    return ", ".join(parts)


def named(attack: Mapping[str, Any]) -> str:
    """An attack's name, marked where its accuracy is that after all before it."""
    return str(attack["name"]) + (" (after those above)" if attack.get("cumulative") else "")


def passes(figure: Mapping[str, Any] | None) -> str:
    """Forward and backward passes of one image."""
    if not figure:
        return NOTHING
    backward = figure.get("backward")
    return count(figure["forward"]) + (f" + {count(backward)}" if backward is not None else "")


def setting(report: Mapping[str, Any]) -> str:
    """What was evaluated on what, in a line."""
    defence = report["defence"]
    noise = f"noise on, majority of {defence['draws']} draws" if defence["noise"] != "off" else "deterministic"
    return (
        f"{report['data']['n']:,} images of {report['data']['source']}, L∞ {budget(report['config']['eps'])}, {noise}"
    )


def autoattack_lines(report: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """(attack, AutoAttack's own accuracy, the same images re-scored by majority) of every AutoAttack in the report."""
    return [
        (a["name"], a["autoattack"]["own_accuracy"], a["autoattack"]["rescored_accuracy"])
        for a in report["attacks"]
        if a.get("autoattack")
    ]


def both_rules(report: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """(which, rule, figure): a random defence's figures under attack, by each of the two rules that judge them.

    While an attack runs, an image is broken as soon as most of the draws are wrong at any of its steps; afterwards what
    the attack returned is judged once more, by fresh draws. Empty where nothing is random: then both are the same.
    """
    ways = report.get("accounting")
    if not ways or not report["worst_case"]:
        return []
    rows: list[tuple[str, str, Mapping[str, Any]]] = []
    for attack in report["attacks"]:
        if attack.get("autoattack") and attack.get("rescored"):
            rows += [(attack["name"], WHILE_ATTACKED, attack), (attack["name"], AFRESH, attack["rescored"])]
    rows.append((WORST_CASE, WHILE_ATTACKED, report["worst_case"]))
    if ways["worst_case"].get("rescored"):
        rows.append((WORST_CASE, AFRESH, ways["worst_case"]["rescored"]))
    return rows


def rule(report: Mapping[str, Any]) -> str:
    """The two rules in a sentence, of a random defence; nothing of another."""
    if not both_rules(report):
        return ""
    return (
        f"Judged {WHILE_ATTACKED}, an image is broken as soon as most of {report['defence']['draws']} draws are wrong "
        "at any of an attack's many steps (of AutoAttack's: once, at its end, where it claims a break). Judged "
        f"{AFRESH}, what the attack returned is answered once more, and most of as many new draws must be wrong. The "
        "first is what is left of an image that may be tried again and again, the second what is left of the picture "
        "that was kept."
    )


def caveats(report: Mapping[str, Any]) -> list[str]:
    """What the numbers do not say, for this report."""
    config, defence = report["config"], report["defence"]
    said = [
        "The worst case is an upper bound: a stronger attack can only lower it. No evaluation by attacks proves that "
        "an image cannot be broken.",
        f"Only changes of at most {budget(config['eps'])} in each colour value of each pixel were tried: nothing is "
        "said of other norms, larger changes, patches, rotations, blur or weather.",
        f"The 95 % intervals (Wilson) are those of drawing {report['data']['n']:,} images; another training run of the "
        "same recipe would differ by more than that may suggest. All attacks met the same images, so their intervals "
        "overlap even where one attack is certainly stronger.",
    ]
    if not report.get("complete", True):
        said.insert(0, "The evaluation is not complete: only images that met every attack count in the worst case.")
    if defence["noise"] != "off":
        said.append(
            f"The defence answers at random. An image counts as broken when most of {defence['draws']} fresh passes "
            "are wrong: someone who may ask again and again breaks more, and one who has a single try breaks fewer."
        )
    if any(attack.get("cumulative") for attack in report["attacks"]):
        said.append(
            "Attacks marked “after those above” met only images that the attacks before them had left standing: their "
            "accuracy is what is left after all of them, and no measure of their own strength."
        )
    if any(attack["config"].get("sample", 1) < 1 for attack in report["attacks"]):
        said.append(
            "The short Square checks the attacks by gradients: it was given a sample of what they left standing, "
            "and the rest only if at least 5 % of that fell. Images that it was not given count as standing under it."
        )
    if any(kind_of(attack) == "autoattack" for attack in report["attacks"]):
        said.append(
            "AutoAttack's own figure counts an image as broken after a single wrong answer. Re-scored figures ask "
            "again, with fresh draws; AutoAttack returns the clean image wherever it did not succeed."
        )
    if report["samples"]:
        said.append("The sample images are the first that each attack broke, not typical ones.")
    return said
