"""Our Auto-PGD beside its authors' own: what both leave standing, and the passes that each needs for it.

    python -m benchmarks.apgd_passes --data folder:PATH --json apgd_passes.json

Both attack the deterministic answer of the same model on the same images with as many steps and restarts, and both
are judged by the same pass. Of ours every pass counts, those that confirm a break included; of the package's only
the steps, without the passes of its checks, which are listed beside them. On `--data synthetic`, whose classes the
model does not know, the model's own answers to the clean images are the labels.

Where the saving comes from, and where it cannot: in ours an image leaves the batch at the step that breaks it; in the
package it pays for all steps of its restart, and is left out of later restarts only. An image that never breaks costs
both the same, so that the share of passes is never below the share of images that stand. So the defaults are a model
that falls to both, the undefended one, at the usual budget, where nothing stands, and at a smaller one, where some
images do: only there can the two disagree. On the answer of a CrossMax model, whose gradients are masked in part,
cross-entropy fells hardly any image, for either, and early removal saves as little (`--model crossmax-cifar10`).
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.harness import machine, run_benchmark, table, write_json
from foundation.command_line.program import Parser
from foundation.files.places import result_file
from foundation.intervals import wilson
from robust_model.attacks import AnyAttack, ApgdConfig, AutoAttackConfig, Defence, PassCount, run_attack
from robust_model.data.datasets import load_data, to_float
from robust_model.networks.noise import Noise, SilentNoise
from robust_model.zoo.subjects import load_subject

OURS, THEIRS = "ours", "package"
LEVELS = 255
PARTS = {"ce": "apgd-ce", "dlr": "apgd-dlr", "targeted-dlr": "apgd-t"}
AIM = 0.6


class Counted:
    """A defence that counts the images which pass through it."""

    def __init__(self, defence: Defence) -> None:
        self._defence = defence
        self.class_names, self.readout_names, self.random = defence.class_names, defence.readout_names, defence.random
        self.voting, self.combine = defence.voting, defence.combine
        self.images = 0

    def readouts(self, images: Tensor, noise: Noise | None = None) -> Tensor:
        self.images += len(images)
        return self._defence.readouts(images, noise)

    @torch.no_grad()
    def right(self, images: Tensor, labels: Tensor) -> Tensor:
        """Whether the answer is right: bool [B]."""
        return self.combine(self.readouts(images, SilentNoise())).argmax(1) == labels


@dataclass(frozen=True)
class Result:
    """What one attack left of `n` images (`standing`), and its passes: `steps`, and others (checks, verdicts)."""

    standing: int
    n: int
    steps: PassCount
    others: int
    seconds: float

    @property
    def accuracy(self) -> float:
        return self.standing / max(1, self.n)

    @property
    def noise(self) -> float:
        """How far chance alone may move the accuracy of so many images: the longer arm of its 95 % interval."""
        low, high = wilson(self.standing, self.n)
        return max(self.accuracy - low, high - self.accuracy)

    def as_json(self) -> dict[str, float | int]:
        return {
            "robust_accuracy": self.accuracy,
            "noise": self.noise,
            "standing": self.standing,
            "n": self.n,
            "forward_steps": self.steps.forward,
            "backward_steps": self.steps.backward,
            "forward_others": self.others,
            "seconds": self.seconds,
        }


def attack(defence: Defence, images: Tensor, labels: Tensor, config: AnyAttack, *, batch: int, seed: int) -> Result:
    """Run one attack on clean images [N, 3, H, W] that the defence answers rightly, `batch` at a time."""
    counted, begin = Counted(defence), time.perf_counter()
    rng = torch.Generator().manual_seed(seed)
    standing, steps = 0, PassCount(0, 0)
    for x, y in zip(images.split(batch), labels.split(batch), strict=True):
        for outcome in run_attack(counted, x, y, config, rng=rng, noise=SilentNoise(), judge=counted.right):
            found = outcome
        standing += int((~found.broken).sum())
        # Every step of either attack is one forward and one backward pass; all other passes go forward only.
        steps += PassCount(found.passes.backward, found.passes.backward)
    return Result(standing, len(labels), steps, counted.images - steps.forward, time.perf_counter() - begin)


def compare(
    defence: Defence,
    images: Tensor,
    labels: Tensor,
    *,
    losses: Sequence[str],
    eps: float,
    steps: int,
    restarts: int,
    targets: int,
    batch: int,
    seed: int,
) -> dict[str, dict[str, Result]]:
    """By loss, the results of both attacks. `restarts` are those of the untargeted losses."""
    results = {}
    for loss in losses:
        tries = 1 if loss == "targeted-dlr" else restarts
        budget = {"eps": eps, "steps": steps, "restarts": tries, "targets": targets}
        configs: dict[str, AnyAttack] = {
            OURS: ApgdConfig.model_validate({**budget, "source": "defence", "loss": loss}),
            THEIRS: AutoAttackConfig.model_validate({**budget, "version": "custom", "attacks": (PARTS[loss],)}),
        }
        results[loss] = {
            name: attack(defence, images, labels, config, batch=batch, seed=seed) for name, config in configs.items()
        }
    return results


def pass_ratio(results: dict[str, Result]) -> float:
    """All passes of ours, verdicts included, over the steps of the package's."""
    ours, theirs = results[OURS], results[THEIRS]
    return (sum(ours.steps) + ours.others) / max(1, sum(theirs.steps))


