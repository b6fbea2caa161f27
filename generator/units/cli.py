"""The command `units`: which layers a model has."""

import argparse
from collections.abc import Iterable
from typing import Any

from generator.cli_making import EXIT_INTERRUPTED, LoadModel
from generator.devices import choose_device
from generator.errors import StudioError
from generator.protocols import Foreground, JobContext
from generator.units.layers import Layer, layers_of, observable


def add_parser(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command."""
    parser = commands.add_parser("units", help="list the layers of a model, whose units can be drawn")
    parser.add_argument("model", metavar="MODEL", help="the model whose layers are listed")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1...; default: a GPU if there is one")


def run(arguments: argparse.Namespace, load_model: LoadModel, foreground: Foreground) -> int:
    """List the layers of a model, and return the exit code. StudioError where it shows none."""
    found: list[Layer] = []

    def work(context: JobContext) -> dict[str, Any]:
        model = observable(load_model(arguments.model, context.device, context), arguments.model)
        found.extend(layers_of(model).values())
        return {}

    if foreground.run("units", choose_device(arguments.device), work, quiet=True) is None:
        return EXIT_INTERRUPTED
    if not found:
        raise StudioError(f"The model '{arguments.model}' has no layers that units could be taken from.")
    print(table(found))
    return 0


def table(layers: Iterable[Layer]) -> str:
    """Layers as a table: name, kind, channels, and the positions at the size that the model sees."""
    rows = [("layer", "kind", "channels", "positions")]
    rows += [(one.name, one.kind, str(one.channels), " x ".join(map(str, one.size)) or "-") for one in layers]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    name, kind, channels = widths
    return "\n".join(f"{row[0]:{name}}  {row[1]:{kind}}  {row[2]:>{channels}}  {row[3]}" for row in rows)
