"""AutoAttack, by its authors' package (pyautoattack 0.2.0), without its side effects.

Source: Croce & Hein 2020 (arXiv 2003.01690), https://github.com/fra31/auto-attack. What its code does, by reading it
and, for all but the first and the last, by the tests that hold the cures:

- Resuming from a state file raises (the set of attacks is written as one string). No state file is used here.
- A check ends with `sys.settrace(None)`, and counts calls in a table of the module that is never reset, so that one
  defence that computes gradients makes all later ones suspect. The package runs in a thread of its own, whose trace
  function is put back before the next pass; the table is reset.
- Each attack reseeds torch's global generators, so a defence that draws from them would see the same noise in every
  attack. The defence gets a stream of its own, and the caller finds the global generators as they were whenever
  the attack is not running. (A CUDA generator that nobody has used yet is seeded by the package on its first use.)
  The generators of numpy and of Python are not touched.
- FAB's `backward` adds to the gradients of the defence's weights. Here gradients go to the images alone.
- Square writes into the logits that it is given. It is given a copy.
- A defence without gradients raises. Here its gradient is zero, which the package then warns of.
- Targeted attacks on fewer than 10 classes raise an IndexError. Here they aim at as many classes as there are.
- A point that is misclassified in one pass counts as broken and is attacked no further, also under `rand`; and the
  loss that steers APGD under EOT is the one of the last pass only. Both are left as they are, since they are what
  AutoAttack's own number means: compare it with the caller's judge.
- Under `rand` every gradient is the mean of 20, also of a defence that answers the same 20 times. Here such a defence
  is asked once and its answer is given 20 times: the same numbers for a twentieth of the passes.

Its warnings go to a logger of ours, and from there into the outcome.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from pyautoattack import AutoAttack, checks
from pyautoattack.autopgd_base import APGDAttack, APGDAttack_targeted
from pyautoattack.fab_pt import FABAttack_PT
from pyautoattack.square import SquareAttack
from pydantic import Field, model_validator
from torch import Tensor

from foundation.errors import StudioError
from robust_model.attacks.base import AttackBase, AttackKind, AttackOutcome, Defence, Judge, PassCount
from robust_model.attacks.relay import Relay
from robust_model.networks.noise import Noise

T = TypeVar("T")
Part = Literal["apgd-ce", "apgd-dlr", "apgd-t", "fab", "fab-t", "square"]
VERSIONS: dict[str, tuple[Part, ...]] = {
    "standard": ("apgd-ce", "apgd-t", "fab-t", "square"),
    "rand": ("apgd-ce", "apgd-dlr"),
}
_RAND_EOT = 20
_CLASSES_NEEDED: dict[Part, int] = {"apgd-dlr": 3, "apgd-t": 4}
_CUSTOM_ONLY = ("attacks", "steps", "restarts", "targets", "queries", "eot")


class AutoAttackConfig(AttackBase):
    """AutoAttack against the defence's own answer.

    `version`: "standard" (for deterministic defences), "rand" (for randomised ones; EOT 20), or "custom": the
    `attacks` one after the other on what still stands, with `steps` for APGD and FAB, `restarts` for "apgd-ce",
    "apgd-dlr" and "fab", `eot` for APGD, `targets` classes for "apgd-t" and "fab-t", and `queries` for Square; the
    defaults are the package's. The other versions fix all of these.
    """

    kind: Literal["autoattack"] = "autoattack"
    version: Literal["standard", "rand", "custom"] = "standard"
    attacks: tuple[Part, ...] = ()
    steps: int = Field(100, ge=1)
    restarts: int = Field(5, ge=1)
    targets: int = Field(9, ge=1)
    queries: int = Field(5000, ge=1)

    @model_validator(mode="after")
    def _check(self) -> "AutoAttackConfig":
        fields = type(self).model_fields
        changed = [name for name in _CUSTOM_ONLY if getattr(self, name) != fields[name].default]
        if self.version != "custom" and changed:
            raise ValueError(f"the version '{self.version}' fixes {', '.join(changed)}: use the version 'custom'")
        if self.version == "custom" and not self.attacks:
            raise ValueError("the version 'custom' needs a list of attacks")
        if len(set(self.attacks)) < len(self.attacks):
            raise ValueError(f"every attack may be listed once: {', '.join(self.attacks)}")
        return self

    @property
    def parts(self) -> tuple[Part, ...]:
        """The attacks of this version, in order."""
        return VERSIONS.get(self.version, self.attacks)

    @property
    def name(self) -> str:
        """AutoAttack and its version, with the attacks of a custom one."""
        return f"AutoAttack {self.version}" + (f" ({', '.join(self.attacks)})" if self.attacks else "")

    @property
    def further_effort(self) -> str:
        return f"version {self.version}"

    @property
    def caveat(self) -> str:
        return (
            "AutoAttack's own figure counts an image as broken after a single wrong answer. Re-scored figures ask "
            "again, with fresh draws; AutoAttack returns the clean image wherever it did not succeed."
        )

    @property
    def gradient_eot(self) -> int:
        """Over how many passes APGD averages a gradient."""
        return _RAND_EOT if self.version == "rand" else self.eot

    @property
    def units(self) -> int:
        return self.cost().forward + 1

    def check(self, defence: Defence) -> None:
        check_config(self, defence)

    def cost(self) -> PassCount:
        """The passes of one image that never breaks, with 10 classes or more (untargeted FAB: exactly 10).

        With EOT these are those of a random defence; a deterministic one is not asked the same again.
        """
        checked = PassCount(forward=3 if self.version == "rand" else 8)
        return sum((self._cost_of(part) for part in self.parts), start=checked)

    def _cost_of(self, part: Part) -> PassCount:
        both, steps = PassCount(1, 1), self.steps
        eot = self.gradient_eot
        restarts = self.restarts if self.version == "custom" else 1
        fab = PassCount(forward=2 * steps)
        costs: dict[Part, PassCount] = {
            "apgd-ce": both * (restarts * (steps + 1) * eot),
            "apgd-dlr": both * (restarts * (steps + 1) * eot),
            "apgd-t": (both * ((steps + 1) * eot) + PassCount(forward=1)) * self.targets,
            "fab": (fab + PassCount(2, 10 * steps)) * restarts,
            "fab-t": (fab + PassCount(3, steps)) * self.targets,
            "square": PassCount(forward=self.queries + 2),
        }
        return costs[part] + PassCount(forward=2)  # which images still stand, before and after


def autoattack(
    defence: Defence,
    images: Tensor,
    labels: Tensor,
    config: AutoAttackConfig,
    *,
    rng: torch.Generator,
    noise: Noise,
    judge: Judge,
    before: AttackOutcome | None = None,  # noqa: ARG001 -- nothing to continue from
) -> Iterator[AttackOutcome]:
    """AutoAttack (see `AttackFunction`); yields before every pass through the defence, where it can be stopped.

    Source: Croce and Hein (arXiv 2003.01690).

    Breaks are known only at the end: of the images that AutoAttack calls broken, those that the judge confirms.
    `last` holds what AutoAttack returned, `own` which images it calls broken. `extra`: "own_correct" and
    "own_accuracy", how many images stand by AutoAttack's own count (and their share); "warnings" and "log", one per
    line.
    """
    check_config(config, defence)
    outcome = AttackOutcome.untouched(images)
    notes = _Notes(_mismatch(config, defence))
    outcome.extra.update(notes.facts())
    if not len(images):
        yield outcome
        return
    seeds = torch.randint(2**31, (3,), generator=rng).tolist()
    found: list[tuple[Tensor, Tensor]] = []
    watched = _Watched(defence, noise, _GlobalGenerators(images.device, seeds[0]), eot=config.gradient_eot)

    def work(halt: Callable[[], None]) -> None:
        watched.enter(halt)
        adversary = _adversary(watched, config, len(defence.class_names), images.device, seeds[1], notes.logger)
        found.append(adversary.run_standard_evaluation(images, labels, batch_size=len(images)))

    relay, generators = Relay(work, "autoattack"), _GlobalGenerators(images.device, seeds[2])
    try:
        while generators.lend_to(relay.advance):
            outcome.passes = watched.passes
            outcome.extra.update(notes.facts())
            yield outcome
    finally:
        generators.lend_to(relay.close)
    outcome.passes = watched.passes
    [(returned, answers)] = found
    _settle(outcome, returned.detach(), answers, images, labels, config.eps, judge)
    outcome.extra.update(notes.facts())
    yield outcome


def check_config(config: AutoAttackConfig, defence: Defence) -> None:
    """A StudioError where one of the attacks is not defined for so few classes."""
    classes = len(defence.class_names)
    for part in config.parts:
        needed = _CLASSES_NEEDED.get(part, 2)
        if classes < needed:
            raise StudioError(
                f"AutoAttack's {part} needs at least {needed} classes (its loss compares as many logits), and the "
                f"model has {classes}: use the version 'custom' without it, for example with apgd-ce and square."
            )


def _mismatch(config: AutoAttackConfig, defence: Defence) -> list[str]:
    if config.version == "rand" and not defence.random:
        return ["The version 'rand' is made for randomised defences, and this one is deterministic: 'standard' is due."]
    if config.version == "standard" and defence.random:
        return ["The version 'standard' is made for deterministic defences, and this one is randomised: 'rand' is due."]
    return []


def _settle(
    outcome: AttackOutcome, returned: Tensor, answers: Tensor, clean: Tensor, labels: Tensor, eps: float, judge: Judge
) -> None:
    """Take down AutoAttack's own count, and which of its breaks the judge confirms."""
    distance = float((returned - clean).abs().max())
    assert distance <= eps + 1e-6, f"left the ball: {distance} > {eps}"
    outcome.last.append(returned)
    outcome.own = answers != labels
    claimed = torch.nonzero(outcome.own).squeeze(1)
    right = len(labels) - len(claimed)
    outcome.extra.update(own_correct=right, own_accuracy=right / len(labels))
    if len(claimed):
        confirmed = claimed[~judge(returned[claimed], labels[claimed])]
        outcome.mark(confirmed, returned[confirmed], clean[confirmed], eps)


