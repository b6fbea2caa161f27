"""Attacks on a folder of photos as one job, by the settings of an attack on one.

In the job's folder, `batch` is a folder of `generator.transfer.batch`, from which a later job goes on, with the photos
under `photos` and, where a vision-language model was asked, its descriptions; batch.zip is all of it.

What is known so far is in the findings; see `app.records.folders`.
"""

import logging
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from app.evaluation.service import take_over
from app.handlers.describing import Describer, read_descriptions
from app.handlers.exploring import load_victims
from app.handlers.findings import write_folder_findings
from app.handlers.pictures import Workshop, load_models, write_result
from app.records.findings import VictimFound
from app.records.folders import AttackedPhoto, FolderFindings, FolderResult, MissingPhoto
from app.records.params import FolderOrder, FolderParams, Wish
from app.records.pictures import NothingMade
from foundation.cluster.cluster import Cluster
from foundation.cluster.pool import computes_on
from foundation.errors import StudioError
from foundation.files.text_files import drafted
from foundation.images.files import load_image, to_tensor
from foundation.jobs import JobContext
from foundation.progress import Progress
from foundation.protocols import Encoder
from generator.classes.labels import LabelList
from generator.inputs.photos import Photo, file_name
from generator.recipes.recipe import Recipe
from generator.synthesis.models import Model
from generator.transfer.aims import recipe_of_set
from generator.transfer.attacking import AttackPlan
from generator.transfer.batch import Measuring, save_report
from generator.transfer.report import Report
from generator.transfer.stepwise import attack_by_photo
from generator.victims.survival import find_survivals
from generator.victims.victims import Victim, unknown_note

logger = logging.getLogger(__name__)

FOLDER, PHOTOS, ARCHIVE = "batch", "photos", "batch.zip"
MOST_SHOWN = 60
"""Pictures that the findings name."""
_PACKED = frozenset({".png", ".jpg"})
"""Files that are packed already."""


def attack_folder(context: JobContext, shop: Workshop) -> dict[str, JsonValue]:
    """Attack and measure photo after photo, and keep after each what is known. Asked to stop, keep what there is.

    The result has the recipe, whether all is complete, and the file that has everything. StudioError: the parameters
    make no sense, or every photo failed; one that fails is a sentence in the findings.
    """
    told = FolderParams.asked(context.params)
    order, asked = told.folder, told.describe
    labels = (told.explore or Wish()).label_list()
    folder = context.dir / FOLDER
    take_over(shop.data, told.continues, folder, FOLDER)
    photos, left_out = _bring(order, shop, context.owner, folder / PHOTOS)
    target = to_tensor(load_image(shop.data.upload(told.target, context.owner))) if told.target else None
    context.progress(Progress(0, 0, "Loading the models", unit="items"))
    with shop.pool.lent(context) as cluster:
        try:
            models, revisions = load_models(told.recipe, shop, context, cluster)
        except StudioError as error:
            if not context.stop_requested:
                raise
            return NothingMade(note=str(error), images=()).to_json()  # a download that was stopped, for example
        made = told.recipe.with_changes(revisions=revisions, images=1)
        attacks = _attacks(made, models, alone=order.alone)
        plan = AttackPlan(attacks, photos, folder, target, with_recipe=told.with_recipe)
        found, report = _attack(context, shop, told.explore or Wish(), labels, plan, models, left_out, cluster)
    save_report(report, report.to_json(folder), folder)
    complete, why = not report.stopped, ""
    if asked is not None and not context.stop_requested:
        targets = {} if target is None else {name: target for name, own in attacks.items() if own.target}
        describer = Describer(shop.read_vlm, shop.catalogue)
        why = describer.describe(context, asked, report.cases, folder, targets=targets, report=report)
        said = read_descriptions(folder)
        complete = complete and not why and said is not None and said.complete
    elif asked is not None:
        complete = False
    found.end(complete=complete)
    result = FolderResult(recipe=made, images=(), descriptions_error=why or None, complete=complete)
    result = FolderResult.of(result, **_pack(context))
    write_result(context, result.to_json())
    if complete:
        context.progress(Progress(1, 1, "Measured", unit="items"))
    return result.to_json()


def _attack(
    context: JobContext,
    shop: Workshop,
    wish: Wish,
    labels: LabelList,
    plan: AttackPlan,
    models: Mapping[str, Model],
    left_out: Mapping[str, str],
    cluster: Cluster | None,
) -> tuple["_Found", Report]:
    """Attack all photos, and ask the victims; what is known by then is kept after each."""
    survivals = find_survivals(wish.survivals)
    said = {key: survival.description for key, survival in survivals.items()}
    found = _Found(context, plan.attacks, len(plan.photos), said)
    victims: list[Victim] = []
    device = computes_on(context, cluster)
    for entry, victim in load_victims(context, shop.catalogue, wish, labels, models, device):
        found.add_victim(entry)
        victims += [] if victim is None else [victim]
    notes = tuple(note for victim in victims if (note := unknown_note(victim)))
    measuring = Measuring(victims, tuple(survivals), left_out=left_out, notes=notes)
    report: Report | None = None
    for report in attack_by_photo(context, plan, models, measuring, cluster):
        found.keep(report)
    assert report is not None  # there is at least one photo
    return found, report


