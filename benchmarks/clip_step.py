"""One step of text to image beside the pass through CLIP that it cannot do without.

    python -m benchmarks.clip_step --json clip_step.json

The model is open_clip's ViT-B-32 with random weights: their values do not change its speed. For each number of
views, three cases take turns in one run: the encoder's own forward and backward pass on a batch of that many
images, ours (`optimise`: render, draw the views, prepare and encode them, backward, update), and the same step as
the paper's code takes it, which enlarges every layer by `interpolate` and sends gradients through all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.harness import alternate, machine, paired_ratio, run_benchmark, summary, table, write_json
from foundation import torchvision_cure  # noqa: F401 -- before open_clip, which imports torchvision
from foundation.command_line.program import Parser
from foundation.files.places import result_file
from generator.encoders.encoder import OpenClipEncoder
from generator.encoders.precision import Precision
from generator.objectives.base import Ensemble
from generator.objectives.similarity import EmbeddingObjective, aim_at
from generator.optimisers.loop import Step, optimise
from generator.optimisers.registry import make_optimiser
from generator.priors.bounds import Free
from generator.priors.making import make_prior
from generator.priors.operators import layer_shape, parse_resolutions
from generator.views.registry import View, parse_views

ENCODER, OURS, PLAIN = "encoder's forward + backward", "our step", "plain loop of interpolate"
LOW = "our step, the encoder in bf16"
PROMPT = "a jellyfish in blue water"
LR = 0.1


def load(name: str, device: str, precision: Precision = "fp32") -> OpenClipEncoder:
    """The encoder that the program makes of a model of open_clip, with random weights."""
    import open_clip

    model = open_clip.create_model(name, pretrained=None)
    return OpenClipEncoder(
        model, open_clip.get_tokenizer(name), name=name, revision="random", device=device, precision=precision
    )


def encoder_step(encoders: Sequence[OpenClipEncoder], views: int) -> Callable[[], None]:
    """The passes that any method needs: from each model's input to the cosine, and back."""
    pairs = [
        (encoder, torch.zeros(views, 3, *encoder.input_size, device=encoder.device, requires_grad=True))
        for encoder in encoders
    ]

    def step() -> None:
        for encoder, inputs in pairs:
            inputs.grad = None
            cosine = F.normalize(encoder.observed(inputs), dim=1) @ encoder.encode_text([PROMPT]).mT
            (1 - cosine).mean().backward()

    return step


def our_step(
    encoders: Sequence[OpenClipEncoder],
    views: int,
    view: View,
    resolutions: Sequence[int],
    side: int,
    *,
    tolerance: float,
    normalise: bool,
) -> Callable[[], Step]:
    """The next step of the program's own loop; several encoders see views of their own, as in a recipe."""
    size, device = (side, side), encoders[0].device
    prior = make_prior("image_space", Free(), resolutions, size, tolerance=tolerance, device=device)
    objectives = {
        f"{number}": EmbeddingObjective(encoder, [aim_at("prompt", encoder.encode_text([PROMPT]), [1.0])])
        for number, encoder in enumerate(encoders)
    }
    steps = optimise(
        prior,
        Ensemble(objectives) if len(encoders) > 1 else objectives["0"],
        view,
        make_optimiser("sgd", prior, LR, normalise=normalise),
        steps=1 << 30,
        views_per_step=views,
        rng=torch.Generator(device).manual_seed(0),
    )
    return lambda: next(steps)


def plain_step(
    encoders: Sequence[OpenClipEncoder], views: int, view: View, resolutions: Sequence[int], side: int
) -> Callable[[], Tensor]:
    """The same as the paper's code takes it, with autograd through everything. Returns the image it started from."""
    size, device = (side, side), encoders[0].device
    layers = [torch.zeros(1, 3, *layer_shape(r, size), device=device, requires_grad=True) for r in resolutions]
    optimiser = torch.optim.SGD(layers, lr=LR)
    rng = torch.Generator(device).manual_seed(0)

    def step() -> Tensor:
        optimiser.zero_grad()
        x = torch.zeros(1, 3, *size, device=device)
        for layer in layers:
            x = x + F.interpolate(layer, size=size, mode="bicubic", align_corners=False)
        image = (1 + x.tanh()) / 2
        losses = []
        for encoder in encoders:
            seen = torch.cat([view(image, rng) for _ in range(views)])
            losses.append((1 - encoder.encode_images(seen) @ encoder.encode_text([PROMPT]).mT).mean())
        torch.stack(losses).sum().backward()
        optimiser.step()
        return image.detach()

    return step


def report(seconds: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    """What is known about each case, by its name."""
    own = summary(seconds[ENCODER])
    return {
        name: {
            **summary(runs),
            "ratio_of_medians": summary(runs)["median_s"] / own["median_s"],
            "ratio_of_minima": summary(runs)["min_s"] / own["min_s"],
            "median_of_ratios": paired_ratio(runs, seconds[ENCODER]),
        }
        for name, runs in seconds.items()
    }


def main() -> None:
    parser = Parser(prog="python -m benchmarks.clip_step", description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="ViT-B-32", help="an architecture of open_clip")
    parser.add_argument(
        "--views",
        type=int,
        nargs="*",
        default=(1, 8),
        help="views that are scored in a step, one table column each (default: %(default)s)",
    )
    parser.add_argument("--view", default="shift:56 | uniform:0.2", help="what each view is")
    parser.add_argument("--side", type=int, default=224, help="of the canvas, in pixels")
    parser.add_argument(
        "--resolutions", default="all", help="layers of the prior: all, or as a recipe has them (default: %(default)s)"
    )
    parser.add_argument("--tolerance", type=float, default=1e-2, help="relative error of the prior's kernel")
    parser.add_argument("--normalise", action="store_true", help="normalise the gradient, too")
    parser.add_argument(
        "--repeats", type=int, default=9, help="how often each is timed; the median counts (default: %(default)s)"
    )
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda (default: %(default)s)"
    )
    parser.add_argument("--json", type=result_file, help="write the figures here as well")
    options = parser.parse_args()

    encoders, view = [load(options.model, options.device)], parse_views(options.view)
    resolutions = parse_resolutions(options.resolutions, (options.side, options.side))
    low = [load(options.model, options.device, "bf16")]
    results: dict[str, dict[str, dict[str, float]]] = {}
    rows: list[tuple[str, ...]] = [("one step", "views", "median ms", "fastest ms", "of the encoder's (median)")]
    for views in options.views:
        ours = partial(
            our_step,
            views=views,
            view=view,
            resolutions=resolutions,
            side=options.side,
            tolerance=options.tolerance,
            normalise=options.normalise,
        )
        cases: dict[str, Callable[[], object]] = {
            ENCODER: encoder_step(encoders, views),
            OURS: ours(encoders),
            LOW: ours(low),
            PLAIN: plain_step(encoders, views, view, resolutions, options.side),
        }
        results[str(views)] = report(alternate(cases, options.repeats))
        for name, figures in results[str(views)].items():
            milliseconds = [f"{1e3 * figures[key]:.1f}" for key in ("median_s", "min_s")]
            rows.append((name, str(views), *milliseconds, f"{figures['ratio_of_medians']:.3f}"))
    described = machine()
    print(f"{options.model}, canvas {options.side} x {options.side}, {len(resolutions)} resolutions, {options.device}")
    print(", ".join(f"{key} {value}" for key, value in described.items()), end="\n\n")
    print(table(rows))
    if options.json:
        settings = {name: value for name, value in vars(options).items() if name != "json"}
        write_json(options.json, {"settings": settings, "machine": described, "results": results})


if __name__ == "__main__":
    run_benchmark(main)
