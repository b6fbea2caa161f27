"""From what a program asks for to the job that does it: judged as the page judges its widgets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue

from app.api.grid_order import GridOrder
from app.api.values import (
    PICTURES,
    AttackOrder,
    ClassOrder,
    ContinueOrder,
    EvaluateOrder,
    RecipeOrder,
    TextOrder,
)
from app.evaluation.order import EVALUATION, EvaluationOrder, LabelledUpload
from app.handlers.folders import goes_on
from app.handlers.grids import KIND as GRID
from app.handlers.grids import goes_on as grid_goes_on
from app.records.params import (
    AttackedParams,
    AttackParams,
    DescribeWish,
    EvaluateParams,
    FolderOrder,
    FolderParams,
    GridParams,
    ImageParams,
    TextParams,
)
from app.ui.attack.describing import NOT_SET_UP
from app.ui.attack.tab import title_of as title_of_attack
from app.ui.classes.tab import title_of as title_of_class
from app.ui.text.actions import continued, has_pictures
from app.ui.text.tab import title_of as title_of_text
from app.ui.text.vocabulary import refuse_unknown_prompts
from app.ui.widgets.class_choice import refuse_unknown
from app.ui.wiring.services import Studio
from app.visitors.visitor import job_address
from foundation.catalogue.entry import ModelInfo
from foundation.errors import StudioError
from foundation.jobs.store.model import JobRequest, JobSnapshot
from generator.grids.grid import cell_error
from generator.recipes.recipe import Recipe
from generator.synthesis.drawers import usual_models
from generator.synthesis.leading import led

Drawn = TypeVar("Drawn", ClassOrder, TextOrder)


@dataclass(frozen=True)
class Orders:
    """Makes of what one owner asks for what the service of the page is told, and submits it.

    Every method raises StudioError for what cannot be done.
    """

    studio: Studio
    owner: str

    def draw_class(self, order: ClassOrder) -> JobRequest:
        """A picture of a class, or of a unit."""
        order = self._drawn_by_somebody(order)
        recipe = order.recipe
        self._judge(recipe)
        params = ImageParams.model_validate(_told(order))
        return self._request("image", params.to_json(), order.title or title_of_class(recipe))

    def draw_grid(self, order: GridOrder) -> JobRequest:
        """A grid of pictures of a class or of a text: each of its cells is judged."""
        axes = order.axes()
        grid = axes.grid(order.recipe)
        if not order.names_models:
            grid = grid.drawn_by_usual_models(order.preset, self._listed(), named="classes" in order.said)
        for cell in grid.cells:
            try:
                self._judge(cell.recipe)
            except StudioError as error:
                raise cell_error(cell.title, error) from error
        told = {**_told(order), **self._pictures(order, grid.base, PICTURES), "recipe": grid.base, "grid": axes}
        params = GridParams.asked(told)
        return self._request(GRID, params.to_json(), order.title or grid.title)

    def _drawn_by_somebody(self, order: Drawn) -> Drawn:
        """The order; where it names no models, with those that draw best of what is here."""
        if order.names_models or order.recipe.unit:
            return order
        recipe = order.recipe
        classes = recipe.classes if "classes" in order.said else ()
        usual = usual_models(recipe.task, order.preset, classes, self._listed())
        return order.model_copy(update={"recipe": recipe.with_changes(**usual)})

    def _judge(self, recipe: Recipe) -> None:
        """Refuse a recipe of a class or of a text of which no picture can be made here. StudioError says why."""
        infos = self._models(recipe.models)
        if recipe.task == "text":
            readers = [info for info in infos if info.kind == "encoder"]
            if not readers:
                raise StudioError("None of these models reads texts: choose a CLIP model.")
            leading = led(recipe, {info.name: info.class_names for info in infos if info.kind == "classifier"})
            refuse_unknown_prompts(leading.recipe, readers, leading.prompts)
        else:
            _refuse_kind(infos, "encoder", "A model that reads texts knows no classes: choose a classifier.")
        refuse_unknown(self.studio, recipe.models, recipe.classes)

    def draw_text(self, order: TextOrder) -> JobRequest:
        """A picture of a text."""
        order = self._drawn_by_somebody(order)
        recipe = order.recipe
        self._judge(recipe)
        params = TextParams.model_validate({**_told(order), **self._pictures(order, recipe, PICTURES)})
        return self._request("text", params.to_json(), order.title or title_of_text(recipe))

    def attack(self, order: AttackOrder) -> JobRequest:
        """An attack on a photo, or on a folder of them."""
        recipe, wish = order.recipe, order.explore
        infos = self._models((*recipe.models, *(wish.victims if wish else ())))[: len(recipe.models)]
        if not recipe.leads_away:
            refuse_unknown(self.studio, recipe.models, recipe.classes)
        pictures = self._pictures(order, recipe, ("source", "target"))
        told = {**_told(order), **pictures, "with_recipe": order.with_recipe}
        title = order.title or title_of_attack(recipe)
        folder: FolderOrder | None = None
        if order.folder is not None:
            folder = self._folder(order.folder, recipe, pictures)
            count = len(order.folder.photos)
            title = order.title or f"{title}, {'one photo' if count == 1 else f'{count:,} photos'}"
        elif "source" not in pictures:
            raise StudioError("An attack needs a photo: upload one, and give its digest as 'source'.")
        else:  # of a folder, the texts are those of each photo
            refuse_unknown_prompts(recipe, [info for info in infos if info.kind == "encoder"])
        if wish is not None:
            wish.label_list()  # refused now rather than by the job
        told |= {"explore": wish, "describe": None if order.describe is None else self._describe(order.describe)}
        params: AttackedParams
        if folder is None:
            params = AttackParams.model_validate(told)
        else:
            params = FolderParams.model_validate({**told, "folder": folder})
        return self._request("attack", params.to_json(), title)

    def _folder(self, folder: FolderOrder, recipe: Recipe, pictures: Mapping[str, str]) -> FolderOrder:
        """The photos of an attack. StudioError for one that is not there."""
        if "source" in pictures:
            raise StudioError("An attack is on a 'source' or on a 'folder': give one of them.")
        for photo in folder.photos:
            self.studio.uploads.find(photo.digest, self.owner)
        alone = folder.alone and len(recipe.models) > 1
        return folder.model_copy(update={"alone": alone})

    def _describe(self, wish: DescribeWish) -> DescribeWish:
        """What a vision-language model is asked. StudioError where there is nobody to ask."""
        if self.studio.vlm() is None:
            raise StudioError(f"Nobody can be asked to describe pictures. {NOT_SET_UP}")
        if wish.similarity:
            (info,) = self._models((wish.similarity,))
            _refuse_kind([info], "classifier", "Texts are compared by a model that reads texts: choose a CLIP model.")
        return wish

    def evaluate(self, order: EvaluateOrder) -> JobRequest:
        """An evaluation of a model."""
        info = self._models((order.model,))[0]
        _refuse_kind([info], "encoder", "A model that reads texts is no classifier: evaluate one that knows classes.")
        wanted = EvaluationOrder(
            model=order.model,
            data=order.data,
            suites=order.suites,
            count=order.count,
            eps=order.eps,
            images=tuple(LabelledUpload(image.digest, image.label, self.owner) for image in order.images),
            owner=self.owner,
        )
        params = self.studio.evaluations.params(wanted)
        return self._request(EVALUATION, params.to_json(), order.title or f"{info.title} on {order.data}")

    def go_on(self, job: JobSnapshot, order: ContinueOrder) -> JobRequest:
        """What goes on from where a job of this owner ended, as the page's buttons do."""
        if not job.status.finished:
            raise StudioError("This job has not ended yet: wait for it, or stop it, before going on from it.")
        if job.kind == EVALUATION:
            known = [suite.name for suite in self.studio.evaluations.suites()]
            if unknown := [name for name in order.suites if name not in known]:
                raise StudioError(f"There are no attacks called '{unknown[0]}': choose of {', '.join(known)}.")
            asked = EvaluateParams.asked(job.params)
            params = self.studio.evaluations.continued(job.id, asked, order.suites).to_json()
        elif job.kind == "text" and has_pictures(job):
            params = continued(job, order.picture - 1, self.studio.uploads).params.to_json()
        elif goes_on(job.params, job.result, Path(job.folder)) or grid_goes_on(job.params, job.result):
            params = {**job.params, "continues": job.id}
        else:
            raise StudioError(
                "There is nothing to go on from here: evaluations go on, texts that have a picture, and grids and "
                "attacks on folders that were cut short."
            )
        return self._request(job.kind, params, order.title or job.title)

    def _listed(self) -> list[ModelInfo]:
        return [*self.studio.classifiers(), *self.studio.encoders()]

    def _models(self, names: Sequence[str]) -> list[ModelInfo]:
        """What is known of models. StudioError for one that is in no list, or cannot be used."""
        infos = [self.studio.models.find(name) for name in names]
        for info in infos:
            if not info.ready and info.origin != "download":
                raise StudioError(f"The model '{info.name}' is not ready. {info.why_not}")
        return infos

    def _pictures(self, order: RecipeOrder, recipe: Recipe, names: Sequence[str]) -> dict[str, str]:
        """The digests of the pictures that an order, or its recipe, names. StudioError for one that is not there."""
        given = {name: getattr(order, name, None) or getattr(recipe, name, "") for name in names}
        found = {name: digest for name, digest in given.items() if digest}
        for digest in found.values():
            self.studio.uploads.find(digest, self.owner)
        return found

    def submit(self, request: JobRequest) -> str:
        """Submit what one of the methods above made; the job's id."""
        return self.studio.jobs.submit(request)

    def _request(self, kind: str, params: Mapping[str, JsonValue], title: str) -> JobRequest:
        return JobRequest(
            kind=kind,
            params=params,
            device=self.studio.device,
            owner=self.owner,
            title=title,
            address=job_address(),
        )


def _told(order: RecipeOrder) -> dict[str, object]:
    """What every picture's job is told."""
    return {"recipe": order.recipe} if order.with_recipe else {"recipe": order.recipe, "with_recipe": False}


def _refuse_kind(infos: Sequence[ModelInfo], kind: str, sentence: str) -> None:
    if any(info.kind == kind for info in infos):
        raise StudioError(sentence)
