"""AutoAttack's package behind its adapter: its own number, its warnings, and none of its side effects."""

import logging
import sys
import threading

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from foundation.errors import StudioError
from robust_model.attacks import AutoAttackConfig, PassCount, run_attack
from robust_model.networks.noise import SilentNoise
from tests.robust_model.defences import Network, attacked, judge_of, network, picture, trained

EPS = 0.06
SHORT = AutoAttackConfig(eps=EPS, version="custom", attacks=("apgd-ce",), steps=4, restarts=1)


def test_costs_by_hand() -> None:
    # Checks and clean pass 8; APGD 1 + 101 + 1; targeted APGD 1 + 9 * 102 + 1; targeted FAB 1 + 9 * (2 + 200 + 1) + 1;
    # Square 1 + 5001 + 1 + 1.
    assert AutoAttackConfig().cost() == PassCount(8 + 103 + 920 + 1829 + 5004, 101 + 909 + 900)
    assert AutoAttackConfig(version="rand").cost() == PassCount(3 + 2 * (2 + 101 * 20), 2 * 101 * 20)


def test_all_parts_cost_what_they_say() -> None:
    """With ten classes, for which the cost is stated, and a defence that counts as random, as EOT is for."""
    model = network(classes=10)
    model.random = True
    images, _ = picture(2, 5)
    labels = model.body(images).argmax(1)
    parts = ("apgd-ce", "apgd-dlr", "apgd-t", "fab", "fab-t", "square")
    config = AutoAttackConfig(
        eps=0.0, version="custom", attacks=parts, steps=3, restarts=2, targets=4, queries=5, eot=2
    )
    assert attacked(model, images, labels, config).passes == config.cost() * 2


def test_its_own_number_and_the_judges() -> None:
    """A judge that lets half of its claims stand; the images it returned are there to be scored again."""
    model = trained(conv=True)
    images, labels = picture(16, 5)
    config = SHORT.model_copy(update={"steps": 20})

    def lenient(points: Tensor, truth: Tensor) -> Tensor:
        return (model.body(points).argmax(1) == truth) | (torch.arange(len(points)) % 2 == 0)

    outcome = attacked(model, images, labels, config, judge=lenient)
    [returned] = outcome.last
    own = int((model.body(returned).argmax(1) == labels).sum())
    assert 2 <= own <= 13, "the test needs both kinds"
    assert outcome.extra["own_correct"] == own
    assert outcome.extra["own_accuracy"] == pytest.approx(own / 16)
    assert int(outcome.broken.sum()) == (16 - own) // 2
    assert f"robust accuracy: {own / 16:.2%}" in str(outcome.extra["log"])


@pytest.mark.slow
def test_standard_runs_all_four_with_few_classes() -> None:
    """Four classes: upstream alone would aim at a tenth most likely one."""
    images, labels = picture(3, 4)
    outcome = attacked(trained(conv=True, classes=4), images, labels, AutoAttackConfig(eps=0.5))
    assert outcome.broken.all()
    config = AutoAttackConfig(eps=0.0, version="custom", attacks=("apgd-t", "fab-t"), steps=2)
    weak = attacked(trained(conv=True, classes=4), images, labels, config)
    assert weak.passes == AutoAttackConfig(**{**config.model_dump(), "targets": 3}).cost() * 3


@pytest.mark.parametrize(
    ("classes", "config", "part"),
    [
        (3, AutoAttackConfig(), "apgd-t needs at least 4"),
        (2, AutoAttackConfig(version="rand"), "apgd-dlr needs at least 3"),
    ],
)
def test_too_few_classes(classes: int, config: AutoAttackConfig, part: str) -> None:
    images, labels = picture(2, 2)
    with pytest.raises(StudioError, match=part):
        attacked(network(classes), images, labels, config)


