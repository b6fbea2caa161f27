"""Reports of evaluations made by hand, as plain JSON: whole, so that a test changes only what it is about."""

from typing import Any

from foundation.intervals import wilson
from robust_model.attacks import ApgdConfig, AutoAttackConfig, PgdConfig, SquareConfig
from robust_model.evaluation.record.config import EvalConfig

KINDS = {"pgd": PgdConfig, "apgd": ApgdConfig, "square": SquareConfig, "autoattack": AutoAttackConfig}
PASSES = {"forward": 2400, "backward": 2200}


def figure(right: int, n: int = 40) -> dict[str, Any]:
    """An accuracy with its interval."""
    return {"accuracy": right / max(1, n), "correct": right, "n": n, "ci95": list(wilson(right, n))}


def attack_config(kind: str = "pgd", **settings: Any) -> dict[str, Any]:
    """The configuration of an attack, whole."""
    return KINDS[kind](**settings).model_dump(mode="json")


def attack_report(name: str, right: int, n: int = 40, *, config: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What one attack left."""
    entry = {
        "name": name,
        "config": attack_config(**config),
        **figure(right, n),
        "cumulative": False,
        "attacked": n,
        "rescored": figure(right, n),
        "passes": {"forward": 1200, "backward": 1100},
        "seconds": 75.0,
        "distance_max": 8 / 255,
    }
    return {**entry, **changes}


def plain_report(n: int = 40, model: str = "net", **changes: Any) -> dict[str, Any]:
    """`n` images of class 0, all right when clean; no attack has begun."""
    every = [True] * n
    made = {
        "schema": 2,
        "complete": True,
        "config": EvalConfig(model=model, data="cifar10", count=n, eps=8 / 255).model_dump(mode="json"),
        "suites": ["adaptive"],
        "data": {"source": "torchvision:cifar10/test", "n": n, "indices": list(range(n)), "class_names": ["a", "b"]},
        "defence": {"aggregator": "last", "voters": 1, "noise": "off", "draws": 1},
        "clean": figure(n, n),
        "clean_by_readout": {"output": figure(n, n)},
        "attacks": [],
        "worst_case": figure(n, n),
        "accounting": None,
        "per_image": {"label": [0] * n, "clean": every, "counted": every, "standing": {}},
        "passes": PASSES,
        "seconds": 151.0,
        "versions": {"torch": "2"},
        "device": "cpu",
        "warnings": [],
        "samples": [],
        "findings": [],
    }
    return {**made, **changes}


def sample(**changes: Any) -> dict[str, Any]:
    """One adversarial example of class "cat"."""
    made = {"attack": "cat", "index": 7, "label": "cat", "clean": "clean.png", "adversarial": "adversarial.png"}
    return {**made, "distance": 0.03, "before": {"defence": "cat"}, "after": {"defence": "not cat"}, **changes}
