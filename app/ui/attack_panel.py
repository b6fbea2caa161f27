"""The attack that is followed: its picture, and the tables as they come."""

import gradio as gr

from app.jobs.model import JobSnapshot
from app.ui import attack_results, stage
from app.ui.guard import Updates
from app.ui.panel import JobPanel
from app.ui.services import Studio

KIND = "attack"


def attack_panel(studio: Studio, owner: gr.BrowserState) -> "AttackPanel":
    """The panel of the tab."""
    return AttackPanel(
        studio,
        kind=KIND,
        blank=stage.empty_stage(
            "Change a picture so little that you do not notice, and the model does",
            "Choose an example or bring a picture of your own. Every model here is asked what it sees, before and "
            "after, and again after what happens to files on their way.",
        ),
        start_label="Show me",
        done_view=lambda job: attack_results.attack_view(job, studio.media),
        more_view=lambda job: attack_results.attack_more(job, studio.media, studio.titles()),
        owner=owner,
    )


class AttackPanel(JobPanel):
    """A panel that shows what is known of a picture while more is being found out about it."""

    def follow(self, snapshot: JobSnapshot | None) -> Updates:
        """The updates that put a job, or nothing, on the stage."""
        updates: Updates = super().follow(snapshot)
        if snapshot is None or snapshot.status.finished:
            return updates
        measured = attack_results.measured_so_far(snapshot, self.studio.titles())
        if measured:
            shown = f'<div class="cx-stage">{measured}{stage.loss_curves(snapshot)}</div>'
            updates |= {self.more: shown}
        return updates
