"""The multi-resolution stack beside its literal per-image form, and the self-ensemble beside its backbone alone.

    python -m benchmarks.stack_speed --json stack_speed.json

First table: one batch of CIFAR-sized images through the stack, with the random numbers already drawn (both forms
take the same ones), and, for comparison, the drawing. Second table: all predictors of a self-ensemble against the
backbone's own head alone, the same stack before both, the random draws off. The figures to compare come from runs
in alternation, and are the fastest of each, which other load touches least. The exit status is 1 if a ratio misses
its target.
"""

import sys
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.harness import alternate, machine, run_benchmark, summary, table, write_json
from benchmarks.suite.plain_stack import plain_stack
from foundation.command_line.program import Parser
from foundation.files.places import result_file
from robust_model.networks.ensemble import ModelConfig, SelfEnsemble
from robust_model.networks.stack import STACKS, MultiResolutionStack, StackConfig

SPEEDUP, OVERHEAD = 8.0, 1.1  # the stack at least so many times faster; the read-outs at most so many times slower
NAMES = tuple(f"class {c}" for c in range(10))
NETWORKS = {
    "cifar-resnet, 32 px": ModelConfig(
        class_names=NAMES, stack=STACKS["clean"], readout_depths=(3, 4, 5, 6), aggregator="crossmax-median"
    ),
    "torchvision resnet18, 64 px": ModelConfig(
        class_names=NAMES,
        stack=STACKS["clean"],
        backbone="torchvision:resnet18",
        input_size=64,
        readout_depths=(4, 6, 8, 9),
        aggregator="crossmax-median",
    ),
}


def pictures(batch: int, device: str, side: int = 32) -> Tensor:
    return torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(0)).to(device)


def stack_cases(config: StackConfig, batch: int, device: str, *, gradient: bool) -> dict[str, Callable[[], object]]:
    """The two forms on the same images and draws, forward or forward and backward, and the drawing."""
    images = pictures(batch, device, config.size).requires_grad_(gradient)
    stack = MultiResolutionStack(config).to(device)
    rng = torch.Generator().manual_seed(0)
    draws = stack.sample(batch, rng)

    def run(form: Callable[[], Tensor]) -> None:
        with torch.set_grad_enabled(gradient):
            stacked = form()
        if gradient:
            torch.autograd.grad(stacked.sum(), images)

    return {
        "plain": lambda: run(lambda: plain_stack(images, config, draws)),
        "batched": lambda: run(lambda: stack(images, draws)),
        "drawing": lambda: stack.sample(batch, rng),
    }


def network_cases(config: ModelConfig, batch: int, device: str) -> dict[str, Callable[[], object]]:
    """All predictors combined, and the backbone's own head alone: the same weights, the same stack."""
    images = pictures(batch, device)
    whole = SelfEnsemble(config).place(device).eval().requires_grad_(False)
    bare = SelfEnsemble(config.model_copy(update={"readout_depths": (), "aggregator": "last"}))
    bare.chain.load_state_dict(whole.chain.state_dict())
    bare.place(device).eval().requires_grad_(False)
    return {"backbone": lambda: bare(images), "self-ensemble": lambda: whole(images)}


def main() -> int:
    parser = Parser(prog="python -m benchmarks.stack_speed", description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=128, help="images at a time (default: %(default)s)")
    parser.add_argument(
        "--repeats", type=int, default=9, help="how often each is timed; the median counts (default: %(default)s)"
    )
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda (default: %(default)s)"
    )
    parser.add_argument("--json", type=result_file, help="write the figures here as well")
    options = parser.parse_args()
    batch, device = options.batch, options.device
    results: dict[str, dict[str, object]] = {}
    met = True

    stacks = [("stack", "per image ms", "batched ms", "ratio", "target", "drawing ms")]
    for name in ("paper", "clean"):
        for passes in ("forward", "forward + backward"):
            cases = stack_cases(STACKS[name], batch, device, gradient=passes != "forward")
            timings = {case: summary(runs) for case, runs in alternate(cases, options.repeats).items()}
            plain, batched, drawing = (timings[case]["min_s"] for case in ("plain", "batched", "drawing"))
            ratio = plain / batched
            met &= ratio >= SPEEDUP
            results[f"stack {name}, {passes}"] = {**timings, "ratio": ratio, "target": SPEEDUP}
            figures = (f"{1e3 * plain:.1f}", f"{1e3 * batched:.1f}", f"{ratio:.1f} x", f">= {SPEEDUP:g} x")
            stacks.append((f"{name}, {passes}", *figures, f"{1e3 * drawing:.1f}"))

    networks = [("network", "backbone ms", "self-ensemble ms", "ratio", "target")]
    for name, config in NETWORKS.items():
        with torch.inference_mode():
            runs_of = alternate(network_cases(config, batch, device), options.repeats)
        timings = {case: summary(runs) for case, runs in runs_of.items()}
        backbone, ensemble = timings["backbone"]["min_s"], timings["self-ensemble"]["min_s"]
        ratio = ensemble / backbone
        met &= ratio <= OVERHEAD
        results[name] = {**timings, "ratio": ratio, "target": OVERHEAD}
        networks.append(
            (name, f"{1e3 * backbone:.1f}", f"{1e3 * ensemble:.1f}", f"{ratio:.3f} x", f"<= {OVERHEAD:g} x")
        )

    described = machine()
    print(f"Batch {batch}, {device}; the fastest of {options.repeats} runs in alternation")
    print(", ".join(f"{key} {value}" for key, value in described.items()), end="\n\n")
    print(table(stacks), table(networks), sep="\n\n")
    if options.json:
        settings = {"batch": batch, "repeats": options.repeats, "device": device}
        write_json(options.json, {"settings": settings, "machine": described, "results": results, "met": met})
    if not met:
        print("\nA ratio misses its target.", file=sys.stderr)
    return 0 if met else 1


if __name__ == "__main__":
    run_benchmark(main)
