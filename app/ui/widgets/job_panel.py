"""The part both tabs share: a stage that follows one job, with its buttons and the timer that polls it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from pydantic import JsonValue

from app.ui.markup.gallery import CLICK_JS
from app.ui.markup.stage import DoneView, details_of, fingerprint, stage
from app.ui.widgets.reuse import ReuseButtons
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.owner import owner_token
from app.ui.wiring.services import Studio
from app.ui.wiring.signal import Signal
from app.visitors.visitor import current_account, job_address
from foundation.jobs.retention import digests_in
from foundation.jobs.store.model import JobRequest, JobSnapshot, JobStatus, UnknownJobError

POLL_SECONDS = 0.25
SETTLED = (JobStatus.DISCARDED,)

Follower = Callable[[JobSnapshot | None], Updates]
Forgetter = Callable[[Any, Collection[str]], Updates]
"""Told what is chosen, and the digests of the pictures that go."""


@dataclass
class JobPanel:
    """A stage, its buttons and its timer.

    Args:
        studio: what the page is given to work with.
        kind: the kind of job this panel shows.
        blank: markup of the stage before the first job.
        start_label: text of the button that starts with everything as it is.
        done_view: markup of a finished job: its pictures.
        more_view: markup of a finished job: the details, further down.
        owner: the browser's state that holds the owner's token.
        changed: says that another job, or none, is followed now, or that it has ended.
    """

    studio: Studio
    kind: str
    blank: str
    start_label: str
    done_view: DoneView
    more_view: DoneView
    owner: gr.BrowserState
    changed: Signal = field(default_factory=Signal)
    _others: list[tuple[list[Any], Follower]] = field(default_factory=list)
    _kept: list[tuple[Any, list[Any], Forgetter]] = field(default_factory=list)

    def build(self, between: Callable[[], None] | None = None) -> None:
        """Create the components, in the order they stand on the page.

        ``between`` creates what stands below the stage and above the details.
        """
        self.notice = gr.HTML("", elem_classes="cx-notice-area", apply_default_css=False)
        self.stage = gr.HTML(self.blank, elem_id=f"{self.kind}-stage", apply_default_css=False, js_on_load=CLICK_JS)
        with gr.Row(elem_classes="cx-actions"):
            # Not before the page knows who it belongs to: a job started earlier would be lost again.
            self.start = gr.Button(self.start_label, variant="primary", interactive=False, elem_id=f"{self.kind}-start")
            self.stop = gr.Button("Stop and keep", visible=False, elem_id=f"{self.kind}-stop")
            self.discard = gr.Button("Discard", visible=False, elem_id=f"{self.kind}-discard")
        self.reuse = ReuseButtons(self.kind)
        self.reuse.build()
        self.also(self.reuse.outputs, self.reuse.follow)
        if between is not None:
            between()
        self.more = gr.HTML("", elem_id=f"{self.kind}-more", elem_classes="cx-below", apply_default_css=False)
        self.changed.build()
        self.job = gr.State("")
        self.seen = gr.State("")
        self.timer = gr.Timer(POLL_SECONDS, active=False)

    @property
    def outputs(self) -> list[Any]:
        """Every component that following a job may change."""
        own = [self.notice, self.stage, self.start, self.stop, self.discard, self.more]
        own += [self.changed.sign, self.job, self.seen, self.timer]
        return own + [component for outputs, _ in self._others for component in outputs]

    def also(self, outputs: list[Any], follower: Follower) -> None:
        """Let something else on the page follow the job too: asked when a job is over and when there is none."""
        self._others.append((outputs, follower))

    def also_discard(self, held: Any, outputs: list[Any], clear: Forgetter) -> None:
        """Let a discarded job take a picture along: ``clear`` is told what ``held`` holds, and what goes."""
        self._kept.append((held, outputs, clear))

    def _follow_others(self, snapshot: JobSnapshot | None) -> Updates:
        return {name: value for _, follower in self._others for name, value in follower(snapshot).items()}

    def wire(self) -> None:
        """Connect the timer and the two buttons that end a job."""
        quiet: dict[str, Any] = {**QUICK, "outputs": self.outputs}

        def tick(job_id: str, seen: str) -> Updates:
            snapshot = self.look(job_id)
            if snapshot is not None and self.mark_of(snapshot) == seen:
                return {}
            return self.since(snapshot, seen)

        def stop(job_id: str, owner: Any) -> Updates:
            self.studio.jobs.stop(job_id, owner_token(owner))
            return self.follow(self.look(job_id))

        def discard(job_id: str, owner: Any, *chosen: Any) -> Updates:
            snapshot = self.look(job_id)
            self.studio.jobs.discard(job_id, owner_token(owner))
            others = [job.params for job in self.studio.jobs.list(owner_token(owner)) if job.id != job_id]
            gone = digests_in(snapshot.params if snapshot else {}) - digests_in(others)
            cleared: Updates = {}
            for (_, _, clear), held in zip(self._kept, chosen, strict=True):
                cleared |= clear(held, gone)
            return {**self.follow(None), **cleared}

        self.timer.tick(guarded(self.notice, keep=True)(tick), [self.job, self.seen], **quiet)
        self.stop.click(guarded(self.notice)(stop), [self.job, self.owner], **quiet)
        held = [component for component, _, _ in self._kept]
        cleared = [component for _, outputs, _ in self._kept for component in outputs]
        quiet["outputs"] = list(dict.fromkeys([*self.outputs, *cleared]))
        self.discard.click(guarded(self.notice)(discard), [self.job, self.owner, *held], **quiet)

    def shows(self, job: JobSnapshot) -> bool:
        """Whether jobs like this one stand on this stage."""
        return job.kind == self.kind

    def mark_of(self, snapshot: JobSnapshot) -> str:
        """Changes exactly when the stage, or what follows it, would look different."""
        return fingerprint(snapshot)

    def since(self, snapshot: JobSnapshot | None, _seen: str) -> Updates:
        """The updates that bring the page up to date, which shows what has the mark `_seen`."""
        return self.follow(snapshot)

    def submit(self, params: Mapping[str, JsonValue], title: str, owner: Any, *, kind: str | None = None) -> Updates:
        """Hand a job to the service and follow it; of the kind of this panel, unless another is named that it shows."""
        request = JobRequest(
            kind=kind or self.kind,
            params=params,
            device=self.studio.device,
            owner=owner_token(owner),
            title=title,
            address=job_address(),
        )
        return self.follow(self.studio.jobs.snapshot(self.studio.jobs.submit(request)))

    def resume(self, owner: str) -> Updates:
        """Follow the newest job of this browser that is still worth looking at, if there is one."""
        mine = (job for job in self.studio.jobs.list(owner) if self.shows(job))
        newest = next((job for job in mine if job.status not in SETTLED), None)
        return self.follow(self.studio.jobs.snapshot(newest.id) if newest else None)

    def open(self, job_id: str, owner: Any) -> Updates:
        """Follow one job of this browser; somebody else's job does not exist for it."""
        return self.follow(self.find(job_id, owner))

    def find(self, job_id: str, owner: Any) -> JobSnapshot:
        """One job of this browser.

        Raises:
            UnknownJobError: there is none with this id; somebody else's job does not exist for it.
        """
        snapshot = self.look(job_id)
        if snapshot is None or snapshot.owner != owner_token(owner) or not self.shows(snapshot):
            raise UnknownJobError("This result is no longer there. Reload the page to see what is.")
        return snapshot

    def redraw(self, snapshot: JobSnapshot, done_view: DoneView, more_view: DoneView) -> Updates:
        """The updates that show a finished job in another way."""
        return {
            self.stage: stage(snapshot, self.studio.media, done_view),
            self.more: details_of(snapshot, more_view),
        }

    def follow(self, snapshot: JobSnapshot | None) -> Updates:
        """The updates that put a job, or nothing, on the stage."""
        if snapshot is None or snapshot.status in SETTLED:
            return {
                self.stage: self.blank,
                self.start: gr.Button(visible=True, interactive=True),
                self.stop: gr.Button(visible=False),
                self.discard: gr.Button(visible=False),
                self.more: "",
                **self.changed.send(""),
                self.job: "",
                self.seen: "",
                self.timer: gr.Timer(active=False),
                **self._follow_others(None),
            }
        working = not snapshot.status.finished
        return {
            self.stage: stage(snapshot, self.studio.media, self.done_view),
            self.start: gr.Button(visible=not working and not snapshot.result, interactive=True),
            self.stop: gr.Button(visible=working, interactive=not snapshot.stopping),
            self.discard: gr.Button(visible=working),
            **self.changed.send(f"{snapshot.id} {'working' if working else 'ended'}"),
            self.job: snapshot.id,
            self.seen: self.mark_of(snapshot),
            self.timer: gr.Timer(active=working),
            self.more: details_of(snapshot, self.more_view),
            **self._follow_others(None if working else snapshot),
        }

    def look(self, job_id: str) -> JobSnapshot | None:
        """A job; None for no id, and for one that is no more, or, where there are accounts, somebody else's."""
        if not job_id:
            return None
        try:
            snapshot = self.studio.jobs.snapshot(job_id)
        except UnknownJobError:
            return None
        account = current_account()
        return snapshot if account is None or snapshot.owner == account.owner else None
