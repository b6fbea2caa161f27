"""Images that a visitor brings to an evaluation, each with a label chosen for it."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from app.evaluation.order import LabelledUpload
from app.records.pictures import pictures_of
from app.ui.evaluation import markup as evaluation_markup
from app.ui.widgets.forms import FormError
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.owner import owner_token
from app.ui.wiring.services import Studio
from app.ui.wiring.signal import Signal
from app.visitors.upload_files import brought
from foundation.jobs.store.model import JobSnapshot, JobStatus

MOST_IMAGES = 64
KINDS = ("text", "image", "attack")


class LabelledPictures:
    """A list of images, each with a menu for what it shows.

    Args:
        studio: what the page works with.
        prefix: of the ids on the page.
        owner: the browser's state that holds the owner's token.
        bring: whether images are uploaded; otherwise they are the visitor's results.
    """

    def __init__(self, studio: Studio, prefix: str, owner: gr.BrowserState, *, bring: bool) -> None:
        self.studio = studio
        self.changed = Signal()
        self._prefix, self._owner, self._bring = prefix, owner, bring

    def build(self) -> None:
        """Create the widgets."""
        with gr.Column(visible=False, elem_classes="cx-group", elem_id=f"{self._prefix}-area") as self.area:
            self.listed = gr.HTML(
                "",
                elem_id=f"{self._prefix}-labels",
                apply_default_css=False,
                js_on_load=evaluation_markup.LABELS_JS,
            )
            self.images = gr.State([])
            with gr.Row(elem_classes="cx-actions"):
                if self._bring:
                    self.add: Any = gr.UploadButton(
                        "Bring images", file_count="multiple", size="md", elem_id=f"{self._prefix}-add"
                    )
                else:
                    self.add = gr.Button("Take my newest results", size="md", elem_id=f"{self._prefix}-add")
            self.notice = gr.HTML("", elem_classes="cx-notice-area", apply_default_css=False)
            self.changed.build()

    def show(self, visible: bool) -> Updates:
        """Show or hide the whole part."""
        return {self.area: gr.Column(visible=visible)}

    def relabel(self, images: Sequence[LabelledUpload], model: str) -> Updates:
        """The list for another model; a label that it does not know has to be chosen again."""
        return {self.listed: self._list(images, model)}

    @property
    def filled(self) -> list[Any]:
        """What ``fill`` changes."""
        return [self.images, self.listed, self.changed.sign]

    def fill(self, images: Sequence[LabelledUpload], model: str) -> Updates:
        """Updates that put images into the list, as far as they are still here."""
        return self._set([image for image in images if self.studio.uploads.has(image.digest, image.owner)], model)

    def wire(self, model: gr.Dropdown) -> None:
        """Connect the events; ``model`` says whose classes the labels are."""
        guard = guarded(self.notice)
        outputs = [self.notice, self.listed, self.images, self.changed.sign]

        def bring(paths: Sequence[str] | None, images: list[LabelledUpload], chosen: str, state: Any) -> Updates:
            owner = owner_token(state)
            with contextlib.ExitStack() as stack:
                originals = [stack.enter_context(brought(path)) for path in paths or ()]
                check_room(len(originals))
                kept = [self.studio.uploads.bring(path, owner)[0] for path in originals]
            return self._add(images, [LabelledUpload(one.digest, "", owner) for one in kept], chosen)

        def take(owner: Any, images: list[LabelledUpload], chosen: str) -> Updates:
            return self._add(images, self._results(owner_token(owner)), chosen)

        if self._bring:
            self.add.upload(guard(bring), [self.add, self.images, model, self._owner], outputs, **QUICK)
        else:
            self.add.click(guard(take), [self._owner, self.images, model], outputs, **QUICK)

        def change(images: list[LabelledUpload], chosen: str, event: gr.EventData) -> Updates:
            digest = str(event.digest)
            if event.remove:
                return self._set([image for image in images if image.digest != digest], chosen)
            label = str(event.label)
            if label and label not in self.studio.class_names(chosen):
                raise FormError(f"The model knows no class called {label!r}. Choose one of its classes.")
            labelled = [replace(image, label=label) if image.digest == digest else image for image in images]
            return self._set(labelled, chosen)

        self.listed.select(guard(change), [self.images, model], outputs, **QUICK)

    def _add(self, images: Sequence[LabelledUpload], more: Sequence[LabelledUpload], model: str) -> Updates:
        known = {image.digest: image for image in more} | {image.digest: image for image in images}
        check_room(len(known))
        return self._set(list(known.values()), model)

    def _set(self, images: list[LabelledUpload], model: str) -> Updates:
        return {
            self.images: images,
            self.listed: self._list(images, model),
            **self.changed.send("|".join(f"{image.digest} {image.label}" for image in images)),
        }

    def _list(self, images: Sequence[LabelledUpload], model: str) -> str:
        classes = self.studio.class_names(model)
        return evaluation_markup.label_list(images, classes, self.studio.uploads, self.studio.media, self._prefix)

    def _results(self, owner: str) -> list[LabelledUpload]:
        """The visitor's newest pictures; one that was drawn for a class has it as its label."""
        found: list[LabelledUpload] = []
        for job in self.studio.jobs.list(owner):
            if job.kind not in KINDS or job.status not in (JobStatus.DONE, JobStatus.STOPPED):
                continue
            for image in pictures_of(job):
                path = Path(job.folder) / image.file
                if len(found) < MOST_IMAGES and path.is_file():
                    kept = self.studio.uploads.bring(path, owner).kept
                    found.append(LabelledUpload(kept.digest, drawn_for(job), owner))
        if not found:
            raise FormError("You have made no picture yet. Make one in another tab first.")
        return found


def check_room(count: int) -> None:
    """FormError if these are more images than one evaluation takes from a page."""
    if count > MOST_IMAGES:
        raise FormError(f"At most {MOST_IMAGES} images; for more, use a folder of images as a data set.")


def drawn_for(job: JobSnapshot) -> str:
    """The one class that a picture was drawn for; "" where there is none, or several."""
    recipe = (job.result or {}).get("recipe")
    classes = recipe.get("classes") if job.kind == "image" and isinstance(recipe, dict) else None
    return str(classes[0]) if isinstance(classes, list) and len(classes) == 1 else ""
