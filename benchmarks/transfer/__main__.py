"""How often attacks on one network fool others, on real photos: a table of docs/transfer.md by one command.

    python -m benchmarks.transfer methods --photos imagenette/val --out runs/transfer
    python -m benchmarks.transfer --list

PHOTOS holds folders of photos, called by the WordNet numbers of their classes. The seed puts them in an order, and the
first --limit that Lite0, Lite1 and Lite2 all name right are attacked. All methods have the same budget and the same
number of gradient passes; victims are not asked while a picture is made. Untargeted, a victim is fooled if its answer
is another than that on the photo; targeted, if it is the target, a class drawn for each photo which nobody sees in it.
Rates count saved 8-bit files and have Wilson's 95 % intervals; rows are compared photo by photo (McNemar, exact).

OUT holds the journal, the pictures, and TABLE.md and TABLE.json of the photos that are done. Stopped at any moment and
run again, it goes on; tables share what is alike.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from app.visitors.data_dir import choose_data_dir
from benchmarks.harness import machine, run_benchmark, write_json
from benchmarks.transfer.figures import markdown, rows_of
from benchmarks.transfer.methods import METHODS, NOISE, PASSES
from benchmarks.transfer.running import Bench, NothingMoreError, do
from benchmarks.transfer.tables import LITES, TABLES, Table
from foundation.command_line.program import Parser
from foundation.files.places import result_folder, user_path
from foundation.files.text_files import write_text
from foundation.progress import Progress
from generator.synthesis.models import Model
from robust_model.zoo.catalogue import open_catalogue

EVERY = 25
"""Photos after which the figures are written anew."""


@dataclass(frozen=True)
class Quiet:
    """A job's context for models that are loaded here."""

    device: str
    stop_requested: bool = False

    def progress(self, now: Progress, /) -> None:
        """Say nothing."""


def chosen(options: argparse.Namespace, name: str) -> Table:
    """The table of that name, with what the command line says in place of its own."""
    own = {key: getattr(options, key) for key in ("surrogates", "methods", "victims", "survivals")}
    given: dict[str, object] = {key: tuple(value) for key, value in own.items() if value}
    if options.levels:
        given["levels"] = options.levels
    return replace(TABLES[name], **given)  # type: ignore[arg-type]


def run(options: argparse.Namespace, bench: Bench, name: str) -> str:
    """Do what a table needs, write it down, and return it as Markdown; what is done by then if it is interrupted."""
    table = chosen(options, name)
    work = table.work(options.passes)
    done: list[str] = []
    text = ""
    try:
        for photo in do(bench, work, bench.drawn(options.limit, options.sure)):
            done.append(bench.name_of(photo))
            if len(done) % EVERY == 0:
                text = _write(options, bench, name, done)
    except KeyboardInterrupt:
        bench.say("Interrupted: the same command goes on.")
        options.interrupted = True
    except NothingMoreError:
        pass
    return _write(options, bench, name, done) if done else text


def _write(options: argparse.Namespace, bench: Bench, name: str, photos: Sequence[str]) -> str:
    table = chosen(options, name)
    work = table.work(options.passes)
    rows = rows_of(bench.journal, work, photos)
    text = f"{table.says}; {len(photos)} photos.\n\n{markdown(rows, work, table.against)}"
    settings = json.loads(json.dumps({**vars(options), "table": name}, default=str))
    recipes = {
        attack.key: attack.recipe("0" if attack.targeted else "").to_json()
        for attack in work.attacks
        if attack.method != NOISE
    }
    write_json(
        options.out / f"{name}.json",
        {
            "machine": machine(),
            "settings": settings,
            "photos": list(photos),
            "recipes": {key: json.loads(recipe) for key, recipe in recipes.items()},
            "rows": [row.to_json() for row in rows],
        },
    )
    write_text(options.out / f"{name}.md", text)
    return text


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="python -m benchmarks.transfer",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"{', '.join(TABLES)}; all, in this order")
    parser.add_argument("--list", action="store_true", help="say what the tables and methods are, and end")
    parser.add_argument("--photos", type=user_path, help="folder of folders of photos")
    parser.add_argument("--out", type=result_folder, help="folder of results, where a run also goes on")
    parser.add_argument("--done", action="store_true", help="write and print what is measured, and measure no more")
    parser.add_argument("--limit", type=int, default=300, help="so many photos (default: %(default)s)")
    parser.add_argument(
        "--sure", nargs="*", default=list(LITES), help="models that all name them right (default: %(default)s)"
    )
    parser.add_argument(
        "--passes", type=int, default=PASSES, help="gradient passes of each attack (default: %(default)s)"
    )
    for name, what in (
        ("surrogates", "attack these, or sets of them joined by +,"),
        ("methods", "attack by these"),
        ("victims", "ask these"),
        ("survivals", "let this happen to the files"),
    ):
        parser.add_argument(f"--{name}", nargs="+", help=f"{what} in place of the table's own")
    parser.add_argument("--levels", type=int, help="budget, of 255, in place of the table's own")
    parser.add_argument("--seed", type=int, default=0, help="of every random number (default: %(default)s)")
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.tables if name not in (*TABLES, "all")]
    unknown += [name for name in options.methods or () if name not in (*METHODS, NOISE)]
    if unknown:
        parser.error(f"There is no '{unknown[0]}': see --list.")
    if not options.list and not (options.tables and options.photos and options.out):
        parser.error("Name a table, --photos FOLDER and --out FOLDER, or use --list.")
    options.tables = list(TABLES) if "all" in options.tables else options.tables
    return options


def listed() -> str:
    """The tables and methods in words."""
    lines = ["Tables:", *(f"  {name}: {table.says}" for name, table in TABLES.items()), "Methods:"]
    lines += [f"  {name}: preset {one.preset}{f', {one.says}' if one.says else ''}" for name, one in METHODS.items()]
    return "\n".join([*lines, f"  {NOISE}: every value moved by the whole budget, up or down by chance"])


def main() -> int:
    """Measure, and print tables."""
    options = parse()
    if options.list:
        print(listed())
        return 0
    data = choose_data_dir()
    models, context = open_catalogue((data.models,), data.downloads), Quiet(options.device)

    def load(name: str) -> Model:
        return models.load(name, options.device, context, typed=True)

    options.out.mkdir(parents=True, exist_ok=True)
    options.interrupted = False

    def say(now: str) -> None:
        print(now, file=sys.stderr, flush=True)

    bench = Bench(options.photos, options.out, options.seed, load, say, options.done)
    for name in options.tables:
        print(run(options, bench, name), flush=True)
        if options.interrupted:
            return 130
    return 0


if __name__ == "__main__":
    run_benchmark(main)
