"""How often attacks reach what they are after, and how long that takes: presets against models, photo by photo.

    python -m benchmarks.attack_success --photos FOLDER --models lite0 undefended-cifar10 --presets standard pgd \\
        --limit 60 --goal targeted untargeted --seed 0 --out DIR

FOLDER holds photos, at any depth, so it may be a folder of class folders; with --limit, the seed draws so many of them.
A targeted attack has a random class for each photo and model, drawn from the seed, which is never what the model says
of the clean photo; an untargeted one only leaves that. Success is what the attacked model itself says of the saved
8-bit PNG, by the rule of `generator.synthesis.answers`; rates have Wilson's 95 % intervals. Seconds are those of making
and saving a picture. The first success is that of the picture as it would be saved after a step; looking is not
counted.

With --out, the pictures, results.json and results.md lie in that folder, and a run that is started again makes no
picture twice. With --onlookers, models of the same classes say how often the pictures fool them, too.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, median

import torch
from pydantic import JsonValue
from torch import Tensor

from benchmarks.harness import machine, run_benchmark, write_json
from foundation.command_line.program import Parser
from foundation.errors import StudioError
from foundation.files.folders import walk
from foundation.files.places import result_folder, user_path
from foundation.files.text_files import read_json, write_text
from foundation.images.files import load_image, to_tensor
from foundation.intervals import Rate
from foundation.protocols import Classifier
from foundation.seeds import stream
from generator.inputs.photos import file_name
from generator.optimisers.loop import Step
from generator.production.production import Outputs, produce
from generator.recipes.completion import fill_in
from generator.recipes.pictures import Pictures
from generator.recipes.presets import all_presets_of, from_preset
from generator.recipes.recipe import Recipe
from generator.synthesis.answers import ask
from generator.synthesis.synthesis import as_saved
from generator.transfer.attacking import is_done
from robust_model.zoo.subjects import load_subject

GOALS = ("targeted", "untargeted")
SIDE = 320
Row = tuple[str, str, str]
"""Model, preset and goal: a row of the table."""


@dataclass(frozen=True)
class Aim:
    """What one attack is after: to leave the class number `clean`, for the class number `target` if there is one."""

    clean: int
    target: int | None

    def reached(self, answer: Tensor) -> bool:
        """Whether the probabilities [C] put what is wanted first."""
        first = int(answer.argmax())
        return first != self.clean if self.target is None else first == self.target

    def probability(self, answer: Tensor) -> float:
        """The probability of what is wanted, from all probabilities [C]."""
        return 1 - float(answer[self.clean]) if self.target is None else float(answer[self.target])


@dataclass(frozen=True)
class Took:
    """Seconds of an attack, and its steps; and those until the first success, None if there was none."""

    seconds: float
    steps: int
    first_seconds: float | None
    first_step: int | None


@dataclass(frozen=True)
class Attacked:
    """One photo after one attack."""

    photo: str
    clean: str
    target: str
    reached: bool
    probability: float
    fooled: dict[str, bool]
    took: Took


@dataclass(frozen=True)
class FirstSuccess:
    """Of how many attacks a first success was seen, and when: medians, None of none."""

    of: int
    median_seconds: float | None
    median_step: float | None


@dataclass(frozen=True)
class Figures:
    """The figures of one row: rates, and means and medians over its photos."""

    success: Rate
    mean_probability: float
    median_seconds: float
    mean_seconds: float
    mean_steps: float
    first_success: FirstSuccess
    onlookers: Mapping[str, Rate]
    photos: Sequence[Attacked]

    @classmethod
    def of(cls, attacked: Sequence[Attacked]) -> "Figures":
        """Of the photos of one row."""
        first = [one.took.first_seconds for one in attacked if one.took.first_seconds is not None]
        steps = [one.took.first_step for one in attacked if one.took.first_step]
        onlookers = dict.fromkeys(other for one in attacked for other in one.fooled)
        return cls(
            success=Rate(sum(one.reached for one in attacked), len(attacked)),
            mean_probability=fmean(one.probability for one in attacked),
            median_seconds=median(one.took.seconds for one in attacked),
            mean_seconds=fmean(one.took.seconds for one in attacked),
            mean_steps=fmean(one.took.steps for one in attacked),
            first_success=FirstSuccess(len(first), median(first) if first else None, median(steps) if first else None),
            onlookers={other: Rate(sum(one.fooled[other] for one in attacked), len(attacked)) for other in onlookers},
            photos=attacked,
        )

    def to_json(self) -> dict[str, JsonValue]:
        """As a file has it: every rate with its interval."""
        return {
            **asdict(self),
            "success": self.success.to_json(),
            "onlookers": {other: rate.to_json() for other, rate in self.onlookers.items()},
        }

    def cells(self, onlookers: Sequence[str]) -> list[str]:
        """Its row of the table, with what became of these onlookers."""
        first = self.first_success.median_seconds
        return [
            _rate(self.success),
            f"{self.mean_probability:.3f}",
            f"{self.median_seconds:.1f}",
            f"{self.mean_steps:.0f}",
            "-" if first is None else f"{first:.1f}",
            *(_rate(self.onlookers[other]) if other in self.onlookers else "-" for other in onlookers),
        ]


@dataclass(frozen=True)
class Results:
    """The figures of all rows."""

    rows: Mapping[Row, Figures]

    def to_json(self) -> dict[str, JsonValue]:
        """As a file has it."""
        return {
            "rows": [
                {"model": model, "preset": preset, "goal": goal, **figures.to_json()}
                for (model, preset, goal), figures in self.rows.items()
            ]
        }

    def markdown(self) -> str:
        """The figures as a table of Markdown."""
        onlookers = list(dict.fromkeys(other for figures in self.rows.values() for other in figures.onlookers))
        heading = ["model", "preset", "goal", "success", "mean probability", "s a photo", "steps", "first success, s"]
        lines = [[*heading, *(f"{other} falls" for other in onlookers)]]
        lines.append(["---"] * 3 + ["---:"] * (len(lines[0]) - 3))
        lines += [[*row, *figures.cells(onlookers)] for row, figures in self.rows.items()]
        return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _rate(rate: Rate) -> str:
    low, high = rate.interval
    return f"{rate.successes} of {rate.total}: {rate.value:.0%} ({low:.0%} to {high:.0%})"


def probabilities(classifier: Classifier, image: Tensor, draws: int | None = None) -> Tensor:
    """What a classifier says of one image [1, 3, H, W]: [C], averaged over passes where it draws random numbers."""
    return ask(classifier, image, draws).passes[:, 0].double().softmax(dim=1).mean(dim=0).cpu()


def draw_photos(folder: Path, limit: int, seed: int) -> list[Path]:
    """The photos at any depth of a folder, or `limit` of them drawn by the seed; in the order of their paths."""
    if not folder.is_dir():
        raise StudioError(f"There is no folder '{folder}': name one with photos in it.")
    found = sorted(walk(folder, deep=True).pictures)
    if not found:
        raise StudioError(f"There is no photo in '{folder}': name a folder with PNG or JPEG files in it.")
    if not 0 < limit < len(found):
        return found
    order = torch.randperm(len(found), generator=stream(seed, "photos")).tolist()
    return sorted(found[place] for place in order[:limit])


def photo_at(path: Path, side: int) -> Tensor:
    """A photo [1, 3, H, W] whose longer side has at most so many pixels; as many as it has for 0."""
    image = load_image(path)
    if side:
        image.thumbnail((side, side))
    return to_tensor(image)


def draw_target(seed: int, name: str, clean: int, classes: int) -> int:
    """A class number other than `clean`, drawn from the seed for what goes by `name`."""
    drawn = int(torch.randint(classes - 1, (), generator=stream(seed, f"target {name}")))
    return drawn + (drawn >= clean)


def recipe_of(preset: str, model: str, aim: Aim, seed: int) -> Recipe:
    """The recipe of a preset for one aim: a targeted attack has the preset's own objective."""
    of = partial(from_preset, "attack", preset, models=(model,), seed=seed)
    return of(objective="leave", classes=()) if aim.target is None else of(classes=(str(aim.target),))


