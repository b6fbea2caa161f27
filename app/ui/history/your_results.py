"""All results of a visitor: found again, marked, named, deleted and had back, taken along, within a budget."""

import datetime
import math
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from app.evaluation.order import EVALUATION
from app.ui.history.cards import CARDS_JS, cards
from app.ui.history.search import PERIODS, Search, model_choices, shown
from app.ui.history.words import KIND_WORDS, budget_words, model_words, models_of, outcome_words, said_of
from app.ui.markup import markup
from app.ui.markup.stage import state_word
from app.ui.widgets.forms import FormError
from app.ui.widgets.job_panel import JobPanel
from app.ui.widgets.reuse import WORDS as REUSES
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.owner import owner_token
from app.ui.wiring.services import Studio
from app.visitors.exports import FOLDER, Entry, export
from foundation.errors import StudioError
from foundation.jobs.history import History, Usage
from foundation.jobs.retention import UNDO_MINUTES
from foundation.jobs.store.model import JobSnapshot

PAGE = 24
"""Results that are shown at first, and with each "Show more"."""
MOST_SHOWN = 2_400
GB = 1e9
LEAST_GB = 0.01
"""The smallest budget: in less than a result takes, each would go as it ends."""


@dataclass
class YourResults:
    """The widgets and events of the list.

    Args:
        studio: what the page works with.
        owner: the browser's state that holds the owner's token.
    """

    studio: Studio
    owner: gr.BrowserState
    _panels: tuple[JobPanel, ...] = ()

    def build(self) -> None:
        """Create the widgets."""
        gr.HTML('<section class="cx-section"><h2>Your results</h2></section>', apply_default_css=False)
        with gr.Row(elem_classes="cx-find"):
            self.words = gr.Textbox(
                label="Search", placeholder="titles, prompts, models, notes", elem_id="results-search"
            )
            kinds = [("all", ""), *((title, kind) for kind, title in KIND_WORDS.items())]
            self.kind = gr.Dropdown(kinds, value="", label="Kind", elem_id="results-kind")
            self.model = gr.Dropdown([("all", "")], value="", label="Model", elem_id="results-model")
            periods = [(title, period) for period, title in PERIODS.items()]
            self.period = gr.Dropdown(periods, value="", label="Made", elem_id="results-period")
            self.favourites = gr.Checkbox(label="Favourites only", elem_id="results-favourites")
        self.notice = gr.HTML("", elem_id="results-notice", elem_classes="cx-notice-area", apply_default_css=False)
        self.undo = gr.Button("Undo", visible=False, size="md", elem_id="results-undo")
        with gr.Column(visible=False, elem_id="results-edit") as self.editor:
            self.title = gr.Textbox(label="Title", elem_id="results-title")
            self.note = gr.Textbox(label="Note", lines=2, elem_id="results-note")
            with gr.Row(elem_classes="cx-actions"):
                self.save = gr.Button("Save", size="md", elem_id="results-save")
                self.keep_preset = gr.Button("Keep as a preset", size="md", elem_id="results-preset")
                self.cancel = gr.Button("Cancel", size="md", elem_id="results-cancel")
        self.shelf = gr.HTML(
            cards([], self.studio.media, found=0, of=0),
            elem_id="results",
            apply_default_css=False,
            js_on_load=CARDS_JS,
        )
        self.more = gr.Button("Show more", visible=False, size="md", elem_id="results-more")
        with gr.Accordion("Disk budget", open=False, elem_id="results-disk") as self.settings:
            self.usage = gr.HTML("", apply_default_css=False)
            label = "Your results may take, in GB (empty: no budget)"
            self.budget = gr.Number(label=label, value=None, minimum=LEAST_GB)
            self.keep = gr.Button("Keep to it", size="md", elem_id="results-budget")
        self.most, self.deleted, self.edited = gr.State(PAGE), gr.State([]), gr.State("")

    @property
    def inputs(self) -> list[Any]:
        """What ``show`` is told of the filters."""
        return [self.words, self.kind, self.model, self.period, self.favourites, self.most]

    @property
    def outputs(self) -> list[Any]:
        """What ``show`` changes."""
        return [self.shelf, self.more, self.model]

    @property
    def arrivals(self) -> list[Any]:
        """What ``arrive`` changes."""
        return [*self.said, *self.outputs]

    def arrive(self, owner: str) -> Updates:
        """Updates for somebody who has just opened the page: what they deleted a moment ago can still be had back."""
        gone = self.history.deleted(owner)
        updates = self.show(owner)
        if gone:
            updates |= self.say_deleted(gone) | {self.notice: markup.notice(_can_be_had_back(gone))}
        return updates

    def show(self, owner: str, *filters: Any) -> Updates:
        """Updates that show an owner's results; without ``filters``, the newest."""
        words, kind, model, period, favourites, most = filters or ("", "", "", "", False, PAGE)
        search = Search(_text(words), _text(kind), _text(model), _text(period), favourites is True)
        titles, jobs = self.studio.titles(), shown(self.history.all(owner))
        now = time.time()
        found = [job for job in jobs if search.finds(job, titles, now)]
        first = found[: int(most)]
        choices = [("all", ""), *model_choices(jobs, titles)]
        if search.model not in [name for _, name in choices]:  # it was the last one that was made with it
            choices.append((titles.get(search.model, search.model), search.model))
        return {
            self.shelf: cards(first, self.studio.media, titles, found=len(found), of=len(jobs)),
            self.more: gr.Button(visible=len(first) < len(found)),
            self.model: gr.Dropdown(choices=choices),
        }

    @property
    def history(self) -> History:
        """What is done with the jobs that there are."""
        return self.studio.jobs.history

    def wire(
        self,
        panels: Iterable[JobPanel],
        pick: Callable[[str, Any], Updates],
        reuse: Callable[[str, JobSnapshot, Any], Updates],
        compare: Callable[[Sequence[JobSnapshot], Any], Updates],
        picked: Sequence[Any],
    ) -> None:
        """Connect the events.

        ``panels`` are the stages on which results stand; ``pick`` is told the id of a result to open and the state that
        holds the owner's token, ``reuse`` what is asked for, of which result of the owner's, and that state, and
        ``compare`` two of the owner's results that are not both pictures, and that state. They change ``picked``.
        """
        self._panels = tuple(panels)
        self._wire_finding()
        self._wire_cards(pick, reuse, compare, picked)
        self._wire_editor()
        self._wire_budget()

    def _wire_finding(self) -> None:
        guard = guarded(self.notice)
        shown_with = [self.owner, *self.inputs]

        def find(state: Any, *filters: Any) -> Updates:
            return {self.most: PAGE, **self.show(owner_token(state), *filters[:-1], PAGE)}

        for widget in (self.kind, self.model, self.period, self.favourites):
            widget.input(guard(find), shown_with, [self.notice, self.most, *self.outputs], **QUICK)
        outputs = [self.notice, self.most, *self.outputs]
        self.words.change(guard(find), shown_with, outputs, trigger_mode="always_last", **QUICK)

        def more(state: Any, *filters: Any) -> Updates:
            most = min(int(filters[-1]) + PAGE, MOST_SHOWN)
            return {self.most: most, **self.show(owner_token(state), *filters[:-1], most)}

        self.more.click(guard(more), shown_with, [self.notice, self.most, *self.outputs], **QUICK)

        def undo(state: Any, gone: Sequence[str], *filters: Any) -> Updates:
            owner = owner_token(state)
            # A server that has started anew knows what was deleted, and no longer by whom on which page.
            count = self.history.restore(gone or self.history.deleted(owner), owner)
            said = f"{_results(count)} {'is' if count == 1 else 'are'} back." if count else "They are gone for good."
            before = self.history.deleted(owner)  # what was deleted earlier can be had back next
            words = f"{said} {_can_be_had_back(before)}" if before else said
            return {
                **self.say_deleted(before),
                self.notice: markup.notice(words, tone="good" if count else "warn"),
                **self.show(owner, *filters),
            }

        outputs = [self.notice, self.undo, self.deleted, *self.outputs]
        self.undo.click(guard(undo), [self.owner, self.deleted, *self.inputs], outputs, **QUICK)

    def _wire_cards(
        self,
        pick: Callable[[str, Any], Updates],
        reuse: Callable[[str, JobSnapshot, Any], Updates],
        compare: Callable[[Sequence[JobSnapshot], Any], Updates],
        picked: Sequence[Any],
    ) -> None:
        stages = [panel.job for panel in self._panels]

        def act(state: Any, event: gr.EventData, *rest: Any) -> Updates:
            if event.pick:
                return pick(str(event.pick), state)
            if event.act in REUSES:
                return reuse(str(event.act), self.own(str(event.id), owner_token(state)), state)
            filters, on_stage = rest[: len(self.inputs)], rest[len(self.inputs) :]
            chosen = [str(one) for one in event.chosen] if isinstance(event.chosen, list) else []
            if event.act == "compare":
                return compare([self.own(one, owner_token(state)) for one in chosen], state)
            updates = self._act(owner_token(state), str(event.act), str(event.id), chosen, *filters)
            return updates | (self._redraw(chosen, on_stage) if event.act == "delete" else {})

        own = [self.undo, self.deleted, self.editor, self.title, self.note, self.edited, *self.outputs]
        outputs = [self.notice, *own, *picked, *(one for panel in self._panels for one in panel.outputs)]
        inputs = [self.owner, *self.inputs, *stages]
        self.shelf.select(guarded(self.notice)(act), inputs, list(dict.fromkeys(outputs)), **QUICK)

    def _redraw(self, changed: Collection[str], on_stage: Sequence[Any]) -> Updates:
        """Updates of the stages on which results stand that were changed or deleted."""
        updates: Updates = {}
        for panel, job_id in zip(self._panels, on_stage, strict=True):
            if job_id in changed:
                updates |= panel.follow(panel.look(job_id))
        return updates

    def _act(self, owner: str, act: str, job_id: str, chosen: Sequence[str], *filters: Any) -> Updates:
        """Do what a button of a card, or of those that are chosen, asks for. StudioError if that cannot be done."""
        if act == "star":
            job = self.own(job_id, owner)
            self.history.change(job.id, owner, favourite=not job.favourite)
            return self.show(owner, *filters)
        if act == "edit":
            job = self.own(job_id, owner)
            return {
                self.editor: gr.Column(visible=True),
                self.title: job.title or job.kind,
                self.note: job.note,
                self.edited: job.id,
            }
        if not chosen:
            raise FormError("Choose results first: tick the boxes below them.")
        if act == "export":
            return {self.notice: self._export(owner, chosen)}
        if act == "delete":
            return {**self.say_deleted(self.history.delete(chosen, owner)), **self.show(owner, *filters)}
        raise FormError("This page is older than the server: reload it.")

    def own(self, job_id: str, owner: str) -> JobSnapshot:
        """A result of an owner's. FormError if they have none of this id."""
        found = next((job for job in self.history.all(owner) if job.id == job_id), None)
        if found is None:
            raise FormError("This result is no longer there. Reload the page to see what is.")
        return found

    @property
    def said(self) -> list[Any]:
        """What ``say_deleted`` changes."""
        return [self.notice, self.undo, self.deleted]

    def say_deleted(self, gone: list[str], why: str = "") -> Updates:
        """Updates that say that these were deleted, which can be undone."""
        words = f"{why}{_results(len(gone))} deleted. For {UNDO_MINUTES} minutes that can be undone."
        return {
            self.notice: markup.notice(words),
            self.undo: gr.Button(visible=bool(gone)),
            self.deleted: gone,
        }

    def _export(self, owner: str, chosen: Sequence[str]) -> str:
        titles = self.studio.titles()
        jobs = [job for job in self.history.all(owner) if job.id in set(chosen) and job.status.finished]
        entries = [Entry(job, export_columns(job, titles), self._further(job)) for job in jobs]
        path = export(entries, self.studio.uploads.root.with_name(FOLDER), owner, self.studio.limits)
        link = markup.download_link(self.studio.media.url(path), "crossmax-results.zip", "Download ZIP")
        size = path.stat().st_size
        words = f"{_results(len(entries))} in one file, {size / 1e6:,.1f} MB. It is there for an hour."
        return f'<div class="cx-notice cx-good" role="status"><p>{markup.text(words)}</p>{link}</div>'

    def _further(self, job: JobSnapshot) -> tuple[Path, ...]:
        """The report of an evaluation as files; none of one that came to no figures, and of other results."""
        if job.kind != EVALUATION:
            return ()
        try:
            return astuple(self.studio.evaluations.files(Path(job.folder)))
        except StudioError:
            return ()

    def _wire_editor(self) -> None:
        guard = guarded(self.notice)

        def save(state: Any, job_id: str, title: Any, note: Any, *rest: Any) -> Updates:
            owner, count = owner_token(state), len(self.inputs)
            self.history.change(job_id, owner, title=_text(title), note=_text(note))
            shown = {**self.show(owner, *rest[:count]), **self._redraw([job_id], rest[count:])}
            return {self.editor: gr.Column(visible=False), self.edited: "", **shown}

        def cancel() -> Updates:
            return {self.editor: gr.Column(visible=False), self.edited: ""}

        outputs = [self.notice, self.editor, self.edited]
        stages = [panel.job for panel in self._panels]
        inputs = [self.owner, self.edited, self.title, self.note, *self.inputs, *stages]
        changed = [*outputs, *self.outputs, *(one for panel in self._panels for one in panel.outputs)]
        self.save.click(guard(save), inputs, list(dict.fromkeys(changed)), **QUICK)
        self.cancel.click(guard(cancel), None, outputs, **QUICK)

    def _wire_budget(self) -> None:
        guard = guarded(self.notice)

        def look(state: Any) -> Updates:
            usage = self.history.usage(owner_token(state))
            return {self.usage: _usage_words(usage), self.budget: None if usage.budget is None else usage.budget / GB}

        self.settings.expand(guard(look), [self.owner], [self.notice, self.usage, self.budget], **QUICK)

        def keep(state: Any, budget: Any, *filters: Any) -> Updates:
            owner = owner_token(state)
            gone = self.history.set_budget(owner, _bytes(budget))
            words = "No budget: nothing goes by itself." if budget is None else "Kept."
            said: Updates = {self.notice: markup.notice(words, tone="good")}
            if gone:
                said = self.say_deleted(gone, "To keep to it, the oldest that are no favourites went: ")
            return {**said, self.usage: _usage_words(self.history.usage(owner)), **self.show(owner, *filters)}

        outputs = [self.notice, self.undo, self.deleted, self.usage, *self.outputs]
        self.keep.click(guard(keep), [self.owner, self.budget, *self.inputs], outputs, **QUICK)


