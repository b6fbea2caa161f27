"""How often networks that did not draw name the pictures right: every class of a model, or prompts of everyday life.

    python -m benchmarks.recognised --out PICTURES --models crossmax-cifar10 tiny-clip --classes 40
    python -m benchmarks.recognised --out PICTURES --models lite0 lite0+crossmax-cifar10 --judges lite1 lite2 \
        --views "crop:0.4-1 | noise:0.15 | flip" --photos PHOTOS --json recognised.json --sheet sheet.png

A classifier draws its classes, a CLIP model the prompts of `benchmarks/recognised/prompts.txt`, each with `--seeds`
seeds and at each of the `--presets`; MODEL+MODEL draw together (what the first knows, as far as the others know it;
with a CLIP model the prompts, to which classifiers lead along), with `--model-weights`. Flags of a recipe change all of
them. Pictures that lie in PICTURES from an earlier run are not drawn again; Ctrl-C keeps what there is, and reports on
that. The judges see the saved 8-bit files as wholes. One that draws, alone or with others, is refused. "First" and
"among five" are of the pictures whose thing the judge has a class for (`robust_model/data/kinds.py`: when a class of
another list counts as right); prompts that a drawer has no word for count as missed. Beside it: what an unrelated
network says, and the judges on real photos, shrunk to 64 and 160 pixels. Intervals are 95 % (Wilson).
"""

import argparse
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from app.visitors.data_dir import choose_data_dir
from benchmarks.harness import machine, run_benchmark, table, write_json
from benchmarks.recognised.judging import (
    PROMPTS,
    Judge,
    OfPhotos,
    Subject,
    Tally,
    judge_photos,
    photos_in,
    read_prompts,
    some,
    square,
)
from benchmarks.recognised.outcome import Outcome, Picture, Row, Said, Saved
from foundation.catalogue.catalogue import Catalogue
from foundation.command_line.arguments import MOST_SEED, whole
from foundation.command_line.program import Parser
from foundation.devices import choose_device
from foundation.errors import StudioError
from foundation.files.places import result_file, result_folder, user_path
from foundation.files.text_files import write_text
from foundation.images.animation import contact_sheet
from foundation.images.files import load_image, save_png, to_tensor
from foundation.jobs import Terminal
from foundation.progress import Progress
from foundation.protocols import Classifier, Encoder, JobContext
from generator.production.series import Piece, draw_series, file_name
from generator.recipes.fields import add_arguments, given_fields
from generator.recipes.presets import from_preset, presets_of
from generator.synthesis.leading import led
from generator.synthesis.models import Model
from generator.synthesis.words import unknown_words
from robust_model.data.class_match import listed
from robust_model.data.kinds import right_places
from robust_model.zoo.catalogue import open_catalogue
from robust_model.zoo.registry import KIND

SIDES = (64, 160)
"""The sides in pixels that photos are shrunk to."""
UNRELATED = "crossmax-cifar10"
ALSO = {"fast": "quick", "quick": "fast"}
"""Presets of one task that another task has under another name."""
TILE = 128
_NOT_FLAGS = ("task", "models", "classes", "weights", "images", "seed", "norm", "eps", "unit")


@dataclass(frozen=True)
class Drawn:
    """A picture that was asked for: by whom, at which preset, of what. `piece` is None where nobody can draw that."""

    drawer: str
    preset: str
    subject: Subject
    piece: Piece | None


def preset_of(task: str, name: str) -> str:
    """The preset of a task that a name means. StudioError if there is none."""
    found = name if name in presets_of(task) else ALSO.get(name, name)
    if found not in presets_of(task):
        raise StudioError(
            f"There is no preset '{name}' for the task '{task}'. Choose from {', '.join(presets_of(task))}."
        )
    return found


def refuse_drawers(judges: Sequence[str], drawers: Sequence[str]) -> None:
    """StudioError for a judge that draws, or helps to."""
    drawing = {part for drawer in drawers for part in drawer.split("+")}
    partial = [judge for judge in judges if judge in drawing]
    if partial:
        raise StudioError(f"'{partial[0]}' draws, so it is no judge: choose others with --judges (or --unrelated).")


def subjects_of(models: Mapping[str, Model], prompts: Sequence[Subject]) -> tuple[str, list[Subject]]:
    """The task of models that draw together, and what they can be told: prompts if one reads texts, else classes.

    Of several classifiers, the classes of the first that all others have one for, each under its own name.
    """
    classifiers = [model for model in models.values() if not isinstance(model, Encoder)]
    if len(classifiers) < len(models):  # classifiers lead a text along
        return "text", list(prompts)
    found = []
    for name in classifiers[0].class_names:
        own = [_own(model, name) for model in classifiers]
        if all(own):
            found.append(Subject(" | ".join(dict.fromkeys(own)), (name,)))
    if not found:
        raise StudioError(f"'{'+'.join(models)}' have no class in common, so there is nothing to draw together.")
    return "class", found


