"""Two workers of a Ray cluster beside one, each with one thread: how much faster an evaluation and a folder are done.

    python -m benchmarks.cluster_speed --json cluster_speed.json

The evaluation is of a shipped robust classifier, the folder holds copies of a photo that comes with the program, which
the preset Standard attacks with all its steps. Workers are there, and have met the networks, before anything is timed.
The ratio is the median over the turns, which one and two workers take in alternation; whatever else runs on the machine
spoils it, since Ray's workers give way to it. Beside it stands what two processes do that share only the machine.
"""

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from pathlib import Path

import torch

from benchmarks.harness import machine, paired_ratio, run_benchmark, summary, table, timed, write_json
from foundation.cluster.cluster import Cluster
from foundation.cluster.rays import RayBackend
from foundation.command_line.arguments import whole
from foundation.command_line.program import Parser
from foundation.files.places import result_file
from foundation.files.shipped import ASSETS
from foundation.progress import Progress
from generator.inputs.photos import Photo
from generator.recipes.presets import from_preset
from generator.transfer.attacking import AttackPlan, attack_photos
from robust_model.data.datasets import LabelledImages
from robust_model.evaluation.engine import evaluate_model
from robust_model.evaluation.record.config import EvalConfig
from robust_model.zoo.subjects import EvaluatedModel, load_subject

WORKERS = (1, 2)
WARMING = 3  # passes before any is timed
CEILING_SECONDS = 8.0
processes = partial(ProcessPoolExecutor, mp_context=multiprocessing.get_context("spawn"))
PHOTO = ASSETS / "photos" / "cat.png"


class Watching:
    """A job that nobody watches or stops."""

    device, stop_requested = "cpu", False

    def progress(self, _now: Progress, /) -> None:
        """Say nothing."""


def evaluating(name: str, parts: int, batch: int, steps: int) -> Callable[[Cluster], object]:
    """An evaluation in so many batches, of noise that the model takes for something; nothing is kept of it."""
    model: EvaluatedModel = load_subject(name, "cpu").model
    side, rng = model.config.image_size, torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (parts * batch, 3, side, side), generator=rng, dtype=torch.uint8)
    with torch.no_grad():
        labels = torch.cat([model.combine(model.readouts(some / 255)).argmax(1) for some in pixels.split(batch)])
    data = LabelledImages(pixels, labels, model.class_names, "noise")
    config = EvalConfig(
        model=name, data="noise", count=0, suites=("quick",), steps=steps, restarts=1, batch=batch, samples=0
    )
    return lambda cluster: evaluate_model(config, model, data=data, cluster=cluster)


def attacking(name: str, photos: int, steps: int) -> Callable[[Cluster], object]:
    """An attack on so many copies of a photo, into a folder that goes away."""
    model = load_subject(name, "cpu").model
    recipe = from_preset("attack", "standard", models=(name,), objective="leave", steps=steps, enough=0.0)
    copies = tuple(Photo(f"photo {number}", PHOTO) for number in range(photos))

    def run(cluster: Cluster) -> object:
        with tempfile.TemporaryDirectory() as folder:
            return attack_photos(Watching(), AttackPlan({name: recipe}, copies, Path(folder)), {name: model}, cluster)

    return run


def measured(job: Callable[[int], Callable[[Cluster], object]], parts: int, repeats: int) -> dict[str, object]:
    """How long a job of so many parts takes with one worker and with two, and the ratio.

    Workers are hired for each turn, and meet the network with a job of a part for each before anything is timed.
    """

    def seconds(workers: int) -> float:
        with Cluster(RayBackend("auto", device="cpu", workers=workers)) as cluster:
            job(workers)(cluster)
            whole = job(parts)
            return timed(lambda: whole(cluster))

    found: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    for _ in range(repeats):
        for workers in WORKERS:
            found[workers].append(seconds(workers))
    one, two = (found[workers] for workers in WORKERS)
    return {"one": summary(one), "two": summary(two), "ratio": paired_ratio(one, two)}


def passes(name: str, seconds: float) -> float:
    """Passes of one image a second, forward and backward, of a network on one thread."""
    torch.set_num_threads(1)
    model: EvaluatedModel = load_subject(name, "cpu").model
    images = torch.rand(32, 3, model.config.image_size, model.config.image_size, requires_grad=True)
    taken, ends = 0, 0.0
    while taken < WARMING or time.perf_counter() < ends:
        model.combine(model.readouts(images)).sum().backward()
        taken += 1
        if taken == WARMING:
            begin = time.perf_counter()
            ends = begin + seconds
    return (taken - WARMING) * len(images) / (time.perf_counter() - begin)


def ceiling(name: str, seconds: float, pool: Executor, repeats: int) -> float:
    """What two processes that know nothing of each other do, of what one does alone: cores share memory and heat."""
    ratios = []
    for _ in range(repeats):
        alone = pool.submit(passes, name, seconds).result()
        both = [pool.submit(passes, name, seconds) for _ in range(2)]
        ratios.append(sum(one.result() for one in both) / alone)
    return statistics.median(ratios)


def main() -> int:
    parser = Parser(prog="python -m benchmarks.cluster_speed", description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="crossmax-cifar10", help="what is evaluated (default: %(default)s)")
    parser.add_argument("--surrogate", default="lite0", help="what the photos are attacked on (default: %(default)s)")
    parser.add_argument("--parts", type=whole(1, 1000), default=8, help="batches, and photos (default: %(default)s)")
    parser.add_argument("--batch", type=whole(1, 1000), default=16, help="images of a batch (default: %(default)s)")
    parser.add_argument("--steps", type=whole(1, 1000), default=20, help="of each attack (default: %(default)s)")
    parser.add_argument(
        "--repeats", type=whole(1, 100), default=3, help="how often each is timed (default: %(default)s)"
    )
    parser.add_argument("--json", type=result_file, help="write the figures here as well")
    options = parser.parse_args()
    torch.set_num_threads(1)
    jobs: dict[str, Callable[[int], Callable[[Cluster], object]]] = {
        "evaluation": lambda parts: evaluating(options.model, parts, options.batch, options.steps),
        "folder": lambda parts: attacking(options.surrogate, parts, options.steps),
    }
    rows = [("seconds", "one worker", "two workers", "ratio")]
    results: dict[str, dict[str, object]] = {}
    for name, job in jobs.items():
        found = measured(job, options.parts, options.repeats)
        results[name] = found
        one, two = (found[side]["median_s"] for side in ("one", "two"))  # type: ignore[index]
        rows.append((name, f"{one:.1f}", f"{two:.1f}", f"{found['ratio']:.2f} x"))
    with processes(2) as pool:
        free = ceiling(options.model, CEILING_SECONDS, pool, options.repeats)
    described = machine()
    print(", ".join(f"{key} {value}" for key, value in described.items()), end="\n\n")
    print(table(rows))
    print(f"\nTwo processes without any cluster: {free:.2f} times the passes of one.")
    if options.json:
        settings = {
            name: getattr(options, name) for name in ("model", "surrogate", "parts", "batch", "steps", "repeats")
        }
        write_json(options.json, {"settings": settings, "machine": described, "results": results, "ceiling": free})
    return 0


if __name__ == "__main__":
    run_benchmark(main)
