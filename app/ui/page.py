"""The whole page: head, the visitor's jobs, the tabs, the visitor's results, the models, the foot, and the sidebar."""

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import gradio as gr

from app.evaluation.order import EVALUATION
from app.ui.attack.remembering import AttackForm
from app.ui.attack.tab import AttackTab
from app.ui.blocks import PageBlocks
from app.ui.classes.remembering import ClassForm
from app.ui.classes.tab import ClassTab
from app.ui.evaluation.remembering import EvaluationMemory
from app.ui.evaluation.sidebar import EvaluationSidebar
from app.ui.forgetting import Forgetting
from app.ui.grids.view import is_grid, task_of
from app.ui.head.header import header
from app.ui.history.cards import fingerprint
from app.ui.history.own_presets import OwnPresets
from app.ui.history.your_results import YourResults
from app.ui.markup import gallery, markup
from app.ui.markup.copying import read_link
from app.ui.queue.your_jobs import YourJobs
from app.ui.text.actions import picture_of
from app.ui.text.remembering import TextForm
from app.ui.text.tab import TextTab
from app.ui.widgets.forms import FormError
from app.ui.widgets.job_panel import JobPanel
from app.ui.widgets.opened import one_of, recipe_in
from app.ui.widgets.remembered import KEEP_TAB_JS, LISTEN_JS, READ_JS, RememberedForm, merged
from app.ui.widgets.reuse import AGAIN, USE, USE_BUT_SEED, params_again, settings_of
from app.ui.widgets.seed import SeedInput
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.owner import owner_token
from app.ui.wiring.services import Studio
from foundation.errors import StudioError
from foundation.jobs.store.model import JobSnapshot
from generator.recipes.recipe import Recipe

TITLE = "CrossMax Studio"
STORAGE_KEY = "crossmax-studio"
KINDS = {"text": "text", "class": "image", "attack": "attack"}
"""Task of a recipe -> kind of job, which is the tab."""
SHELF_SECONDS = 1.5
"""How often the page asks whether any of the visitor's jobs has changed, also those it does not follow."""
RECENT_SECONDS = 600.0
"""How long after its end a job still decides which tab a page opens on."""


class Tab(Protocol):
    """One tab of the page."""

    repeat: gr.UploadButton
    reset: gr.Button

    @property
    def panel(self) -> JobPanel:
        """The stage."""
        ...

    @property
    def seed(self) -> SeedInput:
        """The seed."""
        ...

    @property
    def with_recipe(self) -> gr.Checkbox:
        """Whether the files carry their recipe."""
        ...

    def build(self) -> None:
        """Create the widgets."""
        ...

    def wire(self) -> None:
        """Connect the events."""
        ...

    @property
    def filled(self) -> list[Any]:
        """What ``fill`` changes."""
        ...

    def fill(self, recipe: Recipe, owner: str, /) -> Updates:
        """Updates that put the recipe of a picture into the widgets. StudioError if that cannot be done."""
        ...

    @property
    def arrivals(self) -> list[Any]:
        """What ``arrive`` changes."""
        ...

    def arrive(self) -> Updates:
        """Updates for somebody who has just opened the page."""
        ...


