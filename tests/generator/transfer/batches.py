"""A small batch of photos that is attacked and measured, as several files of tests ask for it."""

from pathlib import Path
from typing import Any

from generator.inputs.photos import Photo
from generator.recipes.recipe import Recipe
from generator.transfer.attacking import AttackPlan
from generator.transfer.batch import Measuring, run_batch
from generator.victims.victims import classifier_victim
from tests.generator.standins import Colours, LayeredColours
from tests.generator.transfer.standins import RECIPE, Context


def plan_for(folder: Path, photos: tuple[Photo, ...], **attacks: Recipe) -> AttackPlan:
    return AttackPlan(attacks or {"colours": RECIPE}, photos, folder)


def measuring(**options: Any) -> Measuring:
    victims = [classifier_victim("colours", Colours()), classifier_victim("layered", LayeredColours())]
    return Measuring(victims, ("saved", "jpeg-50"), **options)


def run(folder: Path, photos: tuple[Photo, ...], context: Context | None = None) -> dict[str, Any]:
    models = {"colours": Colours()}
    return run_batch(context or Context(), plan_for(folder, photos), models, measuring())[1]


def saved(folder: Path) -> dict[str, bytes]:
    """What a run leaves, without the records, which tell how long it took."""
    wanted = [p for p in folder.rglob("*") if p.is_file() and not (p.parent != folder and p.suffix == ".json")]
    return {str(p.relative_to(folder)): p.read_bytes() for p in wanted if p.name != "answers.jsonl"}
