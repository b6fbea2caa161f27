"""Multi-resolution against pixel perturbations: which transfers better, at one budget, with one loss?

    python -m benchmarks.transfer_perturbations --photos FOLDER --surrogates tiny-clip --victims crossmax-cifar10 \\
        undefended-cifar10 --captions "an airplane | an automobile | a bird | a cat | a deer | a dog | a frog | a horse"

Every method gets the same photos, surrogates, loss, norm, eps, steps, views (and their number), start (the photo
itself) and seed. What differs is what the change is made of (layers of many resolutions, or pixels) and the update
rule with its step, the first two rows being the plain pair: the same descent on either. Victims were not asked
while the attack was made. Rates are counted on the saved 8-bit files; a photo counts for a victim as `generator.
explorer` defines it, and the interval is Wilson's at 95 %. Surrogates stand in the table, too, marked with *.
"""

import argparse
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, TypedDict

import torch
from pydantic import JsonValue

from app.visitors.data_dir import choose_data_dir
from benchmarks.harness import machine, run_benchmark, table, write_json
from foundation.command_line.program import Parser
from foundation.files.places import result_file, result_folder, user_path
from foundation.images.files import load_image, save_png, to_tensor
from foundation.intervals import Rate
from foundation.progress import Progress
from foundation.protocols import Encoder
from generator.classes.labels import captions, cifar10
from generator.inputs.photos import find_photos
from generator.production.production import output_paths, produce
from generator.recipes.pictures import Pictures
from generator.recipes.prompts import parse_prompts
from generator.recipes.recipe import Recipe
from generator.synthesis.models import Model
from generator.transfer.outcome import Question
from generator.transfer.table import Case, Comparison, cells_of, compare
from generator.victims.victims import Victim, victim_of
from robust_model.zoo.catalogue import open_catalogue


class Rule(TypedDict, total=False):
    """An update rule, as fields of a recipe."""

    optimiser: str
    learning_rate: float
    momentum: float


class Method(Rule, total=False):
    """What is changed in the pictures, and by which rule, as fields of a recipe."""

    perturbation: str


class Asked(TypedDict, total=False):
    """What is asked for, as fields of a recipe."""

    prompt: str
    captions: str
    objective: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What came out of one method.

    Attributes:
        rates: by the victims' columns.
        held_out: over all victims together that the method did not attack with.
        linf, l2: mean distances.
    """

    rates: Mapping[str, Rate]
    held_out: Rate
    linf: float
    l2: float

    def to_json(self) -> dict[str, JsonValue]:
        """As a file has it."""
        rates: dict[str, JsonValue] = {column: rate.to_json() for column, rate in self.rates.items()}
        return {"rates": rates, "held_out": self.held_out.to_json(), "linf": self.linf, "l2": self.l2}

    def cells(self, columns: Iterable[str]) -> list[str]:
        """Its row of the table."""
        rates = [shown(self.rates[column]) for column in columns]
        return [*rates, shown(self.held_out), f"{255 * self.linf:.1f}", f"{self.l2:.2f}"]


@dataclass(frozen=True)
class Figures:
    """What was attacked, how, and what came out, by the methods' names."""

    photos: Sequence[Path]
    recipes: Mapping[str, Recipe]
    results: Mapping[str, Found]

    def to_json(self) -> dict[str, JsonValue]:
        """As a file has it."""
        return {
            "photos": [path.name for path in self.photos],
            "recipes": {name: recipe.model_dump(mode="json") for name, recipe in self.recipes.items()},
            "results": {name: found.to_json() for name, found in self.results.items()},
        }


