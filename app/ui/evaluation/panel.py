"""The evaluation that is followed: its buttons, its progress, and its figures as they come."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from app.evaluation.order import EVALUATION
from app.ui.evaluation import markup as evaluation_markup
from app.ui.markup.gallery import CLICK_JS
from app.ui.widgets.job_panel import POLL_SECONDS, SETTLED, JobPanel
from app.ui.wiring.guard import Updates
from app.ui.wiring.services import Studio
from foundation.errors import StudioError
from foundation.jobs.store.model import JobSnapshot


def evaluation_panel(studio: Studio, owner: gr.BrowserState) -> "EvaluationPanel":
    """The panel of a page."""
    return EvaluationPanel(
        studio,
        kind=EVALUATION,
        blank="",
        start_label="Evaluate",
        done_view=lambda _job: "",
        more_view=lambda _job: "",
        owner=owner,
    )


class EvaluationPanel(JobPanel):
    """A panel whose stage has figures in place of a picture, and whose first button starts what the form says."""

    def build(self, between: Callable[[], None] | None = None) -> None:
        """Create the components; the buttons stand above the stage, where a long list does not push them away.

        ``between`` creates further buttons.
        """
        self.notice = gr.HTML("", elem_classes="cx-notice-area", apply_default_css=False)
        with gr.Row(elem_classes="cx-actions"):
            self.start = gr.Button(self.start_label, variant="primary", interactive=False, elem_id=f"{self.kind}-start")
            self.stop = gr.Button("Stop and keep", visible=False, elem_id=f"{self.kind}-stop")
            self.discard = gr.Button("Discard", visible=False, elem_id=f"{self.kind}-discard")
            if between is not None:
                between()
        self.stage = gr.HTML(self.blank, elem_id=f"{self.kind}-stage", apply_default_css=False)
        self.more = gr.HTML("", elem_id=f"{self.kind}-more", apply_default_css=False, js_on_load=CLICK_JS)
        self.changed.build()
        self.job = gr.State("")
        self.seen = gr.State("")
        self.timer = gr.Timer(POLL_SECONDS, active=False)

    def follow(self, snapshot: JobSnapshot | None) -> Updates:
        """The updates that show an evaluation, or none."""
        updates: dict[Any, Any] = super().follow(snapshot)
        if snapshot is None or snapshot.status in SETTLED:
            return updates
        try:
            known, problem = self.studio.evaluations.report(Path(snapshot.folder)), ""
        except StudioError as error:  # the report is damaged: that is said, and all else works on
            known, problem = None, str(error)
        return updates | {
            self.stage: evaluation_markup.run_view(snapshot, known, problem),
            self.more: evaluation_markup.run_actions(snapshot, known) if snapshot.status.finished else "",
            self.start: gr.Button(visible=snapshot.status.finished, interactive=True),
        }
