"""Your results as cards: to open, to mark as favourites, to choose, to name."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.evaluation.order import EVALUATION, Headline, headline_of
from app.handlers.pictures import CARD_NAME
from app.records.pictures import pictures_of
from app.ui.evaluation.markup import range_bar, share
from app.ui.history.words import as_far_as_readable, line, recipe_of
from app.ui.markup import markup
from app.ui.markup.media import Media
from app.ui.markup.stage import state_word, when
from app.ui.widgets.reuse import offers, words_of
from foundation.jobs.store.model import JobSnapshot, JobStatus
from generator.grids.output import SHEET

# Hands on which result is to be opened, what is to be done with one, or with all that are chosen. What is chosen stays
# so when the list is drawn anew.
CARDS_JS = """
const chosen = new Set();
const boxes = () => [...element.querySelectorAll('input[data-choose]')];
const picked = () => boxes().filter(box => box.checked).map(box => box.dataset.choose);
const mark = () => {
  for (const box of boxes()) box.checked = chosen.has(box.dataset.choose);
  const count = picked().length;
  for (const button of element.querySelectorAll('button[data-chosen]')) {
    button.disabled = button.dataset.act === 'compare' ? count !== 2 : !count;
  }
  const words = element.querySelector('.cx-chosen-words');
  const text = count ? `${count} chosen` : 'none chosen';
  if (words && words.textContent !== text) words.textContent = text;
};
element.addEventListener('change', event => {
  const box = event.target.closest('input[data-choose]');
  if (!box) return;
  if (box.checked) chosen.add(box.dataset.choose); else chosen.delete(box.dataset.choose);
  mark();
});
element.addEventListener('click', event => {
  const button = event.target.closest('button');
  if (!button) return;
  const {pick = '', act = '', id = '', all, look} = button.dataset;
  if (look) return window.cxViewer.look(JSON.parse(look));
  if (act === 'compare') {
    const looks = picked().map(one => element.querySelector(`[data-look][data-id="${one}"]`)?.dataset.look);
    // Pictures are compared here; of others the server says how they compare, or why they do not.
    if (looks.every(Boolean)) return window.cxViewer.compare(...looks.map(one => JSON.parse(one)[0]));
  }
  if (all !== undefined) {
    for (const box of boxes()) if (all) chosen.add(box.dataset.choose); else chosen.delete(box.dataset.choose);
    mark();
    return;
  }
  const one = act === 'delete-one', several = button.dataset.chosen === undefined ? [] : picked();
  trigger('select', {pick, act: one ? 'delete' : act, id, chosen: one ? [id] : several});
  if (one) chosen.delete(id); else if (act === 'delete') chosen.clear();
  if (act === 'edit') window.cxShow(document.getElementById('results-search'));
  if (!pick && !['use', 'use-but-seed', 'again'].includes(act)) return;
  if (button.closest('.cx-card').dataset.kind === 'evaluate') window.cxEvaluation(true); else window.cxToTop();
});
new MutationObserver(mark).observe(element, {childList: true, subtree: true});
"""


NOTHING = (
    "Nothing yet. What you make appears here and stays: to be found again, looked at closely, compared, named, and "
    "used once more with the same settings. Begin with <b>Show me</b> above, or drop a PNG of ours on the page."
)
NO_LOOKS: tuple[tuple[str, str], ...] = ()


def cards(
    jobs: Sequence[JobSnapshot], media: Media, titles: Mapping[str, str] | None = None, *, found: int, of: int
) -> str:
    """Results as a grid, newest first, with what can be done with several.

    ``found`` says how many there are of what is looked for, ``of`` how many altogether; ``jobs`` are the first of them.
    """
    if not of:
        return f'<p class="cx-hint">{NOTHING}</p>'
    if not found:
        none = "Your one result is not like that." if of == 1 else f"None of your {of:,} results is like that."
        return f'<p class="cx-hint">{none} Change what you look for.</p>'
    shown = f"{len(jobs):,} of {found:,}" if len(jobs) < found else f"{found:,}"
    words = f"{shown} shown" if found == of else f"{shown} found, of {of:,}"
    return f'{_tools(words)}<div class="cx-results">{"".join(_card(job, media, titles or {}) for job in jobs)}</div>'


def fingerprint(snapshots: Sequence[JobSnapshot]) -> str:
    """Changes whenever a list of jobs would look different."""
    parts = (
        f"{job.id} {job.status.value} {job.stopping} {bool(job.preview)} {job.favourite} {job.title} {job.note}"
        for job in snapshots
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _tools(words: str) -> str:
    return (
        f'<div class="cx-row cx-card-bar"><span class="cx-card-count">{markup.text(words)}</span>'
        '<button class="cx-word" data-all="1">choose all shown</button>'
        '<button class="cx-word" data-all="">choose none</button>'
        '<span class="cx-chosen-words" role="status">none chosen</span>'
        '<button class="cx-button" data-act="compare" data-chosen disabled>Compare two</button>'
        '<button class="cx-button" data-act="export" data-chosen disabled>Export as ZIP</button>'
        '<button class="cx-button" data-act="delete" data-chosen disabled>Delete</button></div>'
    )


def _card(job: JobSnapshot, media: Media, titles: Mapping[str, str]) -> str:
    name, title = markup.text(job.id), markup.text(job.title or job.kind)
    state = "" if job.status is JobStatus.DONE else f" \u00b7 {state_word(job)}"
    said = line(job, titles)
    note = f'<p class="cx-note">{markup.text(job.note)}</p>' if job.note else ""
    star, pressed = ("\u2605", "true") if job.favourite else ("\u2606", "false")
    ended = "" if job.status.finished else " disabled"
    return (
        f'<article class="cx-card" data-kind="{markup.text(job.kind)}">'
        f'<button class="cx-result" data-pick="{name}">{_picture(job, media)}'
        f'<span>{title}</span><span class="cx-what">{markup.text(said)}</span>'
        f"<small>{when(job.created)}{markup.text(state)}</small></button>{note}"
        f'<div class="cx-card-tools"><input type="checkbox" data-choose="{name}" aria-label="Choose {title}"{ended}>'
        f'<button class="cx-word" data-act="star" data-id="{name}" aria-pressed="{pressed}" '
        f'aria-label="Favourite: {title}" title="Favourite">{star}</button>'
        f'<button class="cx-word" data-act="edit" data-id="{name}" aria-label="Title and note: {title}">edit</button>'
        f'<button class="cx-word" data-act="delete-one" data-id="{name}" aria-label="Delete: {title}"{ended}>'
        f"delete</button>{_look(job, media, name, title)}"  # the last: others do not move when it comes
        f"</div>{_reuse(job, name, title)}</article>"
    )


def _reuse(job: JobSnapshot, name: str, title: str) -> str:
    """What fills the form in again."""
    buttons = "".join(
        f'<button class="cx-word" data-act="{act}" data-id="{name}" '
        f'aria-label="{words}: {title}">{words[:1].lower()}{words[1:]}</button>'
        for act in offers(job)
        for words in (words_of(act, job),)
    )
    return f'<div class="cx-card-tools cx-card-reuse">{buttons}</div>' if buttons else ""


def _look(job: JobSnapshot, media: Media, name: str, title: str) -> str:
    """What shows a result's pictures closely, if it has any."""
    looks = looks_of(job, media)
    if not looks:
        return ""
    return (
        f'<button class="cx-word" data-id="{name}" data-look="{markup.text(json.dumps(looks))}" '
        f'aria-haspopup="dialog" aria-label="Look closely: {title}">look</button>'
    )