def attack(recipe: Recipe, model: Classifier, photo: Tensor, aim: Aim, outputs: Outputs) -> Took:
    """Make and save one picture, unless it is there already; what it took, or had taken then."""
    notes = outputs.record.with_suffix(".took.json")
    completed = fill_in(recipe, Pictures(photo))
    if is_done(outputs, completed):
        try:
            return Took(**read_json(notes))
        except (OSError, ValueError, TypeError):  # a run ended between the picture and its notes
            pass
    first: list[tuple[float, int]] = []
    looked = 0.0
    began = time.perf_counter()

    def look(step: Step) -> None:
        nonlocal looked
        if first:
            return
        before = time.perf_counter()
        saved = as_saved(step.image(), completed, photo)
        if aim.reached(probabilities(model, saved, draws=1)):
            first.append((before - began - looked, step.index))
        looked += time.perf_counter() - before

    made = produce(
        recipe, {recipe.models[0]: model}, outputs=outputs, pictures=Pictures(photo), device=photo.device, on_step=look
    )
    seconds = time.perf_counter() - began - looked
    took = Took(seconds, made.recipe.steps, *(first[0] if first else (None, None)))
    write_json(notes, asdict(took))
    return took


def rows_of(options: argparse.Namespace) -> Iterator[Row]:
    """All rows of the table, in their order."""
    for model in options.models:
        for preset in options.presets:
            for goal in options.goal:
                yield model, preset, goal


