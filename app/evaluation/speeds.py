"""How long one image takes through each model on this machine, so that a page can say what many will take."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from foundation.files.text_files import read_json, replace_whole
from robust_model.evaluation.cost import MEASURED, measure_on_grey
from robust_model.zoo.subjects import EvaluatedModel

MOST_KEPT = 200
RECENT = 5
"""How many measurements of a model are kept: the fastest of them counts."""
FRESH_SECONDS = 120.0
"""For how long a model is not measured again."""
AGAIN_SECONDS = 2.0
"""About what measuring again may take, whatever the model."""
_PASSES = 8  # of every image in one measurement, forward and backward together


class Measurement(NamedTuple):
    """Seconds of one image's forward pass and of its backward pass, and when that was measured (Unix seconds)."""

    forward: float
    backward: float
    when: float


class Speeds:
    """Seconds per pass of one image, by device and model, in a JSON file. Safe for threads.

    Whatever else the machine does while a model is measured makes it look slower, never faster. So the fastest of the
    last few measurements counts, and whoever asks after a while has the model measured again: what was measured on a
    busy machine is forgotten as soon as the machine is idle, and one that has become slower for good is believed
    after `RECENT` measurements.

    Args:
        path: the file. It is made with the first measurement; one that cannot be read is started anew.
        clock: tells the time, in Unix seconds.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = path, clock
        self._lock = threading.Lock()
        self._known: dict[str, list[Measurement]] | None = None

    def of(self, name: str, model: EvaluatedModel, device: str) -> tuple[float, float]:
        """Seconds of one image's forward pass and of its backward pass.

        They are measured when asked about first, and again, more briefly, when they are no longer fresh.

        Args:
            name: what the model is known by; give it another name when its weights or its shape change.
        """
        key = f"{device} {name}"
        with self._lock:  # two measurements at a time would both be wrong
            if self._known is None:
                self._known = _read(self._path)
            known = self._known.get(key, [])
            if not known or not 0 <= self._clock() - known[-1].when < FRESH_SECONDS:
                known = [*known, Measurement(*measure_on_grey(model, _batch(known)), self._clock())][-RECENT:]
                self._known.pop(key, None)  # what was measured last leaves last
                self._known[key] = known
                while len(self._known) > MOST_KEPT:
                    del self._known[next(iter(self._known))]
                replace_whole(self._path, json.dumps(self._known, indent=1).encode(), durable=False)
            return min(one.forward for one in known), min(one.backward for one in known)

    def known(self, name: str, device: str) -> tuple[float, float] | None:
        """The same, as far as it was measured: None where it was not, and nothing is measured."""
        with self._lock:
            if self._known is None:
                self._known = _read(self._path)
            found = self._known.get(f"{device} {name}", [])
        return (min(one.forward for one in found), min(one.backward for one in found)) if found else None


def _batch(known: list[Measurement]) -> int:
    """On how many images a model is measured of which so much is known."""
    if not known:
        return MEASURED
    seconds = _PASSES * max(min(one.forward for one in known), min(one.backward for one in known))
    return max(1, min(MEASURED, int(AGAIN_SECONDS / seconds))) if seconds > 0 else MEASURED


def _read(path: Path) -> dict[str, list[Measurement]]:
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return {}  # nothing is lost that is not measured again
    if not isinstance(content, Mapping):
        return {}
    return {
        key: [Measurement(*map(float, one)) for one in found] for key, found in content.items() if _are_known(found)
    }


def _are_known(found: object) -> bool:
    return isinstance(found, list) and bool(found) and all(map(_is_measurement, found))


def _is_measurement(value: object) -> bool:
    fields = len(Measurement._fields)
    return isinstance(value, list) and len(value) == fields and all(isinstance(one, int | float) for one in value)
