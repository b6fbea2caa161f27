"""The command `units`: which layers a model has, and a sheet of the channels of one."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, JsonValue

from foundation.command_line.arguments import MOST_SEED
from foundation.command_line.commands import COMMANDS
from foundation.command_line.flags import AsFlag, Asked, add_flags, read_flags
from foundation.devices import choose_device
from foundation.errors import StudioError
from foundation.files.places import result_file, user_path
from foundation.files.text_files import write_json
from foundation.images.files import save_png
from foundation.protocols import Foreground, JobContext
from generator.cli.making import EXIT_INTERRUPTED, LoadModel
from generator.cli.making_flags import DEVICE, DEVICE_FLAG
from generator.inputs.photos import find_photos
from generator.production.unit_grid import Grid, draw, most_exciting, parse_channels, record, sheet
from generator.recipes.presets import presets_of
from generator.units.layers import Layer, find_layer, layers_of, observable
from generator.units.objective import demand_unit
from generator.units.unit import Unit

_OF_GRIDS = ("channels", "photos", "out", "preset", "seed")


class UnitsAsked(Asked):
    """What `units` is told; all but the model and the device is of a sheet."""

    model: Annotated[str, AsFlag(("model",), metavar="MODEL")] = Field(description="the model whose layers are listed")
    device: Annotated[str, DEVICE_FLAG] = Field("auto", description=DEVICE)
    grid: Annotated[str | None, AsFlag(metavar="LAYER")] = Field(None, description="draw channels of this layer")
    channels: Annotated[str | None, AsFlag(metavar="RANGE", shown="0..15")] = Field(
        None, description="which, for example 0..15 or 1,4,20..23"
    )
    photos: Annotated[Path | None, AsFlag(read=user_path, metavar="FOLDER")] = Field(
        None, description="put the photos in it beside each that excite it most"
    )
    out: Annotated[Path | None, AsFlag(read=result_file, metavar="PNG", shown="grid.png")] = Field(
        None, description="the sheet to write"
    )
    preset: Annotated[str | None, AsFlag(choices=lambda: list(presets_of("class")), shown="quick")] = Field(
        None, description="how each is drawn"
    )
    seed: Annotated[int | None, AsFlag(shown="0")] = Field(None, ge=0, le=MOST_SEED, description="of all pictures")


def add_parser(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command."""
    parser = commands.add_parser("units", help=COMMANDS["units"])
    add_flags(parser, UnitsAsked, ("model", "device"))
    sheets = parser.add_argument_group("a sheet of channels, instead of the list")
    add_flags(sheets, UnitsAsked, ("grid", *_OF_GRIDS))


def run(arguments: argparse.Namespace, load_model: LoadModel, foreground: Foreground) -> int:
    """Do what the arguments say, and return the exit code. StudioError for what does not fit."""
    asked = read_flags(arguments, UnitsAsked)
    if asked.grid is not None:
        return _grid(asked, asked.grid, load_model, foreground)
    given = [name for name in _OF_GRIDS if getattr(asked, name) is not None]
    if given:
        raise StudioError(f"--{given[0]} is of a sheet of channels: say of which layer, with --grid LAYER.")
    return _list(asked, load_model, foreground)


def _list(asked: UnitsAsked, load_model: LoadModel, foreground: Foreground) -> int:
    found: list[Layer] = []

    def work(context: JobContext) -> dict[str, JsonValue]:
        model = observable(load_model(asked.model, context.device, context), asked.model)
        found.extend(layers_of(model).values())
        return {}

    if foreground.run("units", choose_device(asked.device), work, quiet=True) is None:
        return EXIT_INTERRUPTED
    if not found:
        raise StudioError(f"The model '{asked.model}' has no layers that units could be taken from.")
    print(table(found))
    return 0


def _grid(asked: UnitsAsked, named: str, load_model: LoadModel, foreground: Foreground) -> int:
    out = asked.out or Path("grid.png")
    if out.suffix.lower() != ".png":
        raise StudioError(f"Pictures are saved as PNG: give a name that ends in .png, not '{out.name}'.")
    channels = parse_channels("0..15" if asked.channels is None else asked.channels)
    grid = Grid(asked.model, named, channels, asked.preset or "quick", asked.seed or 0)
    if asked.photos is not None:
        find_photos([asked.photos])  # before anything is drawn

    def work(context: JobContext) -> dict[str, JsonValue]:
        model = load_model(grid.model, context.device, context)
        seen = observable(model, grid.model)
        layer = find_layer(seen, grid.layer, grid.model)
        demand_unit(Unit(grid.layer, tuple((channel, 1.0) for channel in grid.channels)), layer, grid.model)
        beside = asked.photos
        photos, left_out = ({}, ()) if beside is None else most_exciting(grid, seen, layer, beside, context)
        cells = list(draw(grid, model, context, photos))
        save_png(sheet(cells), out)
        write_json(out.with_suffix(".json"), record(grid, cells, left_out), "record")
        return {"channels": len(cells), "left_out": len(left_out)}

    done = foreground.run("units", choose_device(asked.device), work)
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
