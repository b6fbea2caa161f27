"""From what a program asks for to the job that does it: judged as the page judges its widgets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.api.values import PICTURES, AttackOrder, ClassOrder, EvaluateOrder, RecipeOrder, TextOrder
from app.evaluation.order import EvaluationOrder, LabelledUpload
from app.ui.attack.tab import title_of as title_of_attack
from app.ui.classes.tab import title_of as title_of_class
from app.ui.text.tab import title_of as title_of_text
from app.ui.text.vocabulary import refuse_unknown_prompts
from app.ui.widgets.class_choice import refuse_unknown
from app.ui.wiring.services import Studio
from app.visitors.visitor import visitor_address
from foundation.catalogue.entry import ModelInfo
from foundation.errors import StudioError
from foundation.jobs.store.model import JobRequest
from generator.recipes.recipe import Recipe


@dataclass(frozen=True)
class Orders:
    """Submits jobs to the service of the page, for one owner.

    Every method returns the job's id, and raises StudioError for what cannot be done.
    """

    studio: Studio
    owner: str

    def draw_class(self, order: ClassOrder) -> str:
        """Submit a picture of a class, or of a unit."""
        recipe = order.recipe
        infos = self._models(recipe.models)
        _refuse_kind(infos, "encoder", "A model that reads texts knows no classes: choose a classifier.")
        refuse_unknown(self.studio, recipe.models, recipe.classes)
        return self._submit("image", {"recipe": recipe.model_dump(mode="json")}, order.title or title_of_class(recipe))

    def draw_text(self, order: TextOrder) -> str:
        """Submit a picture of a text."""
        recipe = order.recipe
        infos = self._models(recipe.models)
        readers = [info for info in infos if info.kind == "encoder"]
        if not readers:
            raise StudioError("None of these models reads texts: choose a CLIP model.")
        refuse_unknown_prompts(recipe, readers)
        refuse_unknown(self.studio, recipe.models, recipe.classes)
        params = {"recipe": recipe.model_dump(mode="json"), **self._pictures(order, recipe, PICTURES)}
        return self._submit("text", params, order.title or title_of_text(recipe))

    def attack(self, order: AttackOrder) -> str:
        """Submit an attack on a photo."""
        recipe, wish = order.recipe, order.explore
        self._models((*recipe.models, *(wish.victims if wish else ())))
        pictures = self._pictures(order, recipe, ("source", "target"))
        if "source" not in pictures:
            raise StudioError("An attack needs a photo: upload one, and give its digest as 'source'.")
        params: dict[str, Any] = {"recipe": recipe.model_dump(mode="json"), **pictures}
        params["with_recipe"] = order.with_recipe
        if wish is not None:
            wish.label_list()  # refused now rather than by the job
            params["explore"] = wish.model_dump(mode="json")
        return self._submit("attack", params, order.title or title_of_attack(recipe))

    def evaluate(self, order: EvaluateOrder) -> str:
        """Submit an evaluation of a model."""
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
        return self._submit("evaluate", params, order.title or f"{info.title} on {order.data}")

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

    def _submit(self, kind: str, params: Mapping[str, Any], title: str) -> str:
        request = JobRequest(
            kind=kind,
            params=params,
            device=self.studio.device,
            owner=self.owner,
            title=title,
            address=visitor_address(),
        )
        return self.studio.jobs.submit(request)


def _refuse_kind(infos: Sequence[ModelInfo], kind: str, sentence: str) -> None:
    if any(info.kind == kind for info in infos):
        raise StudioError(sentence)
