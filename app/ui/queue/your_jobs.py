"""The list of the visitor's jobs above the tabs: what runs and what waits, to be stopped and put in another order."""

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from app.ui.queue.account import account_line
from app.ui.queue.markup import recently_ended, your_jobs
from app.ui.widgets.forms import FormError
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.owner import owner_token
from app.ui.wiring.services import Studio
from foundation.files.text_files import read_text
from foundation.jobs.queue.view import QueueView
from foundation.jobs.store.model import JobSnapshot

SCRIPT_PATH = Path(__file__).with_name("your_jobs.js")


class YourJobs:
    """The widget and its events.

    Args:
        studio: what the page works with.
        owner: the browser's state that holds the owner's token.
    """

    def __init__(self, studio: Studio, owner: gr.BrowserState) -> None:
        self._studio, self._owner = studio, owner

    def build(self) -> None:
        """Create the widgets; where there are accounts, first the line of who is logged in."""
        self.account = gr.HTML(
            "", elem_id="account", visible=self._studio.accounts is not None, apply_default_css=False
        )
        self.list = gr.HTML(
            your_jobs(QueueView((), 0, 0), (), 0.0),
            elem_id="your-jobs",
            apply_default_css=False,
            js_on_load=read_text(SCRIPT_PATH),
        )
        self.notice = gr.HTML("", elem_classes="cx-notice-area", apply_default_css=False)
        self.seen = gr.State("")

    @property
    def outputs(self) -> list[Any]:
        """What ``show`` changes."""
        return [self.account, self.list, self.seen]

    def show(self, owner: str, jobs: Sequence[JobSnapshot], seen: str = "") -> Updates:
        """Updates that show the list as it now is, if that is not what was ``seen``; ``jobs`` are the owner's.

        What was seen is a mark of it: the list of many jobs is longer than a text that comes from a page may be.
        """
        now = time.time()
        shown = your_jobs(self._studio.jobs.queue(owner), recently_ended(jobs, now), now)
        line = account_line(self._studio)
        mark = hashlib.sha256(f"{line}{shown}".encode("utf-8", "surrogatepass")).hexdigest()
        if mark == seen:
            return {}
        return {self.list: shown, self.seen: mark, **({self.account: line} if line else {})}

    def wire(self, show: Callable[[str, Any], Updates], shown: Sequence[Any]) -> None:
        """Connect the events.

        ``show`` is told the id of a job of theirs to be shown, and the state that holds the owner's token; it changes
        ``shown``.
        """

        def act(state: Any, event: gr.EventData) -> Updates:
            owner, job_id, jobs = owner_token(state), str(event.id), self._studio.jobs
            if event.act == "show":
                return show(job_id, state)
            if event.act == "stop":
                jobs.stop(job_id, owner)
            elif event.act in ("up", "down"):
                jobs.move(job_id, owner, up=event.act == "up")
            else:
                raise FormError("This page is older than the server: reload it.")
            return self.show(owner, jobs.list(owner))

        outputs = list(dict.fromkeys([self.notice, *self.outputs, *shown]))
        self.list.select(guarded(self.notice)(act), [self._owner], outputs, **QUICK)
