"""The sidebar: evaluate a model, follow it, and read what came out, now and of earlier runs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from app.evaluation.order import EVALUATION, ShippedReport
from app.records.params import EvaluateParams
from app.ui.evaluation import markup as evaluation_markup
from app.ui.evaluation import reports as evaluation_reports
from app.ui.evaluation.form import EvaluationForm
from app.ui.evaluation.panel import evaluation_panel
from app.ui.markup import markup
from app.ui.widgets.forms import FormError
from app.ui.widgets.reuse import params_again
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.owner import owner_token
from app.ui.wiring.services import Studio
from foundation.errors import StudioError
from foundation.jobs.retention import UNDO_MINUTES
from foundation.jobs.store.model import JobSnapshot

HEAD = (
    "<h2>Evaluate a model</h2><p>How many images a model still gets right when somebody changes every pixel a little, "
    "as cleverly as they can.</p>"
)

MOST_COMPARED = 8
REMOVED = f"It is removed. For {UNDO_MINUTES} minutes Undo has it back, under Your results."


class EvaluationSidebar:
    """Widgets and events of the sidebar. It is closed at first: opened, it covers a narrow page.

    Args:
        studio: what the page works with.
        owner: the browser's state that holds the owner's token.
    """

    def __init__(self, studio: Studio, owner: gr.BrowserState) -> None:
        self.studio = studio
        self.owner = owner
        self.form = EvaluationForm(studio, owner)
        self.panel = evaluation_panel(studio, owner)

    def build(self) -> None:
        """Create the widgets."""
        with gr.Sidebar(
            "Evaluate a model",
            open=False,
            position="right",
            width=460,
            elem_id="evaluation",
            elem_classes=["cx-sidebar", "cx-controls"],
        ) as self.bar:
            gr.HTML(
                f'<div class="cx-side-head">{HEAD}</div>',
                apply_default_css=False,
                js_on_load=evaluation_markup.HANDLE_JS,
            )
            self.form.build()
            self.panel.build(between=self._build_go_on)
            gr.HTML('<h2 class="cx-side-title">Past evaluations</h2>', apply_default_css=False)
            self.runs = gr.HTML(
                evaluation_reports.runs([]),
                elem_id="evaluate-runs",
                apply_default_css=False,
                js_on_load=evaluation_reports.RUNS_JS,
            )
            self.notice = gr.HTML("", elem_classes="cx-notice-area", apply_default_css=False)
        self.sheet = gr.HTML(
            "", elem_id="evaluate-report", apply_default_css=False, js_on_load=evaluation_reports.SHEET_JS
        )

    def _build_go_on(self) -> None:
        self.go_on = gr.Button("Go on with these attacks", visible=False, elem_id=f"{EVALUATION}-go-on")
        self.panel.also([self.go_on], self._offer)

    def _offer(self, job: JobSnapshot | None) -> Updates:
        """An evaluation that has ended can be gone on with, if it has come to figures."""
        return {self.go_on: gr.Button(visible=job is not None and self._has_figures(job))}

    @property
    def arrivals(self) -> list[Any]:
        """What ``arrive`` changes."""
        return [self.runs, *self.form.arrivals, *self.panel.outputs]

    def arrive(self, owner: str) -> Updates:
        """Updates for somebody who has just opened the page."""
        return {self.runs: self._runs(owner), **self.form.arrive(), **self.panel.resume(owner)}

    def wire(self, say_deleted: Callable[[list[str]], Updates], said: Sequence[Any]) -> None:
        """Connect the events; ``say_deleted`` says, by changing ``said``, what was deleted and can be had back."""
        self.panel.wire()
        self.form.wire(lambda **event: self.bar.expand(**event))
        guard = guarded(self.panel.notice)

        def start(owner: Any, *values: Any) -> Updates:
            order = replace(self.form.read(*values), owner=owner_token(owner))
            params = self.studio.evaluations.params(order)
            return self.panel.submit(params.to_json(), self.form.title(order), owner)

        self.panel.start.click(guard(start), [self.owner, *self.form.inputs], self.panel.outputs, **QUICK)

        def go_on(owner: Any, job_id: str, suites: Sequence[str] | None) -> Updates:
            job = self.panel.find(job_id, owner)
            if not job.status.finished:
                raise FormError("This evaluation is still running. Stop it first, or wait.")
            asked = EvaluateParams.asked(job.params)
            params = self.studio.evaluations.continued(job.id, asked, tuple(suites or ()))
            return self.panel.submit(params.to_json(), job.title, owner)

        inputs = [self.owner, self.panel.job, self.form.suites]
        self.go_on.click(guard(go_on), inputs, self.panel.outputs, **QUICK)

        def read(owner: Any, event: gr.EventData) -> Updates:
            return {self.sheet: self._report(*self._past(str(event.pick), owner))}

        self.panel.more.select(guard(read), [self.owner], [self.panel.notice, self.sheet], **QUICK)
        self._wire_runs(say_deleted, said)

    @property
    def opened(self) -> list[Any]:
        """What ``open`` changes."""
        return [self.sheet, *self.panel.outputs]

    def open(self, job_id: str, owner: Any) -> Updates:
        """Follow an evaluation of this browser; of one that has ended with figures, show the report."""
        job = self.panel.find(job_id, owner)
        sheet = {self.sheet: self._report(*self._past(job.id, owner))} if self._readable(job) else {}
        return {**self.panel.follow(job), **sheet}

    @property
    def filled(self) -> list[Any]:
        """What ``use`` changes."""
        return [self.panel.notice, *self.form.filled]

    def use(self, job: JobSnapshot) -> Updates:
        """Updates that put the settings of an evaluation into the form. StudioError where that cannot be done."""
        return {self.panel.notice: "", **self.form.fill(EvaluateParams.asked(job.params), job.owner)}

    def again(self, job: JobSnapshot, owner: Any) -> Updates:
        """Start an evaluation once more; what there is of it is kept. StudioError where that cannot be done."""
        return self.panel.submit(params_again(job), job.title, owner)

    def compare(self, chosen: Any, owner: Any) -> Updates:
        """The update that shows evaluations side by side. StudioError where they cannot be compared."""
        return {self.sheet: self._comparison(chosen, owner)}

    def _wire_runs(self, say_deleted: Callable[[list[str]], Updates], said: Sequence[Any]) -> None:
        guard = guarded(self.notice)

        def refresh(owner: Any) -> Updates:
            return {self.runs: self._runs(owner_token(owner))}

        outputs = [self.notice, self.runs]
        self.panel.changed.connect(guarded(self.notice, keep=True)(refresh), [self.owner], outputs)

        def pick(owner: Any, followed: str, event: gr.EventData) -> Updates:
            if event.runs:
                return self.compare(event.runs, owner)
            if event.remove:
                job = self.panel.find(str(event.remove), owner)
                gone = self.studio.jobs.history.delete([job.id], owner_token(owner))
                shown = self.panel.follow(None) if job.id == followed else {}
                return {**refresh(owner), **shown, **say_deleted(gone), self.notice: markup.notice(REMOVED)}
            if self._shipped(str(event.pick)) is not None:
                return {self.sheet: self._report(*self._past(str(event.pick), owner))}
            return self.open(str(event.pick), owner)

        changed = list(dict.fromkeys([*outputs, *self.opened, *said]))
        self.runs.select(guard(pick), [self.owner, self.panel.job], changed, **QUICK)
        self.sheet.select(guard(lambda: {self.sheet: ""}), None, [self.notice, self.sheet], **QUICK)

    @property
    def listed(self) -> list[Any]:
        """What ``list_runs`` changes."""
        return [self.runs]

    def list_runs(self, jobs: Sequence[JobSnapshot]) -> Updates:
        """The update that shows the visitor's evaluations as they now are."""
        return {self.runs: self._listed([job for job in jobs if job.kind == EVALUATION])}

    def _runs(self, owner: str) -> str:
        return self._listed([job for job in self.studio.jobs.list(owner) if job.kind == EVALUATION])

    def _listed(self, own: Sequence[JobSnapshot]) -> str:
        return evaluation_reports.runs(own, self.studio.evaluations.shipped())

    def _shipped(self, name: str) -> ShippedReport | None:
        return next((one for one in self.studio.evaluations.shipped() if one.name == name), None)

    def _past(self, name: str, owner: Any) -> tuple[str, Path]:
        """Title and folder of an evaluation: one of this browser's, or one that came with a model."""
        shipped = self._shipped(name)
        if shipped is not None:
            return shipped.title, shipped.folder
        job = self.panel.find(name, owner)
        return job.title or job.kind, Path(job.folder)

    def _readable(self, job: JobSnapshot) -> bool:
        return job.status.finished and self._has_figures(job)

    def _has_figures(self, job: JobSnapshot) -> bool:
        """Whether there are figures that can be read; what is wrong with others is said where they would stand."""
        try:
            return self.studio.evaluations.report(Path(job.folder)) is not None
        except StudioError:
            return False

    def _report(self, title: str, folder: Path) -> str:
        return evaluation_reports.report_sheet(title, self.studio.evaluations.files(folder), self.studio.media)

    def _comparison(self, chosen: Any, owner: Any) -> str:
        if not isinstance(chosen, list) or not 2 <= len(chosen) <= MOST_COMPARED:
            raise FormError(f"Choose 2 to {MOST_COMPARED} evaluations to compare.")
        titles, folders = zip(*(self._past(str(name), owner) for name in chosen), strict=True)
        return evaluation_reports.comparison_sheet(titles, self.studio.evaluations.compare(folders))
