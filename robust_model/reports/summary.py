"""A report in the lines of a terminal."""

from robust_model.evaluation.masking.findings import tested
from robust_model.evaluation.record.schema import EvaluationReport
from robust_model.evaluation.record.values import Proportion


def summary(report: EvaluationReport) -> str:
    """The report as a few lines of text."""

    def figure(name: str, value: Proportion) -> str:
        low, high = value.ci95
        return f"{name:<34} {value.accuracy:6.1%}  ({low:.1%} to {high:.1%}, n = {value.n})"

    lines = [figure("clean", report.clean)]
    lines += [figure(f"  {name}", value) for name, value in report.clean_by_readout.items()]
    for attack in report.attacks:
        lines.append(figure(attack.name, attack))
        if attack.autoattack is not None:
            own, again = attack.autoattack.own_accuracy, attack.autoattack.rescored_accuracy
            lines.append(f"  by AutoAttack's own count {own:.1%}, re-scored by majority {again:.1%}")
    if report.worst_case is not None:
        lines.append(figure("worst case per image", report.worst_case))
        if report.accounting is not None:
            lines.append(figure("  the same, by fresh draws", report.accounting.worst_case.rescored))
    if report.worst_case_finished is not None:
        lines.append(figure("worst case, finished attacks", report.worst_case_finished))
    if not report.complete:
        lines.append("Stopped early: only images that met every attack are counted.")
    if report.findings:
        lines.append(tested(report))
    lines += [f"Sign of gradient masking: {f.sign}. {f.evidence}" for f in report.findings if f.verdict == "found"]
    return "\n".join([*lines, *report.warnings])
