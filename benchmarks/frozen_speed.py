"""The network that attacks compute with beside the network itself: BatchNorm folded, small maps by Winograd's products.

    python -m benchmarks.frozen_speed --json frozen_speed.json

Forward, and forward with the gradient of the image, of the shipped robust classifier, both in float32 and in
alternation; and the largest difference of their answers. The figures are the fastest runs, which other load touches
least.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.harness import alternate, machine, run_benchmark, summary, table, write_json
from foundation.command_line.program import Parser
from foundation.files.places import result_file
from robust_model.networks.ensemble import Ensemble, SelfEnsemble
from robust_model.zoo.subjects import load_subject

Model = SelfEnsemble | Ensemble


def forward(model: Model, images: Tensor) -> Tensor:
    """The answers [B, C], without gradients."""
    with torch.no_grad():
        return model(images)


def gradient(model: Model, images: Tensor) -> Tensor:
    """The gradient [B, 3, H, W] of the answers' sum of squares."""
    leaf = images.clone().requires_grad_()
    (found,) = torch.autograd.grad(model(leaf).pow(2).sum(), leaf)
    return found


PASSES: dict[str, Callable[[Model, Tensor], Tensor]] = {"forward": forward, "forward + backward": gradient}


def main() -> int:
    parser = Parser(prog="python -m benchmarks.frozen_speed", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--model", default="crossmax-cifar10", help="a shipped classifier, or a model's folder (default: %(default)s)"
    )
    parser.add_argument("--batch", type=int, default=250, help="images at a time (default: %(default)s)")
    parser.add_argument(
        "--repeats", type=int, default=9, help="how often each is timed; the median counts (default: %(default)s)"
    )
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda (default: %(default)s)"
    )
    parser.add_argument("--json", type=result_file, help="write the figures here as well")
    options = parser.parse_args()
    model = load_subject(options.model, options.device).model
    frozen, side = model.frozen(), model.config.image_size
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(options.batch, 3, side, side, generator=rng).to(options.device)

    results: dict[str, dict[str, object]] = {}
    rows = [("passes of one image a second", "plain", "frozen", "ratio", "largest difference")]
    for name, run in PASSES.items():
        first, second = run(model, images), run(frozen, images)
        difference = float((first - second).abs().max() / first.abs().max())
        cases = {"plain": lambda run=run: run(model, images), "frozen": lambda run=run: run(frozen, images)}
        timings = {case: summary(runs) for case, runs in alternate(cases, options.repeats).items()}
        plain, fast = (timings[case]["min_s"] for case in ("plain", "frozen"))
        results[name] = {**timings, "ratio": plain / fast, "difference": difference}
        speeds = (f"{options.batch / plain:.0f}", f"{options.batch / fast:.0f}", f"{plain / fast:.2f} x")
        rows.append((name, *speeds, f"{difference:.1e}"))

    described = machine()
    print(f"{options.model}, batch {options.batch}, {options.device}; the fastest of {options.repeats} in alternation")
    print(", ".join(f"{key} {value}" for key, value in described.items()), end="\n\n")
    print(table(rows))
    if options.json:
        settings = {"model": options.model, "batch": options.batch, "repeats": options.repeats}
        write_json(options.json, {"settings": settings, "machine": described, "results": results})
    return 0


if __name__ == "__main__":
    run_benchmark(main)
