"""The commands of `python -m generator` and what each is for: all that its own `--help` prints, and nothing is loaded.

PyTorch takes a second to import, and the flags of the commands need the recipe: whoever only asks what there is does
not wait for them. `generator.cli.main` makes the commands themselves, under the same names and with the same words.
"""

from collections.abc import Mapping, Sequence

from foundation.command_line.program import Parser, called

DESCRIPTION = "Pictures by optimisation against CLIP and classifiers."
COMMANDS: Mapping[str, str] = {
    "text": "draw what a prompt says",
    "class": "draw a picture of a class, or of a unit",
    "attack": "change a photo so that models see something else",
    "gallery": "draw every class of a model",
    "grid": "draw a picture for every pair of values of two fields",
    "batch": "attack a folder of photos, and report what came out",
    "transfer": "attack with some models, and see which others fall",
    "units": "list the layers of a model, whose units can be drawn",
    "presets": "list the presets",
    "models": "list the models",
    "show": "print the recipe that a picture carries",
}


def asks_what_there_is(argv: Sequence[str]) -> bool:
    """Whether a command line is only `--help`, before any command."""
    return bool(argv) and argv[0] in ("-h", "--help")


def print_what_there_is() -> None:
    """Print what `--help` says."""
    build_parser().print_help()


def build_parser() -> Parser:
    """A parser that knows the commands by name alone."""
    parser = Parser(prog=called("generator"), description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, words in COMMANDS.items():
        commands.add_parser(name, help=words)
    return parser