def build_page(studio: Studio) -> gr.Blocks:
    """The page as Gradio blocks; nothing runs and nothing is written until it is launched."""
    page = PageBlocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 86400))
    with page:
        # The key is no secret: it only scrambles what the browser itself stores. Fixed, so that a browser
        # still finds its results after the server was started again.
        owner = gr.BrowserState({}, storage_key=STORAGE_KEY, secret=STORAGE_KEY)
        gr.HTML(header(studio.version), apply_default_css=False)
        dropped = gr.HTML("", elem_id="page-notice", elem_classes="cx-notice-area", apply_default_css=False)
        # Never seen: what is dropped on the page is put into it (see `head/page.js`).
        where = gr.JSON(visible=False)  # the tab on which that happens
        drop = gr.UploadButton("Open a picture", file_count="multiple", visible="hidden", elem_id="page-drop")
        texts, images, attacks = TextTab(studio, owner), ClassTab(studio, owner), AttackTab(studio, owner)
        every: dict[str, tuple[str, Tab]] = {
            "text": ("Text to image", texts),
            "image": ("Class to image", images),
            "attack": ("Attack an image", attacks),
        }
        queue = YourJobs(studio, owner)
        queue.build()
        with gr.Tabs(selected="text", elem_classes="cx-tabs") as tabs:
            for kind, (title, tab) in every.items():
                with gr.Tab(title, id=kind) as place:
                    tab.build()
                place.select(fn=None, js=KEEP_TAB_JS.format(tab=kind))
        notice = gr.HTML("", elem_classes="cx-notice-area", apply_default_css=False)
        results = YourResults(studio, owner)
        results.build()
        presets = OwnPresets(studio, owner)
        presets.build()
        shelved = gr.State("")
        watch = gr.Timer(SHELF_SECONDS)
        models = gr.HTML(_models(studio), elem_id="models", apply_default_css=False)
        gr.HTML(gallery.footer(studio.device, studio.device_note), apply_default_css=False)
        forgetting = Forgetting(studio, owner)
        forgetting.build()
        forgetting.wire()
        sidebar = EvaluationSidebar(studio, owner)
        sidebar.build()
        sidebar.wire(results.say_deleted, results.said)

        panels = {kind: tab.panel for kind, (_, tab) in every.items()}
        for _, tab in every.values():
            tab.wire()
        followed = list(dict.fromkeys(component for panel in panels.values() for component in panel.outputs))
        forms: list[RememberedForm] = [TextForm(texts), ClassForm(images), AttackForm(attacks)]
        forms.append(EvaluationMemory(sidebar))
        kept = gr.JSON(visible=False)  # where the page puts what the browser remembers, for the event that opens it

        gridded: dict[str, TextTab | ClassTab] = {"text": texts, "image": images}
        axes = [component for tab in gridded.values() for component in tab.grid.filled]

        def fill(recipe: Recipe, token: str) -> Updates:
            kind = KINDS[recipe.task]
            return {tabs: gr.Tabs(selected=kind), **every[kind][1].fill(recipe, token)}

        def linked(remembered: Any, token: str) -> Updates:
            """What a link to the page says, if it was opened by one; what is wrong with it is said."""
            link = remembered.get("link") if isinstance(remembered, dict) else ""
            if not isinstance(link, str) or not link:
                return {}
            try:
                recipe, order = read_link(link)
                filled_in = fill(recipe, token)
                return (
                    filled_in if order is None else {**filled_in, **gridded[KINDS[recipe.task]].grid.fill_axes(order)}
                )
            except StudioError as error:
                return {dropped: markup.notice(str(error), tone="bad")}

        def arrive(state: Any, remembered: Any) -> Updates:
            try:
                token = owner_token(state)
            except ValueError:
                token = secrets.token_hex(16)
            jobs = studio.jobs.list(token)
            mine = [job for job in jobs if tab_of(job) in panels]
            # Whoever reloads comes back to where they were; in another browser, to where their work is, also if it has
            # ended in between.
            busy = next((tab_of(job) for job in mine if not job.status.finished), None)
            recent = (job for job in mine if time.time() - (job.finished or 0) < RECENT_SECONDS)
            busy = busy or next(map(tab_of, recent), None)
            left = remembered.get("tab") if isinstance(remembered, dict) else None
            shown_first = left if isinstance(left, str) and left in panels else busy
            updates: Updates = {
                owner: {"owner": token},
                **results.arrive(token),
                **queue.show(token, jobs),
                **presets.arrive(token),
                models: _models(studio),
                tabs: gr.Tabs(selected=shown_first) if shown_first else gr.skip(),
            }
            for _, tab in every.values():
                updates |= {**tab.arrive(), **tab.panel.resume(token)}
            updates |= sidebar.arrive(token)
            for form in forms:
                updates = merged(updates, form.restore(remembered, token))
            return merged(updates, linked(remembered, token))

        arrivals = [
            notice,
            dropped,
            owner,
            *results.arrivals,
            *queue.outputs,
            *presets.outputs,
            models,
            tabs,
            *followed,
            *sidebar.arrivals,
            *axes,
        ]
        arrivals += [component for _, tab in every.values() for component in tab.arrivals]
        arrivals += [component for form in forms for component in form.outputs]
        opened = page.load(guarded(notice)(arrive), [owner, kept], list(dict.fromkeys(arrivals)), js=READ_JS, **QUICK)
        for form in forms:
            form.wire(owner)
        opened.then(fn=None, js=LISTEN_JS)

        def refresh(state: Any, *filters: Any) -> Updates:
            token = owner_token(state)
            # A model may have been downloaded.
            shown = {**results.show(token, *filters), models: _models(studio)}
            return {**shown, **queue.show(token, studio.jobs.list(token))}

        def look(state: Any, seen: str, seen_jobs: str, *filters: Any) -> Updates:
            if not state:
                return {}
            token = owner_token(state)
            jobs = studio.jobs.list(token)
            updates, now = queue.show(token, jobs, seen_jobs), fingerprint(jobs)
            if now != seen:
                updates |= {shelved: now, **results.show(token, *filters), **sidebar.list_runs(jobs)}
            return updates

        watched = [notice, shelved, *results.outputs, *sidebar.listed, *queue.outputs]
        asked = [owner, shelved, queue.seen, *results.inputs]
        watch.tick(guarded(notice, keep=True)(look), asked, watched, **QUICK)

        for panel in panels.values():
            shown = [notice, *results.outputs, models, *queue.outputs]
            panel.changed.connect(guarded(notice, keep=True)(refresh), [owner, *results.inputs], shown)

        def pick(job_id: str, state: Any) -> Updates:
            snapshot = studio.jobs.snapshot(job_id)
            if snapshot.kind == EVALUATION:
                return sidebar.open(job_id, state)
            panel = panels.get(tab_of(snapshot), images.panel)
            return {tabs: gr.Tabs(selected=tab_of(snapshot)), **panel.open(snapshot.id, state)}

        queue.wire(pick, [tabs, *followed, *sidebar.opened])

        to_the_top = "() => window.cxToTop()"

        def send(job_id: str, index: int, state: Any) -> Updates:
            snapshot = texts.panel.find(job_id, state)
            taken = attacks.picture.take(picture_of(snapshot, index), snapshot.owner)
            return {tabs: gr.Tabs(selected="attack"), **taken}

        filled = [dropped, tabs, *(component for _, tab in every.values() for component in tab.filled)]

        def reuse(act: str, job: JobSnapshot, state: Any) -> Updates:
            if job.kind == EVALUATION:
                return sidebar.use(job) if act == USE else sidebar.again(job, state)
            if act == AGAIN:
                panel = panels[tab_of(job)]
                again = panel.submit(params_again(job), job.title, state, kind=job.kind)
                return {tabs: gr.Tabs(selected=tab_of(job)), **again}
            recipe, explore = settings_of(job), job.params.get("explore")
            tab, updates = every[KINDS[recipe.task]][1], fill(recipe, owner_token(state))
            updates[tab.with_recipe] = job.params.get("with_recipe") is not False
            if recipe.task == "attack" and isinstance(explore, dict):
                updates |= attacks.testing.updates(explore)
            if is_grid(job):
                updates |= gridded[tab_of(job)].grid.fill(job)
            if act == USE_BUT_SEED:
                del updates[tab.seed.number]
            return updates

        def compare(jobs: Sequence[JobSnapshot], state: Any) -> Updates:
            if any(job.kind != EVALUATION for job in jobs):
                raise FormError("Two pictures can be compared, or two evaluations: choose two of a kind, with figures.")
            return sidebar.compare([job.id for job in jobs], state)

        picked = [tabs, *followed, *filled, *axes, *sidebar.opened, *sidebar.filled]
        results.wire([*panels.values(), sidebar.panel], pick, reuse, compare, list(dict.fromkeys(picked)))
        for panel in panels.values():
            for act, button in panel.reuse.buttons.items():
                reusing = guarded(panel.notice)(_of_stage(panel, act, reuse))
                shown = list(dict.fromkeys([panel.notice, *filled, *axes, *panel.outputs]))
                button.click(reusing, [panel.job, owner], shown, **QUICK).then(fn=None, js=to_the_top)

        presets.wire(results, fill, filled)

        def open_pictures(paths: str | list[str] | None, state: Any) -> Updates:
            with one_of(paths) as file:
                recipe = Recipe.from_png(file)
            return fill(recipe, owner_token(state))

        start, photo = texts.inputs.start.photo, attacks.picture

        def take_in(paths: str | list[str] | None, state: Any, tab: Any, for_start: str, for_photo: str) -> Updates:
            """A picture of ours is opened; another becomes the photo to start from, or to attack."""
            token = owner_token(state)
            with one_of(paths) as file:
                if (recipe := recipe_in(file)) is not None:
                    return fill(recipe, token)
                if tab == "text":
                    return {**start.take(file, token, for_start), texts.inputs.start_fold: gr.Accordion(open=True)}
                return {tabs: gr.Tabs(selected="attack"), **photo.take(file, token, for_photo)}

        drop.upload(
            guarded(dropped)(take_in),
            [drop, owner, where, start.asked_for, photo.asked_for],
            list(dict.fromkeys([*filled, *start.outputs, *photo.outputs])),
            js="(files, owner, _tab, ...rest) => [files, owner, window.cxTab(), ...rest]",
            **QUICK,
        ).then(fn=None, js="() => window.cxToTaken()")
        for _, tab in every.values():
            shown = list(dict.fromkeys([tab.panel.notice, *filled]))
            opening = guarded(tab.panel.notice)(open_pictures)
            tab.repeat.upload(opening, [tab.repeat, owner], shown, **QUICK).then(fn=None, js=to_the_top)

        texts.actions.attack.click(
            guarded(texts.panel.notice)(send),
            [texts.panel.job, texts.actions.index, owner],
            [texts.panel.notice, tabs, *attacks.picture.outputs],
            **QUICK,
        ).then(fn=None, js=to_the_top)
    return page


def tab_of(job: JobSnapshot) -> str:
    """The tab that shows a job: its kind, or of a grid that of its pictures; the kind where there is none."""
    return KINDS.get(task_of(job), job.kind) if is_grid(job) else job.kind


def _of_stage(panel: JobPanel, act: str, reuse: Callable[[str, JobSnapshot, Any], Updates]) -> Callable[..., Updates]:
    """The handler of a button under the result on a stage."""

    def handle(job_id: str, state: Any) -> Updates:
        return reuse(act, panel.find(job_id, state), state)

    return handle


def _models(studio: Studio) -> str:
    return gallery.models(studio.classifiers(), studio.encoders())