def agree(results: dict[str, Result]) -> bool:
    """Whether the two accuracies differ by no more than the noise of so many images."""
    ours, theirs = results[OURS], results[THEIRS]
    return abs(ours.accuracy - theirs.accuracy) <= theirs.noise


def prepare(defence: Defence, data: str, count: int, seed: int, device: str) -> tuple[Tensor, Tensor, int]:
    """Of `count` images drawn from `data`, those that are right when clean, with labels; and how many were drawn."""
    loaded = load_data(data, "test")
    rng = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(loaded), generator=rng)[:count]
    images = to_float(loaded.pixels(chosen)).to(device)
    with torch.no_grad():
        logits = [defence.combine(defence.readouts(x, SilentNoise())) for x in images.split(250)]
    answers = torch.cat(logits).argmax(1)
    own = tuple(loaded.class_names) == tuple(defence.class_names)
    labels = loaded.labels[chosen].to(device) if own else answers
    right = answers == labels
    return images[right], labels[right], len(chosen)


def rows_of(eps: float, found: dict[str, dict[str, Result]]) -> list[tuple[str, ...]]:
    """Two lines of the table for each loss, at a budget of `eps` grey levels."""
    rows = []
    for loss, results in found.items():
        for name, result in results.items():
            stands = f"{result.standing}/{result.n} = {result.accuracy:.1%} \u00b1 {result.noise:.1%}"
            counts = (result.steps.forward, result.steps.backward, result.others)
            share = f"{pass_ratio(results):.1%}" if name == OURS else "100.0%"
            rows.append((f"{eps:g}/255 {loss}, {name}", stands, *map(str, counts), f"{result.seconds:.1f}", share))
    return rows


def verdict(eps: float, loss: str, results: dict[str, Result]) -> str:
    """What a line of each says together, in a sentence."""
    ours, theirs = results[OURS], results[THEIRS]
    points = 100 * (ours.accuracy - theirs.accuracy)
    within = "within" if agree(results) else "MORE THAN"
    ratio = pass_ratio(results)
    return (
        f"{eps:g}/255 {loss}: the accuracies differ by {points:+.1f} points, {within} the noise of {theirs.n} images; "
        f"{ratio:.1%} of the passes ({'at most' if ratio <= AIM else 'MORE THAN'} {AIM:.0%}), and "
        f"{theirs.accuracy:.1%} of the images stand, which cost both the same"
    )


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m benchmarks.apgd_passes", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--model", default="undefended-cifar10", help="its noise is switched off (default: %(default)s)"
    )
    parser.add_argument("--data", default="cifar10", help="folder:PATH, cifar10... or synthetic (default: %(default)s)")
    parser.add_argument("-n", type=int, default=1000, help="images, of which those that are right when clean count")
    parser.add_argument(
        "--loss",
        nargs="+",
        choices=PARTS,
        default=["ce", "dlr"],
        help="the losses to attack by, one after the other (default: %(default)s)",
    )
    parser.add_argument("--eps", type=float, nargs="+", default=[3, 8], help="budgets in grey levels of 255")
    parser.add_argument("--steps", type=int, default=100, help="steps of each attack (default: %(default)s)")
    parser.add_argument("--restarts", type=int, default=1, help="of the untargeted losses")
    parser.add_argument("--targets", type=int, default=9, help="classes that the targeted loss aims at")
    parser.add_argument("--batch", type=int, default=250, help="images at a time (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of every random number (default: %(default)s)")
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda (default: %(default)s)"
    )
    parser.add_argument("--json", type=result_file, help="write the figures here as well")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    options = build_parser().parse_args(arguments)
    model = load_subject(options.model, options.device).model.with_noise("off")
    images, labels, drawn = prepare(model, options.data, options.n, options.seed, options.device)
    described = machine()
    print(f"{options.model}, {options.data}: {len(labels)} of {drawn} images are right when clean, {options.device}")
    print(f"{options.steps} steps, {options.restarts} restart(s), seed {options.seed}")
    print(", ".join(f"{key} {value}" for key, value in described.items()), end="\n\n", flush=True)

    heading = ("budget, loss, attack", "stand", "steps fwd", "steps bwd", "other fwd", "s", "passes")
    rows: list[tuple[str, ...]] = [heading]
    verdicts, figures = [], []
    for eps in options.eps:
        found = compare(
            model,
            images,
            labels,
            losses=options.loss,
            eps=eps / LEVELS,
            steps=options.steps,
            restarts=options.restarts,
            targets=options.targets,
            batch=options.batch,
            seed=options.seed,
        )
        rows += rows_of(eps, found)
        for loss, results in found.items():
            verdicts.append(verdict(eps, loss, results))
            figures.append(
                {
                    "eps": eps,
                    "loss": loss,
                    **{name: result.as_json() for name, result in results.items()},
                    "pass_ratio": pass_ratio(results),
                    "standing_difference": results[OURS].standing - results[THEIRS].standing,
                    "within_noise": agree(results),
                }
            )
    print(table(rows))
    print("\npasses: all of ours over the steps of the package's, without its other passes", *verdicts, sep="\n")
    if options.json:
        settings = {name: value for name, value in vars(options).items() if name != "json"}
        write_json(options.json, {"settings": settings, "drawn": drawn, "machine": described, "results": figures})


if __name__ == "__main__":
    run_benchmark(main)
