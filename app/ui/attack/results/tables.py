"""Who falls for an attacked picture, and what of it survives, as tables. Pure functions of the findings.

Whatever is not known yet is left out, or marked as still to come.
"""

from collections.abc import Mapping

from app.records.findings import AnswerFound, Asked, AttackFindings, RowFound, VictimFound
from app.ui.markup import charts, markup
from app.ui.markup.results import COLOURS
from generator.transfer.outcome import Outcome
from generator.victims.victims import said_of

SAVED = "saved"
MEASURED = "Measured on the saved 8-bit file."
YES, NO = Outcome.SUCCESS.sign, Outcome.FAILURE.sign


def victim_titles(findings: AttackFindings, titles: Mapping[str, str]) -> dict[str, str]:
    """Victim -> what people call it."""
    return {one.name: titles.get(one.model, one.model) for one in findings.victims}


def outcomes(findings: AttackFindings) -> dict[str, Outcome]:
    """Model -> the outcome on the saved file, as far as it is known."""
    rows = _saved(findings)
    return {one.model: rows[one.name].outcome for one in findings.victims if one.name in rows}


def _saved(findings: AttackFindings) -> dict[str, RowFound]:
    """Victim -> what it says of the saved file."""
    return {row.victim: row for row in findings.rows if row.survival == SAVED}


def tables(findings: AttackFindings, titles: Mapping[str, str]) -> str:
    """Both tables, as far as they are known; empty before there is anything."""
    if not findings.victims:
        return ""
    return markup.join([transfer_table(findings, titles), survival_table(findings, titles)])


def transfer_table(findings: AttackFindings, titles: Mapping[str, str]) -> str:
    """Which models fall for the saved file: what each said before and after."""
    rows, question = _saved(findings), findings.question
    lines = "".join(_transfer_row(victim, rows.get(victim.name), question, titles) for victim in findings.victims)
    asked = " or ".join(question.targets) or question.label or "the first answer"
    share = f"how probable {asked} is"
    head = "".join(f'<th scope="col">{markup.text(name)}</th>' for name in ("model", "", "before", "after", share))
    return _section(
        "Who falls",
        " ".join(filter(None, (_summary(findings, rows), MEASURED, _rule(question), _held(findings, rows, titles)))),
        f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>",
        "attack-transfer",
    )


def _rule(question: Asked) -> str:
    """What counts as fooled, and for whom."""
    label, targets = question.label, question.targets
    if label and targets:
        return f"The photo shows {label}: who did not say so before is not counted."
    if label:
        return f"The photo shows {label}: fooled is who no longer says so; who did not say so before is not counted."
    if targets:
        return f"Fooled is who says {' or '.join(targets)}, and did not before."
    return "What the photo really shows was not given: fooled is who no longer says what it said before."


def _transfer_row(victim: VictimFound, row: RowFound | None, question: Asked, titles: Mapping[str, str]) -> str:
    role = "attacked" if victim.attacked else "held out"
    if says := said_of(victim.kind, victim.labels):
        role += f", {says}. {victim.note}".rstrip(". ")
    name = (
        f'<th scope="row">{markup.text(titles.get(victim.model, victim.model))}<small>{markup.text(role)}</small></th>'
    )
    if victim.why_not:
        return f'<tr>{name}<td colspan="4">{markup.text(victim.why_not)}</td></tr>'
    if row is None:
        return f'<tr>{name}<td colspan="4" class="cx-to-come">to come</td></tr>'
    if row.share_before is None or row.share_after is None:
        share = "?"
    else:
        share = f"{charts.percent(row.share_before)} \u2192 {charts.percent(row.share_after)}"
    said = (_outcome(row.outcome, question), _answer(row.before), _answer(row.after), markup.text(share))
    return f"<tr>{name}{''.join(f'<td>{cell}</td>' for cell in said)}</tr>"


def _answer(said: AnswerFound) -> str:
    if not said.label:
        return "no answer"
    number = "" if said.confidence is None else f"<small>{charts.percent(said.confidence)}</small>"
    return f"{markup.text(said.label)}{number}"