@pytest.mark.parametrize(
    "settings",
    [
        {"version": "custom"},
        {"version": "custom", "attacks": ["fab", "fab"]},
        {"version": "plus"},
        {"version": "rand", "eot": 4},
        {"attacks": ["square"]},
        {"steps": 7},
    ],
)
def test_contradictory_settings(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AutoAttackConfig(**settings)


def test_the_wrong_version_is_a_warning() -> None:
    images, labels = picture(2, 5)
    huge = {"eps": 1.0}  # over at once
    deterministic, randomised = network(), network(spread=0.01)
    rand, standard = AutoAttackConfig(version="rand", **huge), AutoAttackConfig(**huge)
    assert "'standard' is due" in str(attacked(deterministic, images, labels, rand).extra["warnings"])
    found = str(attacked(randomised, images, labels, standard).extra["warnings"]).splitlines()
    assert any("'rand' is due" in line for line in found)
    assert any("it seems to be a randomized defense" in line for line in found), "upstream says so, too"
    assert attacked(deterministic, images, labels, SHORT).extra["warnings"] == ""


class Softmax(Network):
    def combine(self, logits: Tensor) -> Tensor:
        return super().combine(logits).softmax(1)


class Blind(Network):
    def readouts(self, images: Tensor, noise: object = None) -> Tensor:
        return super().readouts(images).detach()


class Dynamic(Network):
    """Computes a gradient to answer."""

    def readouts(self, images: Tensor, noise: object = None) -> Tensor:
        with torch.enable_grad():
            leaf = images.detach().requires_grad_()
            torch.autograd.grad(self.body(leaf).sum(), leaf)
        return super().readouts(images)


@pytest.mark.parametrize(
    ("kind", "attack", "warning"),
    [
        (Softmax, "apgd-ce", "probability distribution"),
        (Blind, "apgd-dlr", "points with zero gradient"),
        (Dynamic, "apgd-ce", "dynamic defense"),
    ],
)
def test_upstreams_warnings_are_fields_and_do_not_stay(kind: type[Network], attack: str, warning: str) -> None:
    images, labels = picture(4, 5)
    body = trained(conv=True).body
    config = SHORT.model_copy(update={"attacks": (attack,)})
    assert warning in str(attacked(kind(body, 5), images, labels, config).extra["warnings"])
    assert attacked(Network(body, 5), images, labels, config).extra["warnings"] == ""


def test_nothing_global_changes_while_it_runs_or_after(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    model = trained(conv=True)
    images, labels = picture(6, 5)
    parts = ("apgd-ce", "fab", "square")
    config = AutoAttackConfig(eps=0.02, version="custom", attacks=parts, steps=2, restarts=1, queries=3)

    def trace(frame, event, argument):
        return None

    def state() -> tuple[object, ...]:
        return (
            torch.get_rng_state().tolist(),
            np.random.get_state()[1].tolist(),
            torch.is_grad_enabled(),
            logging.getLogger("auto-attack").handlers,
            model.training,
            [weight.grad for weight in model.parameters()],
        )

    threads, tracer = threading.active_count(), sys.gettrace()
    before, count = state(), 0
    sys.settrace(trace)
    try:
        rng = torch.Generator().manual_seed(0)
        for _ in run_attack(model, images, labels, config, rng=rng, noise=SilentNoise(), judge=judge_of(model)):
            found, mine = sys.gettrace(), state()
            count += 1
            assert found is trace and mine == before
    finally:
        sys.settrace(tracer)
    assert count > 20
    assert threading.active_count() == threads
    with caplog.at_level(logging.DEBUG):
        attacked(model, images, labels, SHORT)
    assert capsys.readouterr() == ("", "")
    assert not [record for record in caplog.records if "robust accuracy" in record.getMessage()]


def test_a_tracer_of_threads_sees_the_passes_after_the_check() -> None:
    """Coverage and debuggers trace other threads by `threading.settrace`; upstream's check would end that."""
    seen: list[int] = []

    class Observed(Network):
        def readouts(self, images: Tensor, noise: object = None) -> Tensor:
            seen.append(1 if sys.gettrace() is trace else 0)
            return super().readouts(images)

    def trace(frame, event, argument):
        return None

    images, labels = picture(2, 5)
    previous = threading.gettrace()
    threading.settrace(trace)
    try:
        attacked(Observed(network().body, 5), images, labels, SHORT, judge=lambda x, _: torch.ones(len(x)) > 0)
    finally:
        threading.settrace(previous)
    assert seen[0] and seen[-1]
    assert sum(seen) == len(seen) - 1, "only the pass that upstream itself traces is not"


def test_stopping_ends_the_thread_within_a_pass() -> None:
    model = trained(conv=True)
    images, labels = picture(6, 5)
    threads, state = threading.active_count(), torch.get_rng_state()
    rng = torch.Generator().manual_seed(0)
    running = run_attack(model, images, labels, SHORT, rng=rng, noise=SilentNoise(), judge=judge_of(model))
    for outcome, _ in zip(running, range(12), strict=False):
        passes = outcome.passes
    assert passes.forward > 0 and threading.active_count() == threads + 1
    running.close()
    assert threading.active_count() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_an_error_of_the_defence_arrives() -> None:
    class Broken(Network):
        def readouts(self, images: Tensor, noise: object = None) -> Tensor:
            raise StudioError("out of order")

    images, labels = picture(2, 5)
    threads = threading.active_count()
    with pytest.raises(StudioError, match="out of order"):
        attacked(Broken(network().body, 5), images, labels, SHORT)
    assert threading.active_count() == threads


def test_a_defence_that_draws_from_the_global_generator_never_sees_a_draw_again() -> None:
    model = network(spread=0.01)
    images, _ = picture(3, 5)
    config = AutoAttackConfig(eps=0.0, version="custom", attacks=("apgd-ce", "apgd-dlr"), steps=3, restarts=1, eot=2)
    attacked(model, images, model.body(images).argmax(1), config, judge=lambda x, _: torch.ones(len(x)) > 0)
    assert len(model.shifts) >= 10
    assert len(set(model.shifts)) == len(model.shifts)


def test_no_images_at_all() -> None:
    images, labels = picture(2, 5)
    outcome = attacked(network(), images[:0], labels[:0], SHORT)
    assert outcome.broken.shape == (0,)


@pytest.mark.slow
def test_a_deterministic_defence_is_asked_once_where_a_random_one_is_asked_twenty_times() -> None:
    torch.manual_seed(5)
    model = Network(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(144, 4)), 4)
    images = torch.rand(8, 3, 6, 8)
    labels = model.body(images).argmax(1)
    config = AutoAttackConfig(eps=0.01, version="custom", attacks=("apgd-ce", "apgd-dlr"), steps=5, eot=20, restarts=2)
    once = attacked(model, images, labels, config)
    assert once.last and not torch.equal(once.last[0], images), "nothing was attacked"

    model.random = True  # or so it says
    often = attacked(model, images, labels, config)
    assert torch.equal(once.last[0], often.last[0]) and once.extra == often.extra
    assert torch.equal(once.broken, often.broken) and 0 < int(once.broken.sum()) < 8, "the test needs both kinds"
    assert often.passes.backward > 19 * once.passes.backward and often.passes.forward > 10 * once.passes.forward
