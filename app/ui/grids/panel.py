"""The stage of a tab that makes single pictures and grids: it follows either, and shows the cells as they come."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from app.ui.grids.view import Place, cells_of, grid_more, grid_table, grid_view, is_grid, task_of
from app.ui.markup.gallery import CLICK_JS
from app.ui.markup.stage import fingerprint, readable
from app.ui.widgets.job_panel import SETTLED, JobPanel
from app.ui.wiring.guard import Updates
from foundation.jobs.store.model import JobSnapshot
from foundation.record import RecordError


@dataclass
class GridPanel(JobPanel):
    """A panel that follows grids of a task, too; below the stage it shows their cells.

    Args:
        task: of the recipes.
    """

    task: str = field(kw_only=True)

    def __post_init__(self) -> None:
        single, more = self.done_view, self.more_view
        self.done_view = lambda job: grid_view(job, self.studio.media) if is_grid(job) else single(job)
        self.more_view = lambda job: grid_more(job) if is_grid(job) else more(job)

    def build(self, between: Callable[[], None] | None = None) -> None:
        """See `JobPanel`; the cells come first below the stage."""

        def below() -> None:
            self.table = gr.HTML("", elem_id=f"{self.kind}-grid", apply_default_css=False, js_on_load=CLICK_JS)
            if between is not None:
                between()

        super().build(below)

    @property
    def outputs(self) -> list[Any]:
        """See `JobPanel`."""
        return [*super().outputs, self.table]

    def shows(self, job: JobSnapshot) -> bool:
        """See `JobPanel`."""
        return super().shows(job) or task_of(job) == self.task

    def follow(self, snapshot: JobSnapshot | None) -> Updates:
        """See `JobPanel`."""
        shown = snapshot is not None and snapshot.status not in SETTLED and is_grid(snapshot)
        table = self._table(snapshot) if snapshot is not None and shown else ""
        return {**super().follow(snapshot), self.table: table}

    def mark_of(self, snapshot: JobSnapshot) -> str:
        """See `JobPanel`: behind the mark of the stage, that of the cells."""
        return f"{fingerprint(snapshot)}\n{_mark(snapshot)}"

    def since(self, snapshot: JobSnapshot | None, _seen: str) -> Updates:
        """See `JobPanel`: cells that the page shows already are not sent again."""
        updates = self.follow(snapshot)
        if snapshot is not None and not snapshot.status.finished and _seen.partition("\n")[2] == _mark(snapshot):
            del updates[self.table]
        return updates

    def choose(self, snapshot: JobSnapshot, place: Place) -> Updates:
        """Updates that show which cell was chosen; of a grid that ended, also its picture as it was saved."""
        updates: Updates = {self.table: self._table(snapshot, place)}
        if snapshot.status.finished and snapshot.result:
            view = lambda job: grid_view(job, self.studio.media, place)  # noqa: E731
            updates |= self.redraw(snapshot, view, self.more_view)
        return updates

    def _table(self, snapshot: JobSnapshot, chosen: Place | None = None) -> str:
        return readable(lambda job: grid_table(job, self.studio.media, chosen), snapshot)

    def _follow_others(self, snapshot: JobSnapshot | None) -> Updates:
        """What follows single pictures has nothing to say of a grid, but for the buttons that use its settings."""
        if snapshot is None or not is_grid(snapshot):
            return super()._follow_others(snapshot)
        return {**super()._follow_others(None), **self.reuse.follow(snapshot)}


def _mark(snapshot: JobSnapshot) -> str:
    """Changes whenever the cells of a job do."""
    if not is_grid(snapshot):
        return ""
    try:
        return f"{snapshot.id} {len(cells_of(snapshot))}"  # a cell comes once
    except RecordError:
        return snapshot.id
