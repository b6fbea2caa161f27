"""The command `units`: which layers a model has, and a sheet of the channels of one."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from foundation.command_line.arguments import MOST_SEED, whole
from foundation.command_line.commands import COMMANDS
from foundation.devices import choose_device
from foundation.errors import StudioError
from foundation.files.places import result_file, user_path
from foundation.files.text_files import write_json
from foundation.images.files import save_png
from foundation.protocols import Foreground, JobContext
from generator.cli.making import EXIT_INTERRUPTED, LoadModel
from generator.inputs.photos import find_photos
from generator.production.unit_grid import Grid, draw, most_exciting, parse_channels, record, sheet
from generator.recipes.presets import presets_of
from generator.units.layers import Layer, find_layer, layers_of, observable
from generator.units.objective import demand_unit
from generator.units.unit import Unit

_OF_GRIDS = ("channels", "photos", "out", "preset", "seed")


def add_parser(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command."""
    parser = commands.add_parser("units", help=COMMANDS["units"])
    parser.add_argument("model", metavar="MODEL", help="the model whose layers are listed")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1...; default: a GPU if there is one")
    sheets = parser.add_argument_group("a sheet of channels, instead of the list")
    sheets.add_argument("--grid", metavar="LAYER", help="draw channels of this layer")
    sheets.add_argument("--channels", metavar="RANGE", help="which, for example 0..15 or 1,4,20..23; default: 0..15")
    sheets.add_argument(
        "--photos", type=user_path, metavar="FOLDER", help="put the photos in it beside each that excite it most"
    )
    sheets.add_argument("--out", type=result_file, metavar="PNG", help="the sheet to write; default: grid.png")
    sheets.add_argument("--preset", choices=list(presets_of("class")), help="how each is drawn; default: quick")
    sheets.add_argument("--seed", type=whole(0, MOST_SEED), help="of all pictures; default: 0")


def run(arguments: argparse.Namespace, load_model: LoadModel, foreground: Foreground) -> int:
    """Do what the arguments say, and return the exit code. StudioError for what does not fit."""
    if arguments.grid is not None:
        return _grid(arguments, load_model, foreground)
    given = [name for name in _OF_GRIDS if getattr(arguments, name) is not None]
    if given:
        raise StudioError(f"--{given[0]} is of a sheet of channels: say of which layer, with --grid LAYER.")
    return _list(arguments, load_model, foreground)


def _list(arguments: argparse.Namespace, load_model: LoadModel, foreground: Foreground) -> int:
    found: list[Layer] = []

    def work(context: JobContext) -> dict[str, JsonValue]:
        model = observable(load_model(arguments.model, context.device, context), arguments.model)
        found.extend(layers_of(model).values())
        return {}

    if foreground.run("units", choose_device(arguments.device), work, quiet=True) is None:
        return EXIT_INTERRUPTED
    if not found:
        raise StudioError(f"The model '{arguments.model}' has no layers that units could be taken from.")
    print(table(found))
    return 0


def _grid(arguments: argparse.Namespace, load_model: LoadModel, foreground: Foreground) -> int:
    out = arguments.out or Path("grid.png")
    if out.suffix.lower() != ".png":
        raise StudioError(f"Pictures are saved as PNG: give a name that ends in .png, not '{out.name}'.")
    channels = parse_channels("0..15" if arguments.channels is None else arguments.channels)
    grid = Grid(arguments.model, arguments.grid, channels, arguments.preset or "quick", arguments.seed or 0)
    if arguments.photos is not None:
        find_photos([arguments.photos])  # before anything is drawn

    def work(context: JobContext) -> dict[str, JsonValue]:
        model = load_model(grid.model, context.device, context)
        seen = observable(model, grid.model)
        layer = find_layer(seen, grid.layer, grid.model)
        demand_unit(Unit(grid.layer, tuple((channel, 1.0) for channel in grid.channels)), layer, grid.model)
        asked = arguments.photos is not None
        photos, left_out = most_exciting(grid, seen, layer, arguments.photos, context) if asked else ({}, ())
        cells = list(draw(grid, model, context, photos))
        save_png(sheet(cells), out)
        write_json(out.with_suffix(".json"), record(grid, cells, left_out), "record")
        return {"channels": len(cells), "left_out": len(left_out)}

    done = foreground.run("units", choose_device(arguments.device), work)
    if done is None:
        return EXIT_INTERRUPTED
    print(out)
    if done["left_out"]:
        print(f"Note: {done['left_out']} of the photos could not be read, and are left out; the record names them.")
    return 0 if done["channels"] == len(channels) else EXIT_INTERRUPTED


def table(layers: Iterable[Layer]) -> str:
    """Layers as a table: name, kind, channels, and the positions at the size that the model sees."""
    rows = [("layer", "kind", "channels", "positions")]
    rows += [(one.name, one.kind, str(one.channels), " x ".join(map(str, one.size)) or "-") for one in layers]
    name, kind, channels = (max(len(row[column]) for row in rows) for column in range(3))
    return "\n".join(f"{row[0]:{name}}  {row[1]:{kind}}  {row[2]:>{channels}}  {row[3]}" for row in rows)
