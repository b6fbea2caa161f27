"""Presets of one's own for programs: listed, kept, deleted, and as a file to take along and to bring back."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, JsonValue

from app.api.owners import Owner
from app.api.refusals import OF_BODIES, refusals
from app.api.values import Value
from app.records.presets import PresetFile, judged
from app.ui.wiring.services import Studio
from foundation.jobs.store.owners import NAME_LENGTH
from foundation.jobs.store.owners import Preset as KeptPreset
from generator.recipes.recipe import Recipe


class PresetOrder(Value):
    """Settings that are to be kept under a name."""

    name: str = Field(min_length=1, max_length=NAME_LENGTH)
    settings: Recipe = Field(description="A recipe, whose task says where it is used: 'class', 'text' or 'attack'.")


class Preset(Value):
    """A preset of your own."""

    id: str
    name: str
    task: str = Field(description="'class', 'text' or 'attack': what its settings are for.")
    settings: dict[str, JsonValue] = Field(description="A recipe, which an order takes as it is.")

    @classmethod
    def of(cls, kept: KeptPreset) -> "Preset":
        """What programs are told of a preset."""
        return cls(id=kept.id, name=kept.name, task=kept.kind, settings=dict(kept.settings))


class Presets(Value):
    """Presets of your own, by their names."""

    presets: tuple[Preset, ...]


def add_presets(router: APIRouter, studio: Studio) -> None:
    """Add the addresses of presets."""
    history, of_orders = studio.jobs.history, refusals((*OF_BODIES, 503))

    def those(owner: str, ids: set[str]) -> Presets:
        return Presets(presets=tuple(Preset.of(one) for one in history.presets(owner) if one.id in ids))

    @router.get("/presets", tags=["presets"])
    def presets(owner: Owner) -> Presets:
        """List your presets, by their names."""
        return Presets(presets=tuple(Preset.of(one) for one in history.presets(owner)))

    @router.post("/presets", status_code=201, tags=["presets"], responses=of_orders)
    def keep(order: PresetOrder, owner: Owner) -> Preset:
        """Keep settings under a name, in place of yours of that name and task."""
        named = judged(order.name, order.settings.model_dump(mode="json"))
        kept = history.keep_preset(owner, named.kind, named.name, named.settings)
        return those(owner, {kept}).presets[0]

    @router.get("/presets/export", tags=["presets"])
    def export(owner: Owner) -> PresetFile:
        """Fetch all of your presets as one file, which `presets/import` takes back, here or in another studio."""
        return PresetFile.of(history.presets(owner))

    @router.post("/presets/import", status_code=201, tags=["presets"], responses=of_orders)
    def bring(
        file: PresetFile,
        owner: Owner,
        replace: Annotated[bool, Query(description="Of names that are taken: replace yours; else keep both.")] = False,
    ) -> Presets:
        """Keep the presets of a file, all or none: each is judged like any recipe. Those that were kept."""
        found = history.keep_presets(owner, file.judged(), replace=replace)
        return those(owner, {preset_id for preset_id, _ in found})

    @router.delete("/presets/{preset_id}", status_code=204, tags=["presets"], responses=refusals((404,)))
    def delete(preset_id: str, owner: Owner) -> None:
        """Delete one of your presets; one that is not there is no error."""
        history.delete_preset(owner, preset_id)