def _adversary(
    model: Callable[[Tensor], Tensor],
    config: AutoAttackConfig,
    classes: int,
    device: torch.device,
    seed: int,
    logger: logging.Logger,
) -> Any:
    """The package's attack, set as `config` says and for so many classes."""
    common = {"norm": "Linf", "eps": config.eps, "seed": seed, "device": device}
    targets = min(config.targets, classes - 1)
    if config.version != "custom":
        adversary = AutoAttack(model, version=config.version, **common)
        adversary.apgd_targeted.n_target_classes = adversary.fab.n_target_classes = targets
    else:
        adversary = AutoAttack(model, version="custom", attacks=list(config.attacks), **common)
        common["n_iter"] = config.steps
        eot = {"eot_iter": config.eot, "logger": logger}
        adversary.apgd = APGDAttack(model, n_restarts=config.restarts, **eot, **common)
        adversary.apgd_targeted = APGDAttack_targeted(model, n_target_classes=targets, **eot, **common)
        adversary.fab = FABAttack_PT(model, n_restarts=config.restarts, n_target_classes=targets, **common)
        del common["n_iter"]
        adversary.square = SquareAttack(model, n_queries=config.queries, resc_schedule=False, **common)
    adversary.logger = adversary.apgd.logger = adversary.apgd_targeted.logger = logger
    for name in checks.funcs:
        checks.funcs[name] = 0
    return adversary


