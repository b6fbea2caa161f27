"""A button that deletes all of a visitor's results and pictures, once they have said that they mean it."""

from typing import Any

import gradio as gr

from app.accounts.words import KEPT, KEPT_OF_ACCOUNTS
from app.ui.widgets.remembered import FORGET_JS
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.owner import owner_token
from app.ui.wiring.services import Jobs, Studio
from app.visitors.exports import FOLDER, remove_exports
from app.visitors.uploads import Uploads
from app.visitors.visitor import current_account

WORDS = (
    "This deletes every result in the list above, also those that are still being made, every picture that you "
    "brought, your presets, and what this browser keeps of your forms. It cannot be undone."
)
WORDS_OF_ACCOUNTS = (
    "The token for your programs goes, too. Your account stays, with your name and password, until whoever runs the "
    "studio removes it; so does for how long your jobs computed, for a day."
)


class Forgetting:
    """The button, and what it asks first.

    Args:
        studio: what the page works with.
        owner: the browser's state that holds the owner's token.
    """

    def __init__(self, studio: Studio, owner: gr.BrowserState) -> None:
        self._studio, self._owner = studio, owner

    def build(self) -> None:
        """Create the widgets."""
        accounts = self._studio.accounts is not None
        kept, words = (KEPT_OF_ACCOUNTS, f"{WORDS} {WORDS_OF_ACCOUNTS}") if accounts else (KEPT, WORDS)
        self.notice = gr.HTML("", elem_classes="cx-notice-area", apply_default_css=False)
        gr.HTML(f'<p class="cx-hint" id="kept">{kept}</p>', apply_default_css=False)
        with gr.Row(elem_classes="cx-actions"):
            self.ask = gr.Button("Delete everything of mine", size="md", elem_id="forget")
        with gr.Column(visible=False, elem_id="forget-area") as self.area:
            gr.HTML(f'<p class="cx-hint">{words}</p>', apply_default_css=False)
            with gr.Row(elem_classes="cx-actions"):
                self.yes = gr.Button("Yes, delete it all", size="md", elem_id="forget-yes")
                self.no = gr.Button("Keep it", size="md", elem_id="forget-no")

    def wire(self) -> None:
        """Connect the events; afterwards the page is loaded anew, and shows what there is: nothing."""
        guard = guarded(self.notice)

        def show() -> Updates:
            return {self.area: gr.Column(visible=True)}

        def hide() -> Updates:
            return {self.area: gr.Column(visible=False)}

        def forget(state: Any) -> Updates:
            forget_visitor(self._studio.jobs, self._studio.uploads, owner_token(state))
            account = current_account()
            if self._studio.accounts is not None and account is not None:
                self._studio.accounts.drop_token(account)
            return hide()

        outputs = [self.notice, self.area]
        self.ask.click(guard(show), None, outputs, **QUICK)
        self.no.click(guard(hide), None, outputs, **QUICK)
        self.yes.click(guard(forget), [self._owner], outputs, **QUICK).success(fn=None, js=FORGET_JS)


def forget_visitor(jobs: Jobs, uploads: Uploads, owner: str) -> None:
    """Discard all jobs of a visitor, also those that they deleted, their presets, archives and pictures.

    A running job goes at its next step.
    """
    asked: set[str] = set()
    while fresh := [job.id for job in jobs.list(owner) if job.id not in asked]:
        for job_id in fresh:
            jobs.discard(job_id, owner)
        asked.update(fresh)
    jobs.history.forget(owner)
    uploads.clear(owner)
    remove_exports(uploads.root.with_name(FOLDER), owner)