def methods(steps: int) -> dict[str, Method]:
    """What is compared, as recipe fields: step sizes are those of the program's presets, or of the papers.

    pgd takes 2.5 eps / steps (Madry et al., arXiv 1706.06083), mi-fgsm eps / steps with momentum 1 (Dong et al., arXiv
    1710.06081), apgd its own. On layers a step of mi-fgsm is that of the presets, as X has no edge to be reached.
    """
    sgd: Rule = {"optimiser": "sgd", "momentum": 0.9, "learning_rate": 0.05}
    mi_fgsm: Rule = {"optimiser": "mi-fgsm", "momentum": 1.0}
    return {
        "layers, sgd": {"perturbation": "layers", **sgd},
        "pixel, sgd": {"perturbation": "pixel", **sgd},
        "layers, adam": {"perturbation": "layers", "optimiser": "adam", "learning_rate": 0.05},
        "pixel, adam": {"perturbation": "pixel", "optimiser": "adam", "learning_rate": 0.05},
        "layers, mi-fgsm": {"perturbation": "layers", **mi_fgsm, "learning_rate": 0.05},
        "pixel, mi-fgsm": {"perturbation": "pixel", **mi_fgsm, "learning_rate": 1 / steps},
        "pixel, pgd": {"perturbation": "pixel", "optimiser": "pgd", "learning_rate": 2.5 / steps},
        "pixel, apgd": {"perturbation": "pixel", "optimiser": "apgd"},
    }


@dataclass(frozen=True)
class Quiet:
    """A job's context for models that are loaded here."""

    device: str
    stop_requested: bool = False

    def progress(self, now: Progress, /) -> None:
        """Say nothing."""


def asked_of(options: argparse.Namespace, models: Mapping[str, Model]) -> Asked:
    """What all methods are asked for, which depends on the kinds of surrogates there are."""
    encoders = [name for name in options.surrogates if isinstance(models[name], Encoder)]
    asked: Asked = {"classes": ()}
    if encoders:
        asked |= {"prompt": options.prompt} if options.target else {"captions": options.captions}
    if len(encoders) < len(options.surrogates):
        asked |= {"objective": "margin", "classes": (options.target,)} if options.target else {"objective": "leave"}
    return asked


def recipe_of(options: argparse.Namespace, asked: Asked, method: Method) -> Recipe:
    """A method as a recipe: all that is not its own is alike."""
    fields = {
        "task": "attack",
        "models": tuple(options.surrogates),
        "norm": options.norm,
        "eps": options.eps,
        "steps": options.steps,
        "views": options.views,
        "views_per_step": options.views_per_step,
        "resolutions": options.resolutions,
        "start_std": 0.0,
        "seed": options.seed,
        **asked,
        **method,
    }
    return Recipe.model_validate(fields)


def attack_all(
    recipes: Mapping[str, Recipe], photos: Sequence[Path], models: Mapping[str, Model], folder: Path, options: Any
) -> list[Case]:
    """Attack every photo by every method, and return what was saved."""
    targets = (options.target,) if options.target else ()
    cases = []
    for number, path in enumerate(photos):
        source = to_tensor(load_image(path))
        photo = folder / f"{number}.png"
        save_png(source, photo)
        for place, (name, recipe) in enumerate(recipes.items()):
            outputs = output_paths(folder / f"{number}-{place}.png", 1)
            produce(recipe, models, outputs=outputs, pictures=Pictures(source), device=options.device)
            cases.append(Case(path.name, name, photo, outputs.images[0], Question(targets=targets)))
    return cases


def victims_of(options: argparse.Namespace, models: Mapping[str, Model]) -> dict[str, Victim]:
    """All models, surrogates first, by the name of their column. CLIP models choose among the captions."""
    listed = [prompt.text for prompt in parse_prompts(options.captions)] if options.captions else []
    labels = captions(listed) if listed else cifar10()
    named = {f"{name}*": models[name] for name in options.surrogates} | {name: models[name] for name in options.victims}
    return {name: victim_of(name, model, labels, options.device) for name, model in named.items()}


def report(comparison: Comparison, names: Sequence[str], victims: Mapping[str, Victim]) -> dict[str, Found]:
    """Rates by method and victim, over all held-out victims together, and mean distances."""
    columns = {victim.name: column for column, victim in victims.items()}
    found: dict[str, Found] = {}
    for name in names:
        rows = [row for row in comparison.rows if row.attack == name]
        cells = {columns[cell.victim]: cell.rate for cell in cells_of(rows)}
        held_out = [rate for column, rate in cells.items() if not column.endswith("*")]
        together = Rate(sum(rate.successes for rate in held_out), sum(rate.total for rate in held_out))
        distances = [value for (attack, _), value in comparison.distances.items() if attack == name]
        found[name] = Found(
            rates=cells,
            held_out=together,
            linf=fmean(distance.linf for distance in distances),
            l2=fmean(distance.l2 for distance in distances),
        )
    return found