class _Notes(logging.Handler):
    """What the package says: warnings (each once) and the rest, by a logger that nobody else knows."""

    def __init__(self, warnings: list[str]) -> None:
        super().__init__()
        self.warnings, self.log = list(warnings), list[str]()
        self.logger = logging.Logger("autoattack", logging.DEBUG)
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        message = re.sub(r" \(total time [^)]*\)$", "", record.getMessage())  # the same run, the same log
        if record.levelno < logging.WARNING:
            self.log.append(message)
        elif message not in self.warnings:
            self.warnings.append(message)

    def facts(self) -> dict[str, float | int | str]:
        return {"warnings": "\n".join(self.warnings), "log": "\n".join(self.log)}


class _GlobalGenerators:
    """States of torch's global generators (the CPU's, and that of a CUDA device) that wait to be lent to others."""

    def __init__(self, device: torch.device, seed: int) -> None:
        self._generators = [torch.default_generator]
        if device.type == "cuda":
            index = torch.cuda.current_device() if device.index is None else device.index
            self._generators.append(torch.cuda.default_generators[index])
        self._states = [torch.Generator(g.device).manual_seed(seed).get_state() for g in self._generators]

    def _swap(self) -> None:
        found = [generator.get_state() for generator in self._generators]
        for generator, state in zip(self._generators, self._states, strict=True):
            generator.set_state(state)
        self._states = found

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Within, the global generators are these; what they have become is kept for the next time."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def lend_to(self, function: Callable[[], T]) -> T:
        """What `function` returns, called with these as the global generators."""
        with self.lent():
            return function()


