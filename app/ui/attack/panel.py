"""The attack that is followed: its picture, and the tables as they come."""

from pathlib import Path

import gradio as gr

from app.handlers.folders import FOLDER
from app.ui.attack.results import folder as folder_results
from app.ui.attack.results import results as attack_results
from app.ui.attack.results.descriptions import descriptions_in
from app.ui.markup import stage
from app.ui.widgets.job_panel import SETTLED, JobPanel
from app.ui.wiring.guard import Updates
from app.ui.wiring.services import Studio
from foundation.jobs.store.model import JobSnapshot

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
        done_view=lambda job: done_view(job, studio),
        more_view=lambda job: more_view(job, studio),
        owner=owner,
    )


def done_view(job: JobSnapshot, studio: Studio) -> str:
    """The stage of a finished attack, on a photo or a folder of them."""
    if folder_results.is_folder(job):
        return folder_results.folder_view(job, studio.media)
    return attack_results.attack_view(job, studio.media, studio.titles())


def more_view(job: JobSnapshot, studio: Studio) -> str:
    """What was found out about a finished attack, and what a vision-language model says where one was asked."""
    titles = studio.titles()
    if folder_results.is_folder(job):
        return folder_results.folder_more(job, titles)
    error = str((job.result or {}).get("descriptions_error", ""))
    said = descriptions_in(Path(job.folder), error)
    return said + attack_results.attack_more(job, studio.media, titles)


def known_so_far(job: JobSnapshot, studio: Studio) -> str:
    """What is known of an attack that is not complete."""
    if folder_results.is_folder(job):
        said = descriptions_in(Path(job.folder) / FOLDER, "", going_on=not job.status.finished)
        return folder_results.folder_tables(job, studio.titles()) + said
    if job.status.finished:
        return ""
    said = descriptions_in(Path(job.folder), "", going_on=True)
    return said + attack_results.measured_so_far(job, studio.titles())


class AttackPanel(JobPanel):
    """A panel that shows what is known of pictures while more is being found out about them."""

    def follow(self, snapshot: JobSnapshot | None) -> Updates:
        """The updates that put a job, or nothing, on the stage."""
        updates: Updates = super().follow(snapshot)
        if snapshot is None or snapshot.status in SETTLED or snapshot.result:
            return updates
        measured = stage.readable(lambda job: known_so_far(job, self.studio), snapshot)
        if measured:
            shown = f'<div class="cx-stage">{measured}{stage.loss_curves(snapshot)}</div>'
            updates |= {self.more: shown}
        return updates