def shown(rate: Rate) -> str:
    """A rate as a cell of the table: ``62 % [41, 79] of 21``."""
    if rate.value is None:
        return "none of 0"
    low, high = rate.interval
    return f"{100 * rate.value:.0f} % [{100 * low:.0f}, {100 * high:.0f}] of {rate.total}"


def run(options: argparse.Namespace, models: Mapping[str, Model]) -> tuple[str, Figures]:
    """Attack, look, and return the table with the figures in it."""
    photos = find_photos([options.photos])[: options.limit or None]
    asked = asked_of(options, models)
    chosen = {name: own for name, own in methods(options.steps).items() if name in options.methods}
    recipes = {name: recipe_of(options, asked, own) for name, own in chosen.items()}
    victims = victims_of(options, models)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        comparison = compare(attack_all(recipes, photos, models, folder, options), list(victims.values()))
    results = report(comparison, list(recipes), victims)
    rows = [["perturbation, rule", *victims, "all held out", "L-inf / 255", "L2"]]
    rows += [[name, *found.cells(victims)] for name, found in results.items()]
    return table(rows), Figures(photos, recipes, results)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=user_path, required=True, help="folder of photos")
    parser.add_argument("--limit", type=int, default=0, help="take so many of them (default: all)")
    parser.add_argument("--surrogates", nargs="+", default=["crossmax-cifar10"], help="models to attack with")
    parser.add_argument("--victims", nargs="+", default=["undefended-cifar10", "tiny-clip"], help="held-out models")
    parser.add_argument("--target", default="", help="class to reach (default: leave what each model sees)")
    parser.add_argument("--prompt", default="", help="the target in words, for CLIP models among the surrogates")
    parser.add_argument("--captions", default="", help="what CLIP models choose from, 'a | b' (default: CIFAR-10)")
    parser.add_argument(
        "--methods",
        nargs="+",
        default=list(methods(1)),
        choices=list(methods(1)),
        help="what is changed in the pictures, a row each (default: all)",
    )
    parser.add_argument(
        "--norm", choices=("linf", "l2"), default="linf", help="how the budget is measured (default: %(default)s)"
    )
    parser.add_argument("--eps", type=float, default=8 / 255, help="default: 8/255")
    parser.add_argument("--steps", type=int, default=80, help="steps of each attack (default: %(default)s)")
    parser.add_argument(
        "--views",
        default="crop:0.8-1 | noise:0.02",
        help="random views that are scored, as a recipe has them (default: %(default)s)",
    )
    parser.add_argument(
        "--views-per-step", type=int, default=2, help="views that are averaged in a step (default: %(default)s)"
    )
    parser.add_argument("--resolutions", default="1..32,64,128", help="of the layers")
    parser.add_argument("--seed", type=int, default=0, help="of every random number (default: %(default)s)")
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda (default: %(default)s)"
    )
    parser.add_argument("--out", type=result_folder, help="keep the pictures in this folder")
    parser.add_argument("--json", type=result_file, help="write the figures here")
    options = parser.parse_args(arguments)
    options.captions = options.captions or " | ".join(cifar10().labels)
    both = set(options.surrogates) & set(options.victims)
    if both:
        parser.error(f"'{min(both)}' is a surrogate and a victim: victims are held out.")
    return options


def main() -> None:
    """Measure, print a table, and write the figures if asked to."""
    options = parse()
    data = choose_data_dir()
    models, context = open_catalogue((data.models,), data.downloads), Quiet(options.device)
    loaded = {
        name: models.load(name, options.device, context, typed=True) for name in (*options.surrogates, *options.victims)
    }
    printed, figures = run(options, loaded)
    print(printed)
    if options.json:
        settings = {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
        write_json(options.json, {"machine": machine(), "settings": settings, **figures.to_json()})


if __name__ == "__main__":
    run_benchmark(main)
