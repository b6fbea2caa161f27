"""One step of the multi-resolution prior in its several forms, beside the model it serves.

    python -m benchmarks.prior_step --json prior_step.json

A step renders the picture, takes an image gradient (the same one for all, so that no model is measured with it)
and moves the prior by plain descent. The plain form is the paper's: a loop of `interpolate` over the layers.
Errors are those of the kernel on white noise, relative: stated, and measured on a few draws. The last row is the
forward and backward pass of a ViT-B/32 on one image of 224 pixels, for comparison.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.harness import alternate, machine, run_benchmark, summary, table, write_json
from foundation import torchvision_cure  # noqa: F401 -- before timm, which imports torchvision
from foundation.command_line.program import Parser
from foundation.files.places import result_file
from generator.optimisers.registry import make_optimiser
from generator.priors.bounds import Free
from generator.priors.making import make_prior
from generator.priors.operators import layer_shape, parse_resolutions, resolution_operator
from generator.priors.prior import Form

Size = tuple[int, int]
PLAIN, MODEL = "plain loop of interpolate", "ViT-B/32, forward + backward, 1 image"


def plain_step(resolutions: tuple[int, ...], size: Size, gradient: Tensor, lr: float) -> Callable[[], None]:
    """The step as the paper's code takes it."""
    batch = len(gradient)
    layers = [
        torch.zeros(batch, 3, *layer_shape(r, size), device=gradient.device, requires_grad=True) for r in resolutions
    ]
    optimiser = torch.optim.SGD(layers, lr=lr)

    def step() -> None:
        optimiser.zero_grad()
        x = torch.zeros_like(gradient)
        for layer in layers:
            x = x + F.interpolate(layer, size=size, mode="bicubic", align_corners=False)
        ((1 + x.tanh()) / 2).backward(gradient)
        optimiser.step()

    return step


def prior_step(
    form: Form, resolutions: tuple[int, ...], size: Size, gradient: Tensor, lr: float, tolerance: float = 0.0
) -> Callable[[], None]:
    """The same step on one of our forms."""
    prior = make_prior(
        form, Free(), resolutions, size, batch=len(gradient), tolerance=tolerance, device=gradient.device
    )
    optimiser = make_optimiser("sgd", prior, lr)

    def step() -> None:
        optimiser.zero_grad()
        prior.render().backward(gradient)
        optimiser.step()

    return step


def model_step(device: str) -> Callable[[], None]:
    """Forward and backward through a ViT-B/32 with random weights: their values do not change its speed."""
    import timm

    model = timm.create_model("vit_base_patch32_224", pretrained=False).eval().requires_grad_(False).to(device)
    image = torch.full((1, 3, 224, 224), 0.5, device=device, requires_grad=True)

    def step() -> None:
        image.grad = None
        model(image)[:, 0].sum().backward()

    return step


def main() -> None:
    parser = Parser(prog="python -m benchmarks.prior_step", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=(224, 224),
        metavar=("HEIGHT", "WIDTH"),
        help="of the picture, in pixels (default: %(default)s)",
    )
    parser.add_argument(
        "--resolutions", default="1..224", help="layers of the prior, as a recipe has them (default: %(default)s)"
    )
    parser.add_argument("--batch", type=int, default=1, help="pictures at a time (default: %(default)s)")
    parser.add_argument(
        "--repeats", type=int, default=7, help="how often each is timed; the median counts (default: %(default)s)"
    )
    parser.add_argument(
        "--tolerances",
        type=float,
        nargs="*",
        default=(1e-2, 3e-3, 1e-3),
        help="of the fast kernel, a row each (default: %(default)s)",
    )
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda (default: %(default)s)"
    )
    parser.add_argument("--json", type=result_file, help="write the figures here as well")
    options = parser.parse_args()

    size: Size = (options.size[0], options.size[1])
    resolutions = parse_resolutions(options.resolutions, size)
    rng = torch.Generator().manual_seed(0)
    gradient = torch.randn(options.batch, 3, *size, generator=rng).to(options.device)
    noise = torch.randn(12, 1, *size, generator=rng).to(options.device)
    lr = 1e-6

    facts: dict[str, dict[str, object]] = {PLAIN: {}, "layers, matrix products": {}}
    cases: dict[str, Callable[[], None]] = {
        PLAIN: plain_step(resolutions, size, gradient, lr),
        "layers, matrix products": prior_step("layered", resolutions, size, gradient, lr),
    }
    reference = resolution_operator(resolutions, size, device=options.device).kernel(noise)
    for tolerance in (0.0, *options.tolerances):
        name = f"image space, tolerance {tolerance:g}" if tolerance else "image space, exact"
        kernel = resolution_operator(
            resolutions, size, tolerance=tolerance, device=options.device, mirrored=True, two_scales=True
        ).kernel
        facts[name] = {
            "form": type(kernel).__name__,
            "terms": kernel.terms,
            "relative_error": kernel.relative_error,
            "measured_error": float((kernel(noise) - reference).norm() / reference.norm()),
        }
        cases[name] = prior_step("image_space", resolutions, size, gradient, lr, tolerance)
    facts[MODEL], cases[MODEL] = {}, model_step(options.device)

    timings = {name: summary(runs) for name, runs in alternate(cases, options.repeats).items()}
    plain, model = timings[PLAIN]["median_s"], timings[MODEL]["median_s"]
    rows: list[tuple[str, ...]] = [
        ("one step", "median ms", "times plain", "of ViT-B/32", "terms", "stated error", "measured")
    ]
    for name, timing in timings.items():
        median, fact = timing["median_s"], facts[name]
        errors = [f"{fact[key]:.1e}" if key in fact else "" for key in ("relative_error", "measured_error")]
        rows.append(
            (
                name,
                f"{1e3 * median:.1f}",
                f"{plain / median:.1f} x",
                f"{median / model:.1%}",
                str(fact.get("terms", "")),
                *errors,
            )
        )
    described = machine()
    print(f"Canvas {size[0]} x {size[1]}, {len(resolutions)} resolutions, batch {options.batch}, {options.device}")
    print(", ".join(f"{key} {value}" for key, value in described.items()), end="\n\n")
    print(table(rows))
    if options.json:
        settings = {
            "size": size,
            "resolutions": options.resolutions,
            "batch": options.batch,
            "repeats": options.repeats,
            "device": options.device,
        }
        results = {name: {**timings[name], **facts[name]} for name in timings}
        write_json(options.json, {"settings": settings, "machine": described, "results": results})


if __name__ == "__main__":
    run_benchmark(main)
