"""What a vision-language model said about attacked pictures, as markup. Pure functions of what is kept in a folder.

See `generator.vlm.record` for what that is. Texts are a server's own: all of them are escaped.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from app.handlers.describing import read_descriptions
from app.ui.markup import charts, markup
from foundation.intervals import RateRecord
from foundation.record import RecordError
from generator.vlm.record import DescriptionsRecord, MeanRecord, VlmCellRecord
from generator.vlm.scoring import JUDGE_THRESHOLDS, KEYWORD_THRESHOLDS
from generator.vlm.verdicts import Described, VlmVerdict

MOST_SHOWN = 60
"""Pictures whose answers are shown; the files have them all."""
SCORES: Mapping[str, str] = {
    "target_keywords": "keywords of the target mentioned",
    "label_keywords": "keywords of the true label mentioned",
    "target_overlap": "words in common with the target",
    "target_cosine": "likeness to the target, by the text encoder",
    "clean_overlap": "words in common with its answers on the photo",
    "clean_cosine": "likeness to its answers on the photo, by the text encoder",
}
"""What the scores are called."""


def descriptions_view(found: DescriptionsRecord | None, error: str, *, going_on: bool = False) -> str:
    """What was said before and after, and how near to what was wanted it is; empty if nothing was asked.

    While the asking is `going_on`, it is what there is by then.
    """
    warning = markup.notice(error, tone="warn", title="Not everything was asked.") if error else ""
    if found is None:
        return warning
    described = found.described
    parts = [warning]
    if going_on and not found.complete:
        parts.append(_hint("So far; the answers are added as they come."))
    elif not found.complete and not error:
        parts.append(markup.notice("It was stopped while the vision-language model was being asked."))
    parts += [_cell(cell, found) for cell in found.cells]
    parts += [_answers(entry, opened=len(described) == 1) for entry in described[:MOST_SHOWN]]
    if len(described) > MOST_SHOWN:
        parts.append(_hint(f"Answers are shown for the first {MOST_SHOWN} of {len(described)} photos."))
    parts += [markup.notice(f"{entry.image}: {entry.why}", tone="warn") for entry in found.unreadable]
    return f'<div id="attack-descriptions">{markup.join(parts)}</div>'


def descriptions_in(folder: Path, error: str, *, going_on: bool = False) -> str:
    """The same of what is kept in a folder; where it cannot be read, what is amiss."""
    try:
        found = read_descriptions(folder)
    except RecordError as problem:
        return markup.notice(str(problem), tone="bad", title="What was said cannot be shown.")
    return descriptions_view(found, error, going_on=going_on)


def _cell(cell: VlmCellRecord, found: DescriptionsRecord) -> str:
    """The table of one model: how often pictures count as a match, and mean scores, before and after."""
    costs = found.costs_of_this_run
    money = "" if costs.money is None else f", {costs.money:.2g} in money"
    tokens = costs.prompt_tokens + costs.completion_tokens
    photos = f"{cell.pictures} photos" if cell.pictures != 1 else "one photo"
    asked = f"{cell.asked - cell.failed} of {cell.asked} answers, about {photos} before and after the attack"
    sentence = f"{asked}. This took {costs.requests:,} requests, {tokens:,} tokens{money}."
    rows = [(_criterion(name, found), pair) for name, pair in cell.rates.items()]
    lines = [_row(words, _rate(pair.clean), _rate(pair.attacked)) for words, pair in rows]
    names = {**SCORES, "judge": f"likeness by the judge, {found.judge_model}"}
    lines += [
        _row(names[score], _mean(score, pair.clean), _mean(score, pair.attacked)) for score, pair in cell.means.items()
    ]
    head = "".join(f'<th scope="col">{words}</th>' for words in ("", "before", "after"))
    title = f"What {cell.model} says"
    return (
        f'<section class="cx-findings"><h3>{markup.text(title)}</h3>{_hint(sentence)}'
        f'<div class="cx-scroll" tabindex="0" role="region" aria-label="{markup.text(title)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
        f"{_hint('Keywords are looked for word for word: no dog mentions a dog. Words in common are not meaning.')}"
        "</section>"
    )


def _criterion(name: str, found: DescriptionsRecord) -> str:
    """What a criterion of the report is called."""
    words = {
        f"target_keywords>={t:g}": f"mention {_share(t, 'at least ')} of the target's keywords"
        for t in KEYWORD_THRESHOLDS
    }
    words |= {f"label_keywords<{t:g}": f"mention less than {_share(t)} of the true label" for t in KEYWORD_THRESHOLDS}
    words |= {f"judge>={t:g}": f"{found.judge_model} judges at least {t:g} alike" for t in JUDGE_THRESHOLDS}
    return f"photos whose answers {words.get(name, name)}"


def _share(threshold: float, before: str = "") -> str:
    return "all" if threshold == 1 else f"{before}{threshold:.0%}"


def _row(words: str, before: str, after: str) -> str:
    return f'<tr><th scope="row">{markup.text(words)}</th><td>{before}</td><td>{after}</td></tr>'


def _rate(rate: RateRecord) -> str:
    if rate.rate is None:
        return "?"
    low, high = rate.ci95
    return (
        f"{rate.successes} of {rate.total}<small>{charts.percent(rate.rate)}, "
        f"{charts.percent(low)} to {charts.percent(high)}</small>"
    )


def _mean(score: str, mean: MeanRecord | None) -> str:
    if mean is None:
        return "?"

    def shown(value: float) -> str:
        return charts.percent(value) if score.endswith(("keywords", "overlap")) else f"{value:.2f}"

    interval = "" if mean.ci95 is None else f"<small>{' to '.join(map(shown, mean.ci95))}</small>"
    return f"{shown(mean.mean)}{interval}"


def _answers(entry: Described, *, opened: bool) -> str:
    """All answers about one photo and its attacked picture, side by side."""
    wanted = ", ".join(entry.target_words or entry.label_words)
    kind = "the target" if entry.target_words else "the true label"
    looked_for = _hint(f"Keywords of {kind}: {wanted}.") if wanted else ""
    columns = "".join(
        f"<div><h4>{words}</h4>{_texts(verdicts)}</div>"
        for verdicts, words in ((entry.clean, "before"), (entry.attacked, "after"))
    )
    title = "Its answers" if opened else f"{entry.image}: {_gist(entry)}"
    return markup.details(
        title, f'<div class="cx-fold-body">{looked_for}<div class="cx-pair">{columns}</div></div>', opened=opened
    )


def _texts(verdicts: Sequence[VlmVerdict]) -> str:
    items = "".join(f"<li>{_text(verdict)}</li>" for verdict in verdicts)
    return f'<ol class="cx-answers">{items}</ol>' if items else "<p>not asked</p>"


def _text(verdict: VlmVerdict) -> str:
    if not verdict.answered:
        return markup.notice(verdict.error, tone="warn")
    score = verdict.target_keywords
    facts = [] if score is None else [f"{charts.percent(score)} of the keywords"]
    facts += [] if verdict.judge is None else [f"judged {verdict.judge:.2f}"]
    facts += [verdict.judge_error] if verdict.judge_error else []
    small = f"<small>{markup.text(', '.join(facts))}</small>" if facts else ""
    return f"<p>{markup.text(verdict.text)}</p>{small}"


def _gist(entry: Described) -> str:
    """How many keywords its answers mention, before and after."""
    means = []
    for verdicts in (entry.clean, entry.attacked):
        scores = (verdict.target_keywords if entry.target_words else verdict.label_keywords for verdict in verdicts)
        known = [score for score in scores if score is not None]
        means.append(charts.percent(fmean(known)) if known else "?")
    return f"{means[0]} of the keywords before, {means[1]} after"


def _hint(words: str) -> str:
    return f'<p class="cx-hint">{markup.text(words)}</p>'
