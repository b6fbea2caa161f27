"""Attacking photo after photo, such that a run that was ended at any moment goes on where it was."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from torch import Tensor

from foundation.cluster.cluster import Cluster, Part
from foundation.cluster.counting import Count
from foundation.cluster.shards import PartContext, Refused, Shard
from foundation.errors import StudioError
from foundation.files.text_files import read_json, shown
from foundation.images.files import load_image, read_metadata, to_tensor
from foundation.part_of_job import PartOfJob
from foundation.progress import Progress
from foundation.protocols import Encoder, JobContext
from generator.classes.names import Names
from generator.inputs.photos import Photo, file_name
from generator.production.parts import PictureFiles, PicturePart, Spread
from generator.production.production import Outputs, produce_job
from generator.recipes.completion import fill_in
from generator.recipes.pictures import NO_PICTURES, Pictures
from generator.recipes.recipe import Recipe
from generator.records.pictures import PictureRecord
from generator.synthesis.models import Model
from generator.transfer.aims import question_of, recipe_for
from generator.transfer.table import Case

_SCRATCH = re.compile(r"\.[0-9a-f]{16}\.tmp")
"""Files that were being written when a run was ended."""


@dataclass
class Attacked:
    """What there is after attacking: a case for each picture, and a sentence for each that failed."""

    cases: list[Case] = field(default_factory=list)
    failed: dict[tuple[str, str], str] = field(default_factory=dict)
    made: int = 0
    """Pictures made in this run; the others were there."""
    stopped: bool = False


@dataclass(frozen=True)
class _Part(PartOfJob):
    """A part of a job as a job: what it reports is counted on from where the whole is."""

    done: int
    total: int
    label: str

    def progress(self, now: Progress, /) -> None:
        message = f"{now.message}: {self.label}"
        self.whole.progress(replace(now, done=self.done + now.done, total=self.total, message=message, unit="items"))


@dataclass(frozen=True, eq=False)
class AttackPlan:
    """What is to be attacked, by which recipes, and where to.

    Attributes:
        attacks: recipes by what the attack, or the set of surrogates, goes by.
        photos: each is attacked by each recipe.
        folder: pictures and records go to folder/attack/.
        target: the picture [1, 3, H, W] that those recipes lead to which have its digest.
        names: which classes are the same.
        with_recipe: whether the pictures carry their recipe.
    """

    attacks: Mapping[str, Recipe]
    photos: Sequence[Photo]
    folder: Path
    target: Tensor | None = None
    names: Names = field(default_factory=Names)
    with_recipe: bool = True

    def __post_init__(self) -> None:
        if any(recipe.images != 1 for recipe in self.attacks.values()):
            raise StudioError("A batch makes one picture of each photo: leave --images at 1.")

    def outputs(self, attack: str, photo: Photo) -> Outputs:
        """Return the files of one photo under one attack."""
        place = self.folder / file_name(attack)
        picture, record = (place / f"{file_name(photo.name)}{ending}" for ending in (".png", ".json"))
        return Outputs((picture,), record, with_recipe=self.with_recipe)


def attack_photos(
    context: JobContext,
    plan: AttackPlan,
    models: Mapping[str, Model],
    cluster: Cluster | None = None,
    spread: Spread | None = None,
) -> Attacked:
    """Attack each photo by each recipe, and save the pictures and their records.

    What is there already, whole and made by the same recipe from the same photo, is left as it is. A photo that
    fails is named in `failed`, and the others go on. Asked to stop, the picture under way is kept, but counts as not
    done. With a `cluster` its workers attack, and the pictures are the same; `spread` is what it was sent before.
    """
    if cluster is not None:
        return _attack_apart(context, plan, models, cluster, spread or Spread(cluster))
    result = Attacked()
    total = len(plan.photos) * sum(recipe.steps for recipe in plan.attacks.values())
    done = 0
    for attack, recipe in plan.attacks.items():
        used = {name: models[name] for name in recipe.models}
        _sweep(plan.folder / file_name(attack))
        for photo in plan.photos:
            if context.stop_requested:
                return replace(result, stopped=True)
            part = _Part(context, done, total, f"{photo.name} ({attack})")
            try:
                ended = _attack(part, plan, attack, photo, used)
            except StudioError as error:
                result.failed[(attack, photo.name)] = str(error)
            else:
                if ended.case is None:
                    return replace(result, stopped=True)
                result.cases.append(ended.case)
                result.made += ended.made
            done += recipe.steps
    return result


def _attack_apart(
    context: JobContext, plan: AttackPlan, models: Mapping[str, Model], cluster: Cluster, spread: Spread
) -> Attacked:
    """Have a cluster attack what is not there yet; what comes of it is in the order of the plan."""
    result = Attacked()
    target = Pictures(target=plan.target)
    cases: dict[tuple[str, str], Case] = {}
    left: list[_Left] = []
    shards: list[Shard[PictureFiles]] = []
    for attack, recipe in plan.attacks.items():
        used = {name: models[name] for name in recipe.models}
        _sweep(plan.folder / file_name(attack))
        for number, photo in enumerate(plan.photos, start=1):
            context.progress(Progress(0, 0, f"Looking at photo {number} of {len(plan.photos)}", unit="items"))
            key = (attack, photo.name)
            try:
                turn = _turn(plan, attack, photo, used)
            except StudioError as error:
                result.failed[key] = str(error)
                continue
            if turn.done:
                cases[key] = turn.case
                continue
            led = spread.shared(target if turn.recipe.target else NO_PICTURES)
            name = turn.outputs.images[0].name
            part = PicturePart(turn.recipe, spread.those_of(used, recipe), name, led, with_recipe=plan.with_recipe)
            left.append(_Left(key, turn.case, turn.outputs, turn.recipe.steps))  # and not the photo: there may be many
            shards.append(Shard(f"{photo.name} ({attack})", partial(_with_photo, part, photo.path)))
    count = Count(context, [one.steps for one in left], "Attacking", "items")

    def keep(part: Part[PictureFiles]) -> None:
        one = left[part.number]
        if part.refusal:
            result.failed[one.key] = part.refusal
        else:
            files = part.get()
            files.save(one.outputs)
            if files.diverged:
                result.failed[one.key] = files.diverged
            elif files.stopped:
                result.stopped = True
            else:
                cases[one.key] = one.case
                result.made += 1
        count.end(part.number)

    done = cluster.run(context, shards, on_part=keep, on_told=count.tell, waiting=count.wait)
    order = [(attack, photo.name) for attack in plan.attacks for photo in plan.photos]
    result.failed = {key: result.failed[key] for key in order if key in result.failed}
    return replace(result, cases=[cases[key] for key in order if key in cases], stopped=result.stopped or not done)


@dataclass(frozen=True)
class _Left:
    """What a cluster has to do: which case, to which files, in how many steps."""

    key: tuple[str, str]
    case: Case
    outputs: Outputs
    steps: int


def _with_photo(part: PicturePart, photo: Path) -> Callable[[PartContext], PictureFiles]:
    """The part with its photo, which is read when somebody is there to attack it."""
    try:
        return replace(part, photo=photo.read_bytes())
    except OSError as error:
        return Refused(f"'{shown(photo)}' cannot be read: {error.strerror or error}.")


@dataclass(frozen=True)
class _Ended:
    case: Case | None
    made: bool


@dataclass(frozen=True, eq=False)
class _Turn:
    """One photo under one attack: by which recipe, with which pictures, to which files; whether that is `done`."""

    recipe: Recipe
    pictures: Pictures
    outputs: Outputs
    case: Case
    done: bool


def _turn(plan: AttackPlan, attack: str, photo: Photo, models: Mapping[str, Model]) -> _Turn:
    """What is to be done with a photo. StudioError for one that cannot be attacked."""
    classes = surrogate_classes(models)
    template = plan.attacks[attack]
    own = recipe_for(template, photo, classes, plan.names)
    pictures = Pictures(to_tensor(load_image(photo.path)), target=plan.target if own.target else None)
    out = plan.outputs(attack, photo)
    case = Case(photo.name, attack, photo.path, out.images[0], question_of(own, photo, classes, template))
    return _Turn(own, pictures, out, case, is_done(out, fill_in(own, pictures)))


def _attack(context: JobContext, plan: AttackPlan, attack: str, photo: Photo, models: Mapping[str, Model]) -> _Ended:
    """Attack one photo, unless that is done; there is no case if it was stopped."""
    turn = _turn(plan, attack, photo, models)
    if turn.done:
        return _Ended(turn.case, made=False)
    stopped = produce_job(context, turn.recipe, models, outputs=turn.outputs, pictures=turn.pictures).stopped
    return _Ended(None if stopped else turn.case, made=not stopped)


def surrogate_classes(models: Mapping[str, Model]) -> tuple[str, ...]:
    """Return the classes of the first classifier among the models; () if there is none."""
    return next((tuple(model.class_names) for model in models.values() if not isinstance(model, Encoder)), ())


def is_done(out: Outputs, recipe: Recipe) -> bool:
    """Whether the files are whole, and what this recipe (completed for its photo) makes, taken to its end.

    The record is written after the picture, and each appears whole or not at all. A picture that carries its recipe
    where it should not, or the other way round, is not what was asked for.
    """
    try:
        record = PictureRecord.read(read_json(out.record))
        made = record.recipe
        whole = made.with_changes(steps=recipe.steps) if record.enough else made  # it needed fewer steps
        return bool(
            whole == recipe
            and not record.stopped
            and record.error is None
            and _carried(out.images[0]) == (made if out.with_recipe else None)
            and load_image(out.images[0]).size[::-1] == tuple(recipe.size)
        )
    except (OSError, ValueError, LookupError, TypeError):  # StudioError is a ValueError: then it is made again
        return False


def _carried(picture: Path) -> Recipe | None:
    """The recipe that a picture carries; None if it says nothing of itself."""
    return Recipe.from_png(picture) if read_metadata(picture) else None


def _sweep(place: Path) -> None:
    """Remove files that a run before did not finish writing."""
    if place.is_dir():
        for path in place.iterdir():
            if _SCRATCH.fullmatch(path.name):
                path.unlink(missing_ok=True)
