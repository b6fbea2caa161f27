"""Draws prompts with the models that are here and a preset, and writes them as one picture with the prompts below.

python scripts/text_sheet.py [--model MODEL ...] [--preset balanced] [--out assets/text-images.png] [PROMPT ...]
"""

import argparse
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from foundation.command_line.program import Parser, answered, run_program  # noqa: E402
from foundation.files.places import result_file  # noqa: E402
from foundation.images.animation import contact_sheet  # noqa: E402
from foundation.images.files import save_png  # noqa: E402
from generator.recipes.presets import DEFAULT_PRESET, from_preset, presets_of  # noqa: E402
from generator.synthesis.drawers import DRAWERS  # noqa: E402
from generator.synthesis.synthesis import synthesise  # noqa: E402
from robust_model.zoo.catalogue import open_catalogue  # noqa: E402

PROMPTS = (
    "a goldfish",
    "a red sports car",
    "a school bus",
    "jellyfish in blue water",
    "pizza",
    "a frog",
    "a lighthouse",
    "a banana",
    "a golden retriever",
    "a lemon",
    "a mushroom",
    "a king penguin",
)


def main() -> None:
    """Draw and write the sheet; every prompt has one picture, of the seed that is asked for."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompts", nargs="*", default=PROMPTS, metavar="PROMPT", help="default: twelve that it knows")
    parser.add_argument(
        "--model",
        nargs="+",
        default=DRAWERS["text"],
        help="the models of texts that draw, and classifiers that lead along (default: %(default)s)",
    )
    parser.add_argument(
        "--preset",
        default=DEFAULT_PRESET["text"],
        choices=sorted(presets_of("text")),
        help="the recipe's preset (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=7, help="default: %(default)s")
    parser.add_argument("--columns", type=int, default=6, help="default: %(default)s")
    parser.add_argument("--side", type=int, default=160, help="of each picture, in pixels (default: %(default)s)")
    parser.add_argument(
        "--out",
        type=result_file,
        default=ROOT / "assets" / "text-images.png",
        help="the picture's file (default: %(default)s)",
    )
    options = parser.parse_args()
    catalogue = open_catalogue(downloads=ROOT / "runs")
    models = {name: catalogue.load(name, typed=True) for name in options.model}
    pictures = []
    for prompt in options.prompts:
        recipe = from_preset("text", options.preset, prompt=prompt, models=tuple(models), seed=options.seed)
        synthesis = synthesise(recipe, models)
        for _ in synthesis.steps:
            pass
        with torch.no_grad():
            pictures.append(synthesis.prior.render()[0])
        print(prompt, file=sys.stderr)
    sheet = contact_sheet(pictures, options.prompts, columns=options.columns, width=options.side)
    save_png(sheet, options.out)


if __name__ == "__main__":
    sys.exit(run_program(lambda: answered(lambda: main() or 0)))