def _own(model: Classifier, name: str) -> str:
    """What a model calls a class of another, if it is one class; "" if it knows none, or several."""
    places = right_places(model.class_names, name)
    return model.class_names[places[0]] if len(places) == 1 else ""


def asked_for(
    drawer: str, models: Mapping[str, Model], revisions: Mapping[str, str], options: argparse.Namespace
) -> list[Drawn]:
    """All pictures that a drawer is asked for."""
    task, subjects = subjects_of(models, read_prompts(options.prompts))
    subjects = some(subjects, options.count, options.choice)
    changes = given_fields(options) | {"models": tuple(models)}
    if any(revisions.values()):
        changes["revisions"] = tuple(revisions[name] for name in models)
    if len(models) == 1:
        changes.pop("model_weights", None)
    encoders = {name: model for name, model in models.items() if isinstance(model, Encoder)}
    classes = {name: model.class_names for name, model in models.items() if not isinstance(model, Encoder)}
    found = []
    for name in options.presets:
        folder = options.out / file_name(drawer) / name
        for subject in subjects:
            told = {"prompt": subject.told} if task == "text" else {"classes": (subject.told,)}
            recipe = from_preset(task, preset_of(task, name), **told, **changes)
            try:
                unknown_words(recipe.guides, encoders, led(recipe, classes).prompts)
            except StudioError:  # none of its words is known, which is an answer, too
                found += [Drawn(drawer, name, subject, None)] * options.seeds
                continue
            for seed in range(options.seeds):
                path = folder / f"{file_name(subject.told)}-{seed}.png"
                piece = Piece(path, recipe.with_changes(seed=seed), f"{drawer}, {name}: {subject.told}")
                found.append(Drawn(drawer, name, subject, piece))
    return found


def judged(drawn: Sequence[Drawn], judges: Sequence[Judge]) -> tuple[list[Row], list[Picture]]:
    """What the judges say: a row for each drawer, preset and judge; and an entry for each picture that is there."""
    tallies: dict[tuple[str, str, str], Tally] = defaultdict(Tally)
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    pictures = []
    for one in drawn:
        if one.piece is not None and not one.piece.is_done():
            continue  # not drawn yet
        image = None if one.piece is None else to_tensor(load_image(one.piece.path))
        said: dict[str, Said] = {}
        for judge in judges:
            tally, right = tallies[one.drawer, one.preset, judge.name], judge.right(one.subject)
            if image is None:
                tally.miss(right)
                continue
            top = judge.top(image)
            tally.add(right, top)
            said[judge.name] = Said([judge.name_of(place) for place in top], top[0] in right)
        saved = None
        if one.piece is not None:
            record = one.piece.record()
            seconds[one.drawer, one.preset].append(record.seconds)
            saved = Saved(str(one.piece.path), record.seconds, bool(record.ran_away))
        pictures.append(Picture(one.drawer, one.preset, one.subject.told, said, saved))
    middles = {key: statistics.median(took) for key, took in seconds.items()}
    rows = [
        Row(drawer, preset, judge, middles.get((drawer, preset)), tally)
        for (drawer, preset, judge), tally in tallies.items()
    ]
    return rows, pictures