class _Watched:
    """The defence as the package sees it: images to logits [B, C]; counts, halts before each pass, leaves no trace."""

    def __init__(self, defence: Defence, noise: Noise, generators: _GlobalGenerators, *, eot: int) -> None:
        self._defence, self._noise, self._generators = defence, noise, generators
        self._remembers = eot > 1 and not defence.random
        self.passes = PassCount()
        self._last: _Pass | None = None

    def enter(self, halt: Callable[[], None]) -> None:
        """Called in the thread that the attack runs in."""
        self._halt, self._tracer = halt, sys.gettrace()

    def __call__(self, images: Tensor) -> Tensor:
        self._halt()
        if sys.gettrace() is None:
            sys.settrace(self._tracer)
        if images.requires_grad and torch.is_grad_enabled():
            logits: Tensor = _ImageGradient.apply(images, self)  # type: ignore[no-untyped-call]
            return logits
        self.passes += PassCount(forward=len(images))
        return self._logits(images).detach().clone()

    def look(self, images: Tensor) -> "_Pass":
        """A pass with gradients: that of the last call, if it would be the same again."""
        last, self._last = self._last, None
        if last is None or not self._remembers or not torch.equal(last.images, images):
            del last  # before the next one's memory is needed
            self.passes += PassCount(forward=len(images))
            leaf = images.detach().clone().requires_grad_()
            with torch.enable_grad():
                last = _Pass(leaf, self._logits(leaf))
        self._last = last
        return last

    def back(self, looked: "_Pass", gradient: Tensor) -> Tensor:
        """The gradient of the images, from that of the logits."""
        if looked.towards is None or not self._remembers or not torch.equal(looked.towards[0], gradient):
            self.passes += PassCount(backward=len(looked.images))
            looked.towards = gradient.clone(), looked.back(gradient)
        return looked.towards[1].clone()

    def _logits(self, images: Tensor) -> Tensor:
        with self._generators.lent():
            return self._defence.combine(self._defence.readouts(images, self._noise))


@dataclass(eq=False)
class _Pass:
    """Images with gradients, their logits, and `towards`: the last gradient of the logits with that of the images."""

    images: Tensor
    logits: Tensor
    towards: tuple[Tensor, Tensor] | None = None

    def back(self, gradient: Tensor) -> Tensor:
        """The gradient of the images, and of nothing else; zero where there is none."""
        found: Tensor | None = None
        if self.logits.requires_grad:
            (found,) = torch.autograd.grad(self.logits, self.images, gradient, retain_graph=True, allow_unused=True)
        return torch.zeros_like(self.images) if found is None else found


class _ImageGradient(torch.autograd.Function):
    """A pass whose gradients reach the images, and nothing else."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, watched: _Watched) -> Tensor:
        ctx.watched, ctx.looked = watched, watched.look(images)
        logits: Tensor = ctx.looked.logits
        return logits.detach().clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.watched.back(ctx.looked, gradient), None


AUTOATTACK = AttackKind(AutoAttackConfig, autoattack, "AutoAttack", exact=True)
