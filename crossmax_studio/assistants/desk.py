"""What an assistant's tools do, on a studio that is asked as any program asks it."""

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crossmax_studio.assistants.folder import NO_FOLDER, Folder
from crossmax_studio.client import Job, Studio
from foundation.errors import StudioError

MOST_WAIT = 50.0
"""Seconds for which one tool waits: many assistants give up after 60."""
MOST_PICTURES, MOST_PICTURE_BYTES = 4, 1_500_000
"""Pictures that one answer shows; larger ones are files of the job all the same."""
MOST_RESULT = 20_000
"""Characters of a result that an answer repeats."""
TOLD = (
    *("id", "kind", "title", "status", "position", "done", "total", "unit", "eta_seconds", "message", "error"),
    "files",
)
OF_MODELS = ("name", "kind", "title", "description", "origin", "ready", "why_not")
_OF_JOB = re.compile(r"([0-9a-f]{32})/([^/\\]+)")
_SHOWN = re.compile(r"(image(-\d+)?|sheet)\.png")
Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """Facts as JSON, and PNGs."""

    facts: Fields
    pictures: tuple[bytes, ...] = ()


class Desk:
    """The tools' work. Safe for threads. Every method raises StudioError for what cannot be done.

    Args:
        open_studio: connects to the studio, when it is first needed.
        folder: what may be read and written; None for nothing.
    """

    def __init__(self, open_studio: Callable[[], Studio], folder: Folder | None) -> None:
        self._open, self._folder = open_studio, folder
        self._lock = threading.Lock()
        self._opened: Studio | None = None

    @property
    def studio(self) -> Studio:
        """The studio that is asked."""
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def close(self) -> None:
        """Close the connection; the next tool opens one again."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def models(self, name: str = "") -> Answer:
        """The models in short, or one of them with its classes, and with what it can be evaluated on."""
        listed = self.studio.models()
        if not name:
            short = [{key: one[key] for key in OF_MODELS} | {"classes": len(one["class_names"])} for one in listed]
            return Answer({"models": short})
        found = next((one for one in listed if one["name"] == name), None)
        if found is None:
            raise StudioError(f"There is no model '{name}' in the list: {', '.join(one['name'] for one in listed)}.")
        if found["kind"] == "classifier":
            found = {**found, "evaluations": self.studio.evaluations(name)}
        return Answer(found)

    def text_image(self, prompt: str, model: str | None, preset: str, fields: Fields, wait: float) -> Answer:
        """A picture of a text."""
        until = _until(wait)
        return self._followed(self.studio.text(prompt, model=model, preset=preset, **_given(fields)), until)

    def class_image(self, name: str, model: str | None, preset: str, fields: Fields, wait: float) -> Answer:
        """A picture of a class."""
        until = _until(wait)
        return self._followed(self.studio.class_image(name, model=model, preset=preset, **_given(fields)), until)

    def grid(self, task: str, axes: Mapping[str, tuple[str, str]], preset: str, fields: Fields, wait: float) -> Answer:
        """A picture for every pair of values of two fields of the recipe; ``axes`` has both, by "x" and "y"."""
        until = _until(wait)
        return self._followed(self.studio.grid(axes["x"], axes["y"], task=task, preset=preset, **_given(fields)), until)

    def attack(
        self, photo: str, models: list[str], towards: str, eps: float, preset: str, fields: Fields, wait: float
    ) -> Answer:
        """A photo changed such that models see the class ``towards`` in it, or anything else where that is empty.

        The photo is a path in the folder, or ID/NAME of a file of an earlier job; ``eps`` is of 255.
        """
        until = _until(wait)
        aim = {"classes": [towards]} if towards else {"objective": "leave"}
        picture = self._picture(photo)
        job = self.studio.attack(picture, models=models, preset=preset, eps=eps / 255, **aim, **_given(fields))
        return self._followed(job, until)

    def evaluate(self, model: str, data: str, suites: list[str], count: int, eps: float, wait: float) -> Answer:
        """An evaluation; ``eps`` is of 255."""
        until = _until(wait)
        job = self.studio.evaluate(model, data=data, suites=suites, count=count, eps=eps / 255)
        return self._followed(job, until)

    def jobs(self) -> Answer:
        """The jobs of this assistant, the newest first."""
        return Answer({"jobs": self.studio.jobs()})

    def results(self, job: str, wait: float, *, save: bool) -> Answer:
        """A job with its pictures; ``save`` also puts all of its files into the folder."""
        until, folder = _until(wait), self._folder
        if save and folder is None:
            raise StudioError(NO_FOLDER)
        answer = self._followed(self.studio.job(job), until)
        if not save or folder is None:
            return answer
        saved = [str(path) for path in self.studio.save(answer.facts["id"], folder.place(answer.facts["id"]))]
        return Answer({**answer.facts, "saved": saved}, answer.pictures)

    def stop(self, job: str) -> Answer:
        """A job that ends soon, and keeps what it has."""
        return self._followed(self.studio.stop(job), _until(5.0))

    def _picture(self, photo: str) -> bytes:
        of_job = _OF_JOB.fullmatch(photo)
        if of_job is not None:
            return self.studio.read(of_job[1], of_job[2])
        if self._folder is None:
            raise StudioError(NO_FOLDER)
        return self._folder.read(photo)

    def _followed(self, job: Job, until: float) -> Answer:
        """A job once it has ended, or it is that late."""
        *_, now = self.studio.follow(job, timeout=max(0.0, until - time.monotonic()))
        facts = {name: now.told[name] for name in TOLD}
        if not now.ended:
            return Answer({**facts, "note": "It has not ended yet: ask for it with `results`, by its id."})
        if len(json.dumps(now.result)) <= MOST_RESULT:
            facts["result"] = now.result
        return Answer(facts, self._shown(now))

    def _shown(self, job: Job) -> tuple[bytes, ...]:
        names = [name for name in job.files if _SHOWN.fullmatch(name)][:MOST_PICTURES]
        pictures = [self.studio.read(job, name) for name in names]
        return tuple(picture for picture in pictures if len(picture) <= MOST_PICTURE_BYTES)


def _until(wait: float) -> float:
    """When a tool that is asked now answers at the latest: the studio's start counts, too."""
    return time.monotonic() + max(0.0, min(wait, MOST_WAIT))


def _given(fields: Fields) -> dict[str, Any]:
    """The fields of a recipe that were given."""
    return {name: value for name, value in fields.items() if value is not None}