def _attacks(recipe: Recipe, models: Mapping[str, Model], *, alone: bool) -> dict[str, Recipe]:
    """The attacks by name: with all models together and, if that is wanted, with each alone.

    StudioError for one that alone cannot be asked anything of what is wanted.
    """
    attacks = {"+".join(recipe.models): recipe}
    for name, revision in zip(recipe.models, recipe.revisions, strict=True) if alone else ():
        encoder = isinstance(models[name], Encoder)
        own = recipe_of_set(recipe, (name,), classifiers=not encoder, encoders=encoder)
        attacks[name] = own.with_changes(revisions=(revision,))
    return attacks


class _Found:
    """What is known so far, kept in the job's folder as it comes."""

    def __init__(
        self, context: JobContext, attacks: Mapping[str, Recipe], total: int, survivals: Mapping[str, str]
    ) -> None:
        self._folder = context.dir
        self._found = FolderFindings(
            attacks={name: recipe.models for name, recipe in attacks.items()},
            total=total,
            done=0,
            targeted=False,
            victims=(),
            survivals=dict(survivals),
            cells=(),
            pictures=(),
            missing=(),
            complete=False,
        )

    def add_victim(self, entry: VictimFound) -> None:
        """Keep one more victim."""
        self._add(victims=(*self._found.victims, entry))

    def keep(self, report: Report) -> None:
        """Keep a report as it stands."""
        several = len(report.recipes) > 1
        without = {**report.failed, **report.comparison.unreadable}.items()
        missing = {f"{image} ({attack})" if several else image: why for (attack, image), why in without}
        self._add(
            done=len({row.image for row in report.comparison.rows}),
            targeted=any(case.question.targets for case in report.cases),
            cells=tuple(cell.record() for cell in report.cells),
            pictures=tuple(
                AttackedPhoto(
                    image=case.image,
                    attack=case.attack,
                    photo=self._place(case.photo),
                    attacked=self._place(case.attacked),
                )
                for case in report.cases[:MOST_SHOWN]
            ),
            missing=tuple(MissingPhoto(image=image, why=why) for image, why in {**missing, **report.left_out}.items()),
        )

    def end(self, *, complete: bool) -> None:
        """Keep whether that is all."""
        self._add(complete=complete)

    def _place(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    def _add(self, **more: object) -> None:
        self._found = FolderFindings.of(self._found, **more)
        write_folder_findings(self._folder, self._found)


def _bring(order: FolderOrder, shop: Workshop, owner: str, place: Path) -> tuple[tuple[Photo, ...], dict[str, str]]:
    """Copies of the photos, which stay with the job; and those that are left out, with those that are gone."""
    place.mkdir(parents=True, exist_ok=True)
    photos: list[Photo] = []
    left_out = dict(order.left_out)
    for one in order.photos:
        path = place / f"{file_name(one.name)}.png"
        try:
            shutil.copyfile(shop.data.upload(one.digest, owner), path)
        except StudioError as error:
            left_out[one.name] = str(error)
        else:
            photos.append(Photo(one.name, path, one.label, one.target))
    if not photos:
        raise StudioError("None of the photos is here any more: bring them again.")
    return tuple(photos), left_out


def _pack(context: JobContext) -> dict[str, str]:
    """Put everything into one file. What goes wrong is a sentence: all of it is there nevertheless."""
    folder, archive = context.dir / FOLDER, context.dir / ARCHIVE
    context.progress(Progress(0, 0, "Measuring: putting everything into one file", unit="items"))
    try:
        with drafted(archive, durable=False) as draft, zipfile.ZipFile(draft, "w") as packed:
            for path in _files(folder):
                kind = zipfile.ZIP_STORED if path.suffix in _PACKED else zipfile.ZIP_DEFLATED
                packed.write(path, path.relative_to(folder).as_posix(), kind)
    except OSError:
        logger.warning("the results of job %s cannot be packed", context.id, exc_info=True)
        return {"archive_error": "The results could not be put into one file: make room on the disk, and go on."}
    return {"archive": ARCHIVE}


def _files(folder: Path) -> Sequence[Path]:
    """What a run left in its folder, without what it did not finish writing."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def goes_on(params: Mapping[str, object], result: Mapping[str, object] | None, folder: Path) -> bool:
    """Whether there is something to go on from, and to do: for an ended job with these, in this folder."""
    return "folder" in params and not (result or {}).get("complete") and (folder / FOLDER).is_dir()