def attack_all(
    options: argparse.Namespace, models: Mapping[str, Classifier], folder: Path, say: Callable[[str], None]
) -> dict[Row, list[Attacked]]:
    """Attack every photo in every row, and ask about the files; `say` hears how it goes."""
    photos = draw_photos(options.photos, options.limit, options.seed)
    found: dict[Row, list[Attacked]] = {row: [] for row in rows_of(options)}
    done, total, began = 0, len(photos) * len(found), time.monotonic()
    for path in photos:  # photo by photo, so that every row has its first figures soon
        name = path.relative_to(options.photos).with_suffix("").as_posix()
        photo = photo_at(path, options.side).to(options.device)
        clean = {
            model: int(probabilities(models[model], photo).argmax()) for model in (*options.models, *options.onlookers)
        }
        for row in found:
            found[row].append(_one(options, models, folder, row, name, photo, clean))
            done += 1
            left = (time.monotonic() - began) / done * (total - done)
            say(f"{done} of {total} attacks: {name}, {', '.join(row)}; about {left / 60:.0f} min left")
    return found


def _one(
    options: argparse.Namespace,
    models: Mapping[str, Classifier],
    folder: Path,
    row: Row,
    name: str,
    photo: Tensor,
    clean: Mapping[str, int],
) -> Attacked:
    """Attack one photo, called `name`, in one row, and ask about the file. `clean` are the answers before, by model."""
    model, preset, goal = row
    names = models[model].class_names
    target = draw_target(options.seed, f"{model} {name}", clean[model], len(names)) if goal == "targeted" else None
    aim = Aim(clean[model], target)
    place = folder.joinpath(*map(file_name, row)) / file_name(name)
    outputs = Outputs((place.with_name(f"{place.name}.png"),), place.with_name(f"{place.name}.json"))
    took = attack(recipe_of(preset, model, aim, options.seed), models[model], photo, aim, outputs)
    saved = to_tensor(load_image(outputs.images[0])).to(options.device)
    answer = probabilities(models[model], saved)
    return Attacked(
        photo=name,
        clean=names[aim.clean],
        target="" if target is None else names[target],
        reached=aim.reached(answer),
        probability=aim.probability(answer),
        fooled={
            other: Aim(clean[other], target).reached(probabilities(models[other], saved))
            for other in options.onlookers
            if other != model and models[other].class_names == names
        },
        took=took,
    )


def run(
    options: argparse.Namespace,
    models: Mapping[str, Classifier],
    say: Callable[[str], None] = lambda _message: None,
) -> Results:
    """Attack, ask, and return the figures."""
    with tempfile.TemporaryDirectory() as scratch:
        found = attack_all(options, models, options.out or Path(scratch), say)
    return Results({row: Figures.of(attacked) for row, attacked in found.items()})


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=user_path, required=True, help="folder of photos, at any depth")
    parser.add_argument("--models", nargs="+", default=["lite0"], help="classifiers to attack (default: lite0)")
    parser.add_argument(
        "--presets", nargs="+", default=["standard"], help="presets of attacks (default: standard); see "
        "python -m generator presets",
    )  # fmt: skip
    parser.add_argument("--goal", nargs="+", default=list(GOALS), choices=GOALS, help="default: both")
    parser.add_argument("--limit", type=int, default=0, help="draw so many of the photos (default: all)")
    parser.add_argument(
        "--side", type=int, default=SIDE, help="pixels of the longer side at most, 0 for all (default: %(default)s)"
    )
    parser.add_argument("--onlookers", nargs="+", default=[], help="classifiers that are asked about the pictures, too")
    parser.add_argument("--seed", type=int, default=0, help="of every random number (default: %(default)s)")
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda (default: %(default)s)"
    )
    parser.add_argument("--out", type=result_folder, help="folder for pictures and figures, where a run also goes on")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.presets if name not in all_presets_of("attack")]
    if unknown:
        parser.error(f"There is no preset '{unknown[0]}': choose from {', '.join(all_presets_of('attack'))}.")
    if options.side and options.side < 8:
        parser.error("--side is at least 8 pixels, or 0 for photos as they are.")
    return options


def main() -> None:
    """Measure, print a table, and write the figures."""
    options = parse()
    models = {
        name: load_subject(name, options.device).model for name in dict.fromkeys([*options.models, *options.onlookers])
    }
    results = run(options, models, lambda message: print(message, file=sys.stderr, flush=True))
    print(results.markdown())
    if options.out:
        settings = json.loads(json.dumps(vars(options), default=str))
        write_json(options.out / "results.json", {"machine": machine(), "settings": settings, **results.to_json()})
        write_text(options.out / "results.md", results.markdown())


if __name__ == "__main__":
    run_benchmark(main)