def cells(rows: Sequence[Row], photos: Sequence[OfPhotos]) -> list[list[str]]:
    """The table, with its heading."""
    found = [["who draws", "preset", "judge", "first", "among five", "no class for it", "s a picture"]]
    for row in rows:
        took = "-" if row.seconds is None else f"{row.seconds:.1f}"
        found.append([row.drawer, row.preset, row.judge, *row.tally.cells(), took])
    found += [["(photos)", f"{row.side} px", row.judge, *row.tally.cells(), "-"] for row in photos]
    return found


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a Markdown table, the first being the heading."""
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]) + "\n"


def save_sheet(pictures: Sequence[Picture], judges: Sequence[str], path: Path) -> None:
    """One picture of all that are there: what each was to show, how many judges say so, and what another one says."""
    images, captions = [], []
    for picture in pictures:
        if picture.saved is None:
            continue
        said = [picture.said[judge] for judge in judges]
        wrong = next((one.top[0] for one in said if not one.right), "")
        score = f"{sum(one.right for one in said)}/{len(said)}"
        images.append(square(Path(picture.saved.file), TILE))
        captions.append(f"{picture.of} {score}" + (f": {wrong}" if wrong else ""))
    if images:
        save_png(contact_sheet(images, captions, columns=10), path)


def parser() -> Parser:
    """The flags."""
    made = Parser(
        prog="python -m benchmarks.recognised",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--out", type=result_folder, required=True, help="the folder of the pictures, and of later runs")
    made.add_argument(
        "--models",
        dest="drawers",
        nargs="+",
        default=["crossmax-cifar10", "tiny-clip"],
        metavar="MODEL",
        help="who draws (default: crossmax-cifar10 tiny-clip); MODEL+MODEL together",
    )
    made.add_argument("--presets", nargs="+", default=["balanced"], help="fast, balanced, best (default: balanced)")
    made.add_argument(
        "--classes", dest="count", type=whole(1, 1000), help="so many classes, or prompts, at random (default: all)"
    )
    made.add_argument(
        "--seed", dest="choice", type=whole(0, MOST_SEED), default=0, help="of that choice (default: %(default)s)"
    )
    made.add_argument("--seeds", type=whole(1, 100), default=2, help="pictures of each: seeds 0, 1... (default: 2)")
    made.add_argument("--prompts", type=user_path, default=PROMPTS, help="a text file (default: %(default)s)")
    made.add_argument("--judges", nargs="+", default=["lite1", "lite2"], help="default: lite1 lite2")
    made.add_argument(
        "--unrelated", nargs="*", help=f"networks that know few classes (default: {UNRELATED}, unless it draws)"
    )
    made.add_argument("--photos", type=user_path, help="a folder of real photos of classes, for comparison")
    made.add_argument("--most-photos", type=whole(1, 100_000), default=200, help="default: %(default)s of them")
    made.add_argument("--device", default="auto", help="cpu, cuda, cuda:1...; default: a GPU if there is one")
    made.add_argument("--json", type=result_file, help="write all figures, and every answer, here")
    made.add_argument("--markdown", type=result_file, help="write the table here")
    made.add_argument("--sheet", type=result_file, help="write one PNG of all pictures here")
    group = made.add_argument_group("recipe", "They change all presets.")
    add_arguments(group, _NOT_FLAGS)
    return made


def draw_and_judge(context: JobContext, options: argparse.Namespace, catalogue: Catalogue) -> Outcome:
    """Draw what is not there yet, and ask the judges. StudioError for what does not fit, before anything is drawn."""
    loaded = {}
    for name in dict.fromkeys(part for drawer in options.drawers for part in drawer.split("+")):
        context.progress(Progress(0, 0, f"Loading {name}", unit="items"))
        loaded[name] = catalogue.load(name, context.device, context, typed=True)
    judges = [Judge(name, classifier(name, context, catalogue)) for name in (*options.judges, *options.unrelated)]
    known = {info.name: info.revision for info in catalogue.known()}
    drawn = []
    for drawer in dict.fromkeys(options.drawers):
        models = {name: loaded[name] for name in drawer.split("+")}
        drawn += asked_for(drawer, models, {name: known.get(name, "") for name in models}, options)
    photos = [] if options.photos is None else photos_in(options.photos, options.most_photos)
    pieces = [one.piece for one in drawn if one.piece is not None]
    series = draw_series(context, pieces, lambda piece: {name: loaded[name] for name in piece.recipe.models})
    rows, pictures = judged(drawn, judges)
    return Outcome(rows, judge_photos(photos, judges, SIDES), pictures, series.failed, series.stopped)


def classifier(name: str, context: JobContext, catalogue: Catalogue) -> Classifier:
    """A model that judges."""
    model = catalogue.load(name, context.device, context, kind=KIND, typed=True)
    assert isinstance(model, Classifier)  # what was asked for
    return model


def main() -> int:
    """Draw, ask, and report; 130 after Ctrl-C, which keeps what there is."""
    options = parser().parse_args()
    if options.unrelated is None:
        drawing = {part for drawer in options.drawers for part in drawer.split("+")}
        options.unrelated = [] if UNRELATED in drawing else [UNRELATED]
    refuse_drawers([*options.judges, *options.unrelated], options.drawers)
    options.presets = list(dict.fromkeys(options.presets))
    for name in options.presets:
        preset_of("class", name), preset_of("text", name)
    data = choose_data_dir()
    catalogue = open_catalogue((data.models,), data.downloads)
    outcomes: list[Outcome] = []

    def work(context: JobContext) -> dict[str, JsonValue]:
        outcomes.append(draw_and_judge(context, options, catalogue))
        return {}  # a job's result is JSON, and what follows needs more than that

    if Terminal().run("recognised", choose_device(options.device), work) is None:
        return 130
    (found,) = outcomes
    rows = cells(found.rows, found.photos)
    print(table(rows))
    if found.failed:
        print(f"Diverged: {listed(list(found.failed))}.")
    if options.json:
        write_json(options.json, {"machine": machine(), **found.to_json()})
    if options.markdown:
        write_text(options.markdown, markdown(rows))
    if options.sheet:
        save_sheet(found.pictures, options.judges, options.sheet)
    return 130 if found.stopped else 0


if __name__ == "__main__":
    run_benchmark(main)
