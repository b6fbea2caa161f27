"""All benchmarks by name."""

from collections.abc import Sequence
from functools import partial

from benchmarks.suite import attacks, networks, priors, starts, tables, texts
from benchmarks.suite.measuring import Benchmark
from foundation.errors import StudioError

BENCHMARKS: dict[str, Benchmark] = {
    "stack": Benchmark("The multi-resolution stack, forward", networks.stacks),
    "crossmax": Benchmark("CrossMax, forward", networks.aggregations),
    "readouts": Benchmark("All read-outs of a self-ensemble, forward", networks.readouts),
    "training": Benchmark("A step of training", networks.training),
    "prior": Benchmark("A step of the prior", priors.priors),
    "text": Benchmark("A step of text to image", texts.texts),
    "classes": Benchmark("A picture of a class, 224 px", priors.classes),
    "attacks": Benchmark("PGD on a classifier of 224 px", attacks.attacks),
    "autoattack": Benchmark("Auto-PGD on a classifier of 224 px", attacks.autoattack),
    "tables": Benchmark("Tables of transfer and survival", tables.tables),
    "adaptive": Benchmark("The adaptive evaluation", attacks.adaptive),
    "starts": Benchmark("Start-up", starts.starts, how="tells"),
}
BENCHMARKS["memory"] = Benchmark("Memory at most", partial(starts.memory, benchmarks=BENCHMARKS), unit="MB", how="once")


def chosen(text: str) -> tuple[str, ...]:
    """The names in a list with commas, each once, in the registry's order. StudioError for one that there is not."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = next((name for name in names if name not in BENCHMARKS), None)
    if unknown is not None:
        raise StudioError(f"There is no benchmark '{unknown[:60]}': choose from {', '.join(BENCHMARKS)}.")
    if not names:
        raise StudioError(f"No benchmark is named: choose from {', '.join(BENCHMARKS)}.")
    return tuple(name for name in BENCHMARKS if name in names)


def listed(names: Sequence[str] = ()) -> str:
    """The benchmarks with their titles, a line each."""
    width = max(map(len, BENCHMARKS))
    return "\n".join(f"{name:<{width}}  {BENCHMARKS[name].title}" for name in names or BENCHMARKS)
