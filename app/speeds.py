"""How long one image takes through each model on this machine, so that a page can say what many will take."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path

import torch

from app.jobs.store import write_atomic
from robust_model.data import LabelledImages
from robust_model.evaluation.cost import MEASURED, measure
from robust_model.subjects import EvaluatedModel

MOST_KEPT = 200


class Speeds:
    """Seconds per pass of one image, by device and model, in a JSON file. Safe for threads.

    Args:
        path: the file. It is made with the first measurement; one that cannot be read is started anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, list[float]] | None = None

    def of(self, name: str, model: EvaluatedModel, device: str) -> tuple[float, float]:
        """Seconds of one image's forward pass and of its backward pass. They are measured when asked about first.

        Args:
            name: what the model is known by; give it another name when its weights or its shape change.
        """
        key = f"{device} {name}"
        with self._lock:  # two measurements at a time would both be wrong
            if self._known is None:
                self._known = _read(self._path)
            if key not in self._known:
                self._known[key] = list(_measured(model))
                while len(self._known) > MOST_KEPT:
                    del self._known[next(iter(self._known))]
                write_atomic(self._path, json.dumps(self._known, indent=1).encode(), durable=False)
            forward, backward = self._known[key]
        return forward, backward


def _measured(model: EvaluatedModel) -> tuple[float, float]:
    """Seconds of one image forward, and backward, in a small batch of grey images: what they show costs nothing."""
    side = model.config.image_size
    grey = torch.full((MEASURED, 3, side, side), 128, dtype=torch.uint8)
    labels = torch.zeros(MEASURED, dtype=torch.int64)
    return measure(model, LabelledImages(grey, labels, model.class_names, "grey"), MEASURED)


def _read(path: Path) -> dict[str, list[float]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # nothing is lost that is not measured again
    if not isinstance(content, Mapping):
        return {}
    return {key: [float(one) for one in pair] for key, pair in content.items() if _is_pair(pair)}


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(one, int | float) for one in value)