def _outcome(outcome: Outcome, question: Asked) -> str:
    css, tick, words = COLOURS.get(outcome, ""), outcome.sign, outcome.words
    why = ""
    if outcome is Outcome.NOT_COMPARABLE:
        lacking = " or ".join(name for name in (*question.targets, question.label) if name)
        why = f'<small class="cx-why-not">it has no answer that means {markup.text(lacking)}</small>' if lacking else ""
    shown = f'<span aria-hidden="true">{tick}</span> {words}' if tick else words
    return f'<span class="{css}">{shown}</span>{why}'


def _summary(findings: AttackFindings, rows: Mapping[str, RowFound]) -> str:
    """How many fell, of those attacked and of those held out, with what does not count."""
    parts = []
    for attacked, words in ((True, "attacked"), (False, "held out")):
        names = [one.name for one in findings.victims if one.attacked is attacked]
        counted = [rows[name].outcome for name in names if name in rows and rows[name].outcome.counts]
        if counted:
            parts.append(f"{counted.count(Outcome.SUCCESS)} of {len(counted)} {words}")
    left_out = sum(not row.outcome.counts for row in rows.values())
    fooled = f"Fooled: {', '.join(parts)}." if parts else "Nobody can be compared yet."
    return f"{fooled} {left_out} not counted." if left_out else fooled


def _held(findings: AttackFindings, rows: Mapping[str, RowFound], titles: Mapping[str, str]) -> str:
    """That models which were attacked held, and what that means; empty if all of them fell."""
    targets = findings.question.targets
    said = [
        f"{titles.get(victim.model, victim.model)} held: it says {row.after.label}."
        for victim in findings.victims
        if victim.attacked and (row := rows.get(victim.name)) is not None and row.outcome is Outcome.FAILURE
    ]
    if not said:
        return ""
    other = " or ".join(targets) if targets else "something else"
    return (
        f"{' '.join(said)} Within this budget and these steps the attack found no picture that is taken for {other}. "
        "That does not prove that there is none: another attack, more steps or a larger budget may find one. How often "
        "a model holds is what its evaluation says."
    )


def survival_table(findings: AttackFindings, titles: Mapping[str, str]) -> str:
    """What is left of the attack after things that happen to files, by victim; empty if nothing was asked for."""
    victims = [one for one in findings.victims if not one.why_not]
    if len(findings.survivals) < 2 or not victims:
        return ""
    rows = {(row.survival, row.victim): row for row in findings.rows}
    head = "".join(f'<th scope="col">{markup.text(titles.get(one.model, one.model))}</th>' for one in victims)
    lines = "".join(
        f'<tr><th scope="row">{markup.text(name)}<small>{markup.text(description)}</small></th>'
        f"{''.join(_survival_cell(rows.get((name, one.name))) for one in victims)}</tr>"
        for name, description in findings.survivals.items()
    )
    control = (
        " * The photo alone, after the same, is answered so, too: not the attack's doing."
        if any(row.by_itself and row.outcome.counts for row in rows.values())
        else ""
    )
    return _section(
        "What survives",
        f"The saved file after what happens to files. {YES} fooled, {NO} holds, with the answer and how sure it is."
        f"{control}",
        f'<table><thead><tr><th scope="col">the file</th>{head}</tr></thead><tbody>{lines}</tbody></table>',
        "attack-survival",
    )


def _survival_cell(row: RowFound | None) -> str:
    if row is None:
        return '<td class="cx-to-come">to come</td>'
    outcome = row.outcome
    if outcome is Outcome.NOT_COMPARABLE:
        return "<td>not comparable</td>"
    if outcome is Outcome.NOT_APPLICABLE:
        return f"<td>not applicable<small>{markup.text(row.why)}</small></td>"
    css, tick, words = COLOURS.get(outcome, ""), outcome.sign, outcome.words
    if not tick:  # what counts for nothing has no sign, here as in the table above
        return f"<td>{_answer(row.after)}<small>{words}</small></td>"
    star = "*" if row.by_itself else ""
    return (
        f'<td><span class="{css}"><span role="img" aria-label="{words}">{tick}</span></span>{star} '
        f"{_answer(row.after)}</td>"
    )


def _section(title: str, sentence: str, table: str, elem_id: str) -> str:
    return (
        f'<section class="cx-findings" id="{elem_id}"><h3>{markup.text(title)}</h3>'
        f'<p class="cx-hint">{markup.text(sentence)}</p>'
        f'<div class="cx-scroll" tabindex="0" role="region" aria-label="{markup.text(title)}">{table}</div></section>'
    )