@as_far_as_readable(NO_LOOKS)
def looks_of(job: JobSnapshot, media: Media) -> tuple[tuple[str, str], ...]:
    """The addresses of a result's pictures at their own size, each with words; of a grid that of its sheet."""
    title, folder = job.title or job.kind, Path(job.folder)
    if "grid" in job.params:
        return ((media.url(folder / SHEET), title),) if (folder / SHEET).is_file() else ()
    images = pictures_of(job)
    many = len(images) > 1
    shown = [
        (media.url(folder / image.file), f"{title}, picture {number}" if many else title)
        for number, image in enumerate(images, start=1)
    ]
    before = images[0].source if images and job.kind == "attack" else None
    return (*shown, (media.url(folder / before), f"{title}, before")) if before else tuple(shown)


NO_PICTURE = '<span class="cx-noimage"></span>'


@as_far_as_readable(NO_PICTURE)
def _picture(job: JobSnapshot, media: Media) -> str:
    """One whole picture: of a finished job its first, of one that runs the first of those that its preview shows.

    In its place an evaluation has what it came to.
    """
    if job.kind == EVALUATION:
        return _figure(job)
    card = Path(job.folder) / CARD_NAME
    if card.is_file():
        return markup.picture(media.url(card), "")
    if not job.preview or not Path(job.preview).is_file():
        return NO_PICTURE
    shown = markup.picture(media.url(Path(job.preview), job.preview_version), "")
    recipe = recipe_of(job)
    if job.kind == "attack" or int(recipe.get("images", 1)) < 2:
        return shown
    height, width = (max(1, int(side)) for side in recipe.get("size", (1, 1)))
    ratio = f"aspect-ratio: {width} / {height}; width: {100 * min(1.0, width / height):.2f}%"
    return f'<span class="cx-first">{shown.replace("<img ", f"""<img style="{ratio}" """, 1)}</span>'


def _figure(job: JobSnapshot) -> str:
    """How many images an evaluated model still gets right, with the interval."""
    headline = headline_of(Headline.of(job.result))
    if headline is None:
        return NO_PICTURE
    found = headline[1]
    low, high = found.ci95
    return (
        f'<span class="cx-noimage cx-figure"><b>{share(found.accuracy)}</b>{range_bar(low, found.accuracy, high)}'
        f"<small>right of {found.n:,} under attack</small></span>"
    )
