"""The whole page: head, the two tabs, the visitor's results, the models and the foot."""

import secrets
from typing import Any

import gradio as gr

from app.jobs.model import JobSnapshot
from app.ui import gallery, markup
from app.ui.attack_tab import AttackTab
from app.ui.class_tab import ClassTab
from app.ui.gallery import CLICK_JS
from app.ui.guard import Updates, guarded
from app.ui.panel import owner_token
from app.ui.services import Studio

TITLE = "CrossMax Studio"
STORAGE_KEY = "crossmax-studio"

# Brings the stage into view on narrow screens, where it stands above the button that was pressed.
HEAD = """
<script>
window.cxShowStage = kind => {
  const stage = document.getElementById(kind + '-stage')?.closest('.cx-stage-column');
  if (stage && stage.getBoundingClientRect().top < 0) stage.scrollIntoView({behavior: 'smooth', block: 'start'});
};
</script>
"""


def build_page(studio: Studio) -> gr.Blocks:
    """The page as Gradio blocks; nothing runs and nothing is written until it is launched."""
    page = gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 86400))
    with page:
        # The key is no secret: it only scrambles what the browser itself stores. Fixed, so that a browser
        # still finds its results after the server was started again.
        owner = gr.BrowserState({}, storage_key=STORAGE_KEY, secret=STORAGE_KEY)
        gr.HTML(markup.header(studio.version), apply_default_css=False)
        images, attacks = ClassTab(studio, owner), AttackTab(studio, owner)
        with gr.Tabs(selected="image", elem_classes="cx-tabs") as tabs:
            with gr.Tab("Class to image", id="image"):
                images.build()
            with gr.Tab("Attack an image", id="attack"):
                attacks.build()
        notice = gr.HTML("", elem_classes="cx-notice-area", apply_default_css=False)
        shelf = gr.HTML(
            gallery.results([], studio.media), elem_id="results", apply_default_css=False, js_on_load=CLICK_JS
        )
        models = gr.HTML(gallery.models(studio.list_models()), elem_id="models", apply_default_css=False)
        gr.HTML(gallery.footer(studio.device, studio.device_note), apply_default_css=False)

        def shelve(snapshot: JobSnapshot | None) -> Updates:
            return {shelf: gallery.results(studio.jobs.list(snapshot.owner), studio.media)} if snapshot else {}

        for tab in (images, attacks):
            tab.panel.also([shelf], shelve)
            tab.wire()
        followed = list(dict.fromkeys([*images.panel.outputs, *attacks.panel.outputs]))
        panels = {"image": images.panel, "attack": attacks.panel}
        quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

        def arrive(state: Any) -> Updates:
            try:
                token = owner_token(state)
            except ValueError:
                token = secrets.token_hex(16)
            return {
                owner: {"owner": token},
                shelf: gallery.results(studio.jobs.list(token), studio.media),
                models: gallery.models(studio.list_models()),
                **images.models.refresh(images.models.value),
                **attacks.models.refresh(attacks.models.value),
                images.create: gr.Button(interactive=True),
                attacks.go: gr.Button(interactive=True),
                **images.panel.resume(token),
                **attacks.panel.resume(token),
            }

        arrivals = [
            notice,
            owner,
            shelf,
            models,
            images.create,
            attacks.go,
            *images.models.outputs,
            *attacks.models.outputs,
            *followed,
        ]
        page.load(guarded(notice)(arrive), [owner], list(dict.fromkeys(arrivals)), **quick)

        def refresh(state: Any) -> Updates:
            return {shelf: gallery.results(studio.jobs.list(owner_token(state)), studio.media)}

        for panel in panels.values():
            panel.job.change(guarded(notice, keep=True)(refresh), [owner], [notice, shelf], **quick)

        def pick(state: Any, event: gr.EventData) -> Updates:
            snapshot = studio.jobs.snapshot(str(event.pick))
            panel = panels.get(snapshot.kind, images.panel)
            return {tabs: gr.Tabs(selected=snapshot.kind), **panel.open(snapshot.id, state)}

        shelf.select(guarded(notice)(pick), [owner], [notice, tabs, *followed], **quick).then(
            fn=None, js="() => window.scrollTo({top: 0, behavior: 'smooth'})"
        )
    return page
