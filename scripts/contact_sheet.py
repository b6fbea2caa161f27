"""Draws every class of a shipped model with a preset and writes them as one picture, two seeds for each class.

python scripts/contact_sheet.py [--model crossmax-cifar10] [--preset balanced] [--out assets/class-images.png]
"""

import argparse
import sys
from pathlib import Path

import torch
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from foundation.command_line.program import Parser, answered, run_program  # noqa: E402
from foundation.files.places import result_file  # noqa: E402
from foundation.images.files import save_png, to_pil  # noqa: E402
from generator.recipes.presets import from_preset, presets_of  # noqa: E402
from generator.synthesis.synthesis import synthesise  # noqa: E402
from robust_model.zoo.catalogue import open_catalogue  # noqa: E402


def main() -> None:
    """Draw and write the sheet: a column per class in the model's order, a row per seed."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="crossmax-cifar10", help="the classifier that draws (default: %(default)s)")
    parser.add_argument(
        "--preset",
        default="balanced",
        choices=sorted(presets_of("class")),
        help="the recipe's preset (default: %(default)s)",
    )
    parser.add_argument("--rows", type=int, default=2, help="seeds 1, 2, ... (default: %(default)s)")
    parser.add_argument("--side", type=int, default=128, help="of each picture, in pixels (default: %(default)s)")
    parser.add_argument(
        "--out",
        type=result_file,
        default=ROOT / "assets" / "class-images.png",
        help="the picture's file (default: %(default)s)",
    )
    options = parser.parse_args()
    model = open_catalogue().load(options.model, kind="classifier", typed=True)
    sheet = Image.new("RGB", (options.side * len(model.class_names), options.side * options.rows))
    for column, name in enumerate(model.class_names):
        recipe = from_preset(
            "class", options.preset, classes=(name,), models=(options.model,), images=options.rows, seed=1
        )
        synthesis = synthesise(recipe, {options.model: model})
        for _ in synthesis.steps:
            pass
        with torch.no_grad():
            pictures = to_pil(synthesis.prior.render())
        for row, picture in enumerate(pictures):
            small = picture.resize((options.side, options.side), Image.Resampling.LANCZOS)
            sheet.paste(small, (options.side * column, options.side * row))
        print(name, file=sys.stderr)
    save_png(sheet, options.out)


if __name__ == "__main__":
    sys.exit(run_program(lambda: answered(lambda: main() or 0)))
