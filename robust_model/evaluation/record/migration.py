"""Reports of older versions in the form of today's, version by version: what is read is JSON, and so is what comes out.

What an older version did not record becomes null or is left out. What is damaged stays so: `reading` says where.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from pydantic import JsonValue

Json: TypeAlias = dict[str, JsonValue]


def _mapped(value: JsonValue, change: Callable[[Json], Json]) -> JsonValue:
    """An object, or each object of a list, changed; anything else as it is."""
    if isinstance(value, dict):
        return change(value)
    return [_mapped(item, change) for item in value] if isinstance(value, list) else value


def _with(found: Json, changes: Mapping[str, Callable[[Json], Json]]) -> Json:
    """`found` with each of these parts changed, where it has it."""
    return {name: _mapped(value, changes[name]) if name in changes else value for name, value in found.items()}


def _from_1(found: Json) -> Json:
    """Version 1: one list of attacks by PGD, forward passes alone, no curves, samples, diagnostics or findings."""
    own_list = isinstance(settings := found.get("config"), dict) and bool(settings.get("attacks"))

    def attack_config(config: Json) -> Json:
        return {**config, "kind": "pgd", "noise_over_steps": "fresh"}

    def config(settings: Json) -> Json:
        since: Json = {"size": 0, "match": "name", "suites": ["adaptive"], "attack_all": False, "cascade": False}
        return _with({**settings, **since, "sweep": 0, "samples": 0}, {"attacks": attack_config})

    def attack(entry: Json) -> Json:
        unknown: Json = dict.fromkeys(("attacked", "rescored", "passes", "seconds", "distance_max"))
        return _with({**entry, "cumulative": False, **unknown}, {"config": attack_config})

    parts = _with(found, {"config": config, "attacks": attack, "data": lambda data: {**data, "class_names": None}})
    passes = {"forward": parts["passes"], "backward": None} if "passes" in parts else {}
    suites: list[JsonValue] = [] if own_list else ["adaptive"]
    return {**parts, **({"passes": passes} if passes else {}), "schema": 2} | {
        "suites": suites,
        "accounting": None,
        "samples": [],
        "findings": [],
    }


STEPS: Mapping[int, Callable[[Json], Json]] = {1: _from_1}
"""From each older version to the next."""


def _completed(found: Json) -> Json:
    """Settings that reports of version 2 did not name before there were others: what held then."""

    def attack_config(config: Json) -> Json:
        return {"only_standing": False, "sample": 1.0, **config} if config.get("kind") == "square" else config

    def config(settings: Json) -> Json:
        return _with({"precision": "float32", **settings}, {"attacks": attack_config})

    return _with(found, {"config": config, "attacks": lambda attack: _with(attack, {"config": attack_config})})


def migrated(found: Json) -> Json:
    """A report in today's form; one of a version that is none of `STEPS` as it is."""
    while isinstance(version := found.get("schema"), int) and version in STEPS:
        found = STEPS[version](found)
    return _completed(found)
