"""How long a person waits for a picture of a prompt, with the shipped CLIP and each preset.

    python -m benchmarks.text_to_image --json text_to_image.json

Models are loaded before the clock starts. "First preview" is the time until the first step's picture has been
rendered and encoded as PNG; "saved" until the files of the finished one are on the disk (with their record,
for which the models look at the saved file again). The last rows are a gallery, made together, and apart, so that each
picture is that of a seed of its own. Medians over `--repeats` runs.
"""

import argparse
import io
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.harness import machine, run_benchmark, table, write_json
from foundation.command_line.program import Parser
from foundation.files.places import result_file
from foundation.images.files import to_pil
from generator.optimisers.loop import Step
from generator.production.production import output_paths, produce
from generator.recipes.presets import from_preset, presets_of
from generator.synthesis.models import Model
from robust_model.zoo.catalogue import open_catalogue

PROMPT = "a goldfish"


def wait(
    preset: str, images: int, models: dict[str, Model], folder: Path, *, together: bool = False
) -> tuple[float, float]:
    """Seconds to the first preview, and to the saved picture or pictures."""
    (name,) = models
    recipe = from_preset("text", preset, prompt=PROMPT, models=(name,), images=images, seed=1, together=together)
    previews: list[float] = []
    began = time.perf_counter()

    def on_step(step: Step) -> None:
        if not previews:
            to_pil(step.image()[:1])[0].save(io.BytesIO(), "PNG")
            previews.append(time.perf_counter() - began)

    produce(recipe, models, outputs=output_paths(folder / "picture.png", images), on_step=on_step)
    return previews[0], time.perf_counter() - began


def main() -> None:
    """Measure, print a table, and write the figures if asked to."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny-clip", help="the model of texts (default: %(default)s)")
    parser.add_argument(
        "--presets",
        nargs="*",
        default=["fast", "balanced", "best"],
        choices=sorted(presets_of("text")),
        help="the recipes' presets, a row each (default: %(default)s)",
    )
    parser.add_argument("--gallery", type=int, default=16, help="pictures of the gallery (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--json", type=result_file, help="write the figures here")
    options = parser.parse_args()
    galleries = [(preset, options.gallery, together) for together in (True, False) for preset in options.presets[:2]]
    cases = [*((preset, 1, False) for preset in options.presets), *galleries]
    rows, figures = [["preset, pictures", "first preview", "saved"]], {}
    with tempfile.TemporaryDirectory() as scratch:
        models: dict[str, Model] = {
            options.model: open_catalogue(downloads=Path(scratch)).load(options.model, kind="encoder", typed=True)
        }
        wait(options.presets[0], 1, models, Path(scratch))  # unmeasured: the first run of a process loads libraries
        for preset, images, together in cases:
            repeats = options.repeats if images == 1 else 1
            runs = [wait(preset, images, models, Path(scratch), together=together) for _ in range(repeats)]
            first, last = (statistics.median(seconds) for seconds in zip(*runs, strict=True))
            name = f"{preset}, {images}" if images == 1 or together else f"{preset}, {images} apart"
            figures[name] = {"first_preview_s": first, "saved_s": last}
            rows.append([name, f"{first:.2f} s", f"{last:.2f} s"])
    print(table(rows))
    if options.json:
        write_json(options.json, {"machine": machine(), "seconds": figures})


if __name__ == "__main__":
    run_benchmark(main)
