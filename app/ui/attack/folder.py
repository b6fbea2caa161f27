"""A folder of photos that is attacked as one job: bringing it, what a label file says of it, and going on with it."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gradio as gr

from app.handlers.folders import goes_on
from app.records.params import MOST_PHOTOS, AttackedParams, FolderOrder, FolderParams
from app.ui.attack.models import LISTS
from app.ui.markup import markup
from app.ui.widgets.forms import FormError
from app.ui.widgets.job_panel import JobPanel
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.owner import owner_token
from app.ui.wiring.services import Studio
from app.ui.wiring.signal import Signal
from app.visitors import upload_files as files
from app.visitors.uploads import Uploads
from foundation.command_line.program import called
from foundation.command_line.settings import validated
from foundation.errors import StudioError
from foundation.files.folders import ENDINGS
from foundation.images.files import ImageError, pixel_digest
from foundation.jobs.store.model import JobSnapshot
from foundation.limits import Limits
from generator.classes.labels import LABEL_LISTS
from generator.inputs.label_files import LabelFile, read_labels
from generator.inputs.photos import list_photos
from generator.recipes.recipe import Recipe
from generator.transfer.aims import TARGET_WORD

Values = Mapping[Any, Any]
"""Component -> what it holds."""

MOST_NAMED = 6
_ROW_BYTES = 1_000  # of a row, on average
"""Photos and reasons that are named in the list; the result has them all."""
OWN_CLASSES = ""
"""Choice of what the numbers of a label file count: the classes of the models attacked."""
FIRST_NUMBERS = [("as usual", ""), ("0", "0"), ("1", "1")]
"""From which number classes count: as is usual for the style of the file, or as chosen."""
EMPTY = "None yet. Bring photos, or a whole folder; a label file may be among them."


@dataclass(frozen=True)
class Brought:
    """What a visitor has brought.

    Attributes:
        photos: digest among the uploads by file name.
        left_out: files that are no photo of this folder, with a sentence on why.
        labels: what the label file says, with its name.
    """

    photos: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    labels: LabelFile | None = None
    labels_name: str = ""


class FolderInput:
    """The widgets of a folder of photos.

    Args:
        studio: what the page works with.
        panel: follows the job.

    `changed` says that something else was brought.
    """

    def __init__(self, studio: Studio, panel: JobPanel) -> None:
        self.studio, self.panel = studio, panel
        self.changed = Signal()

    def build(self) -> None:
        """Create the widgets."""
        self.brought = gr.State(Brought())
        self.changed.build()
        self.listed = gr.HTML(brought_markup(Brought()), elem_id="attack-folder-list", apply_default_css=False)
        with gr.Row(elem_classes="cx-actions"):
            options: dict[str, Any] = {"size": "md", "min_width": 120}
            self.files = gr.UploadButton(
                "Bring photos", file_count="multiple", elem_id="attack-folder-files", **options
            )
            self.folder = gr.UploadButton(
                "Bring a folder", file_count="directory", elem_id="attack-folder-folder", **options
            )
            self.label_file = gr.UploadButton("Bring a label file", elem_id="attack-folder-labels", **options)
            self.clear = gr.Button("Remove all", visible=False, elem_id="attack-folder-clear", **options)
        with gr.Row(visible=False, elem_classes="cx-inline") as self.numbers:
            self.counted = gr.Dropdown(
                [("the classes of the models attacked", OWN_CLASSES), *((LISTS.get(n, n), n) for n in LABEL_LISTS)],
                value=OWN_CLASSES,
                label="Its numbers count",
                filterable=False,
                elem_id="attack-folder-counted",
            )
            self.first = gr.Dropdown(
                FIRST_NUMBERS, value="", label="From", filterable=False, min_width=90, elem_id="attack-folder-first"
            )
        self.alone = gr.Checkbox(
            value=False,
            label="All pairs: also with each model alone",
            info="Every photo is attacked once with all models together, and once with each of them.",
            elem_id="attack-folder-alone",
        )
        self.notice = gr.HTML("", elem_classes="cx-notice-area", apply_default_css=False)
        with gr.Row(elem_classes="cx-actions"):
            self.go = gr.Button(
                "Attack them all", variant="primary", interactive=False, size="md", elem_id="attack-folder-go"
            )
            self.more = gr.Button("Go on with the rest", visible=False, size="md", elem_id="attack-folder-more")
        self.panel.also([self.more], lambda job: {self.more: gr.Button(visible=job is not None and _unfinished(job))})

    def wire(
        self,
        owner: gr.BrowserState,
        asked: set[Any],
        order: Callable[[Values], tuple[AttackedParams, Recipe, str]],
    ) -> None:
        """Connect the events.

        ``order`` makes parameters of a job without its photos, the recipe and a title of what the widgets hold that
        are ``asked``.
        """
        self._wire_files(owner)
        guard = guarded(self.panel.notice)

        def attack(values: dict[Any, Any]) -> Updates:
            params, recipe, title = order(values)
            folder = self.read(values, recipe)
            named = f"{title}, {_photos(len(folder.photos))}"
            return self.panel.submit(FolderParams.of(params, folder=folder).to_json(), named, values[owner])

        def go_on(job_id: str, state: Any) -> Updates:
            earlier = self.panel.find(job_id, state)
            if not _unfinished(earlier):
                raise FormError("There is nothing to go on with here: bring the photos again.")
            return self.panel.submit({**earlier.params, "continues": earlier.id}, earlier.title, state)

        shown = {"fn": None, "js": "() => window.cxShowStage('attack')"}
        inputs = asked | {self.brought, self.counted, self.first, self.alone}
        self.go.click(guard(attack), inputs, self.panel.outputs, **QUICK).then(**shown)
        self.more.click(guard(go_on), [self.panel.job, owner], self.panel.outputs, **QUICK).then(**shown)

    def _wire_files(self, owner: gr.BrowserState) -> None:
        guard = guarded(self.notice)
        outputs = [self.notice, self.brought, self.listed, self.clear, self.numbers, self.go]
        outputs.append(self.changed.sign)

        def bring(paths: str | Sequence[str] | None, brought: Brought, state: Any) -> Updates:
            token = owner_token(state)
            with contextlib.ExitStack() as stack:
                given = [paths] if isinstance(paths, str) else list(paths or ())
                originals = [stack.enter_context(files.brought(path)) for path in given]
                return self._show(add_files(brought, originals, self.studio.uploads, token))

        for button in (self.files, self.folder, self.label_file):
            # Decoding many photos takes a while.
            options = {**QUICK, "show_progress": "minimal", "show_progress_on": [self.listed]}
            button.upload(guard(bring), [button, self.brought, owner], outputs, **options)
        self.clear.click(guard(lambda: self._show(Brought())), None, outputs, **QUICK)

    def _show(self, brought: Brought) -> Updates:
        return {
            self.brought: brought,
            self.listed: brought_markup(brought),
            self.clear: gr.Button(visible=brought != Brought()),
            self.numbers: gr.Row(visible=_has_numbers(brought.labels)),
            self.go: gr.Button(interactive=bool(brought.photos)),
            **self.changed.send(str(len(brought.photos))),
        }

    def read(self, values: Values, recipe: Recipe) -> FolderOrder:
        """Which photos are attacked and which are left out. StudioError as a sentence."""
        brought: Brought = values[self.brought]
        if not brought.photos:
            raise FormError("Bring the photos first: several files, or a whole folder.")
        labels = brought.labels
        if labels is not None and values[self.first]:
            labels = replace(labels, first=int(values[self.first]))
        listed = list_photos(
            [Path(name) for name in brought.photos],
            labels,
            self._classes(values, recipe, labels),
            use_targets=leads_to_targets(recipe),
        )
        photos = [
            {"digest": brought.photos[one.path.name], "name": one.name, "label": one.label, "target": one.target}
            for one in listed.photos
        ]
        alone = bool(values[self.alone]) and len(recipe.models) > 1
        left_out = {**brought.left_out, **listed.left_out}
        return validated(FolderOrder, {"photos": photos, "left_out": left_out, "alone": alone})

    def _classes(self, values: Values, recipe: Recipe, labels: LabelFile | None) -> Sequence[str]:
        """What the numbers of the label file count."""
        if values[self.counted] != OWN_CLASSES:
            return LABEL_LISTS[values[self.counted]]().labels
        own = next((names for name in recipe.models if (names := self.studio.class_names(name))), ())
        if _has_numbers(labels) and not own:
            raise FormError("The label file has numbers, and the models attacked know no classes: say what they count.")
        return own


def attack_count(models: int, *, alone: bool) -> int:
    """How many attacks are made of each photo: with all models together, and with each of several alone."""
    return 1 + models if alone and models > 1 else 1


def leads_to_targets(recipe: Recipe) -> bool:
    """Whether attacks by a recipe lead to what a label file names as the target of each photo."""
    texts = (recipe.prompt, recipe.negative, recipe.captions)
    return bool(recipe.classes and not recipe.leads_away) or any(TARGET_WORD in text for text in texts)


def add_files(brought: Brought, paths: Sequence[Path], uploads: Uploads, owner: str) -> Brought:
    """Add a visitor's files to what there is: photos, and a label file; others are left out with a sentence.

    Raises:
        FormError: these are too many, or the label file cannot be read; nothing is added then.
    """
    photos, left_out = dict(brought.photos), dict(brought.left_out)
    labels, labels_name = brought.labels, brought.labels_name
    if len(photos) + len(paths) > MOST_PHOTOS:
        raise FormError(f"At most {MOST_PHOTOS:,} photos at once; for more, use {called('generator')} batch.")
    for path in paths:
        name = path.name
        if path.suffix.lower() == ".csv":
            labels, labels_name = _read_labels(path), name
        elif path.suffix.lower() not in ENDINGS:
            left_out[name] = f"'{name}' is no photo, by the ending of its name."
        elif name.casefold() in {known.casefold() for known in photos} and _digest(path, uploads) != photos.get(name):
            left_out[f"{name}, again"] = f"There is another photo of the name '{name}': rename one of them."
        else:
            try:
                photos[name] = uploads.bring(path, owner)[0].digest
            except ImageError as error:
                left_out[name] = str(error)
            else:
                left_out.pop(name, None)
    return Brought(photos, left_out, labels, labels_name)


def _digest(path: Path, uploads: Uploads) -> str:
    try:
        return pixel_digest(uploads.read(path))
    except ImageError:
        return ""


def _read_labels(path: Path, most_rows: int = Limits().label_rows) -> LabelFile:
    _check_rows(path, most_rows)
    try:
        return read_labels(path)
    except StudioError as error:  # it names the file as it lies here, which is no name that a visitor gave
        raise FormError(str(error).replace(str(path), path.name)) from error


def _check_rows(path: Path, most: int) -> None:
    """Refuse a file of more rows than are kept for a page, before any of it is taken apart."""
    rows, size = 0, 0
    with contextlib.suppress(OSError), path.open("rb") as file:  # whoever reads it says why it cannot be read
        while piece := file.read(1 << 20):
            rows += max(piece.count(b"\n"), piece.count(b"\r"))
            size += len(piece)
            if rows > most + 1 or size > most * _ROW_BYTES:
                raise FormError(
                    f"'{path.name}' has more than the {most:,} rows that a label file can have here: keep those of "
                    f"the photos that you bring, or use {called('generator')} batch."
                )


def _has_numbers(labels: LabelFile | None) -> bool:
    return labels is not None and labels.has_numbers


def _unfinished(job: JobSnapshot) -> bool:
    return job.status.finished and goes_on(job.params, job.result, Path(job.folder))


def brought_markup(brought: Brought) -> str:
    """What was brought, in words."""
    if brought == Brought():
        return f'<p class="cx-hint">{markup.text(EMPTY)}</p>'
    lines = [f"{_photos(len(brought.photos))}{_named(list(brought.photos))}."]
    if brought.labels is not None:
        lines.append(
            f"Label file {brought.labels_name}, in the style of {brought.labels.style.name}, about "
            f"{_photos(len(brought.labels.entries))}. Its labels decide what counts; its targets are led to where a "
            f"class is chosen above, or a text has {TARGET_WORD}."
        )
    shown = "".join(f'<p class="cx-hint">{markup.text(line)}</p>' for line in lines)
    reasons = list(brought.left_out.values())
    if reasons:
        more = f" And {len(reasons) - MOST_NAMED} more." if len(reasons) > MOST_NAMED else ""
        words = "\n".join([*reasons[:MOST_NAMED]]) + more
        shown += markup.notice(words, tone="warn", title=f"{len(reasons)} left out.")
    return shown


def _photos(count: int) -> str:
    return "one photo" if count == 1 else f"{count:,} photos"


def _named(names: Sequence[str]) -> str:
    if not names:
        return ""
    more = ", ..." if len(names) > MOST_NAMED else ""
    return f": {', '.join(names[:MOST_NAMED])}{more}"