def export_columns(job: JobSnapshot, titles: dict[str, str]) -> dict[str, str]:
    """What the table of an export says of a result."""
    return {
        "title": job.title,
        "kind": KIND_WORDS.get(job.kind, job.kind),
        "state": state_word(job),
        "created": datetime.datetime.fromtimestamp(job.created).isoformat(timespec="seconds"),
        "models": model_words(models_of(job), titles).removeprefix("on "),
        "what": " | ".join(said_of(job)),
        "budget": budget_words(job),
        "outcome": outcome_words(job),
        "favourite": "yes" if job.favourite else "",
        "note": job.note,
    }


def _usage_words(usage: Usage) -> str:
    words = f"Your results take {usage.bytes / GB:,.3f} GB, of which favourites {usage.favourites / GB:,.3f} GB."
    words += " Beyond the budget the oldest go, and never a favourite."
    return f'<p class="cx-hint">{markup.text(words)}</p>'


def _bytes(budget: Any) -> int | None:
    """A budget in bytes, of one that was typed in GB. FormError if it is none."""
    if budget is None:
        return None
    if not isinstance(budget, int | float) or not math.isfinite(budget) or not LEAST_GB <= budget <= 1e6:
        raise FormError(f"A budget is a number of GB, {LEAST_GB} to 1,000,000; leave it empty for none.")
    return round(budget * GB)


def _can_be_had_back(gone: Sequence[str]) -> str:
    return f"In the last {UNDO_MINUTES} minutes: {_results(len(gone))} deleted. That can still be undone."


def _results(count: int) -> str:
    return "1 result" if count == 1 else f"{count:,} results"


def _text(value: Any) -> str:
    """What a widget holds, where that is a text."""
    return value if isinstance(value, str) else ""
