"""Masks planted on a small network: the adaptive suite breaks each as well as who knows it, or names a sign.

With CROSSMAX_STUDIO_SLOW_TESTS set, the same with more images and steps.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from robust_model.attacks import PgdConfig, run_attack
from robust_model.data.datasets import to_float
from robust_model.evaluation.record.config import EvalConfig
from robust_model.evaluation.units import Referee, noise_from
from robust_model.networks.plain import PlainConfig, PlainDefence
from tests.robust_model.evaluated import evaluate_model
from tests.robust_model.masks import EPS, MASKS, NAMES, SIZE, Known, Open, saved

SLOW = bool(os.environ.get("CROSSMAX_STUDIO_SLOW_TESTS"))
COUNT, STEPS, RESTARTS = (96, 50, 2) if SLOW else (24, 10, 1)
NEAR = 0.05
"""How far above the knowing attack an evaluation may end without a word."""


def defence(network: nn.Module) -> PlainDefence:
    config = PlainConfig(name="mask", class_names=NAMES, image_size=SIZE)
    return PlainDefence(network, config).probed()


def evaluated(network: nn.Module, eps: float = EPS, **changes: Any) -> dict[str, Any]:
    settings = {"eps": eps, "steps": STEPS, "restarts": RESTARTS, "draws": 5, "count": 0, "samples": 0, **changes}
    config = EvalConfig(model="mask", data="gratings", **settings)
    return evaluate_model(config, defence(network), data=saved(COUNT))


def known(network: nn.Module) -> float:
    """What an attack leaves that knows the mask: with the open network's gradients, and as many draws as it likes."""
    shown, mask, data = defence(Known(network)), defence(network), saved(COUNT)
    images, labels = to_float(data.images), data.labels
    rng = torch.Generator().manual_seed(0)
    referee = Referee(mask, 5 if mask.random else 1, noise_from(mask, rng))
    clean = referee.stands(images, labels)
    attack = PgdConfig(source="defence", loss="margin", eps=EPS, steps=40, restarts=1, eot=8 if mask.random else 1)
    noise = noise_from(shown, rng)
    *_, last = run_attack(shown, images, labels, attack, rng=rng, noise=noise, judge=referee.stands)
    return float((clean & ~last.broken).float().mean())


def named(report: dict[str, Any]) -> set[str]:
    return {finding["sign"] for finding in report["findings"] if finding["verdict"] == "found"}


@pytest.mark.slow
@pytest.mark.parametrize("name", MASKS)
def test_a_mask_is_broken_or_named(name: str) -> None:
    """H1: masks that show only off the clean 8-bit image, and others."""
    make: Callable[[], nn.Module] = MASKS[name]
    report, floor = evaluated(make()), known(make())
    print(name, report["clean"]["accuracy"], report["worst_case"]["accuracy"], floor, sorted(named(report)))
    assert report["clean"]["accuracy"] > 0.8, "a mask that spoils the network shows nothing"
    assert named(report) or report["worst_case"]["accuracy"] <= floor + NEAR


@pytest.mark.slow
@pytest.mark.parametrize("eps", [EPS, EPS / 4, EPS / 12])
def test_nothing_is_named_where_nothing_is_masked(eps: float) -> None:
    """H1: an open network shows no sign, where it falls and where some of its images stand."""
    report = evaluated(Open(), eps)
    assert named(report) == set(), report["findings"]
    assert (report["worst_case"]["correct"] == 0) is (eps == EPS)
