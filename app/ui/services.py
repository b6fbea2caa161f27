"""What the page is given to work with. It is handed in, so that tests can hand in stand-ins."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from app.jobs.model import JobRequest, JobSnapshot
from app.ui.media import Media


class Jobs(Protocol):
    """The part of the job service that a page needs."""

    def submit(self, request: JobRequest) -> str: ...
    def snapshot(self, job_id: str) -> JobSnapshot: ...
    def list(self, owner: str | None = None) -> Sequence[JobSnapshot]: ...
    def stop(self, job_id: str, owner: str) -> Any: ...
    def discard(self, job_id: str, owner: str) -> Any: ...


class ModelInfo(Protocol):
    """One line of the model list."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def ready(self) -> bool: ...
    @property
    def why_not(self) -> str: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...


class Layers(Protocol):
    """What a finished picture is made of, read from the files in its job's folder."""

    def resolutions(self, folder: Path, index: int) -> Sequence[int]:
        """The resolutions of picture ``index``, ascending; empty where no layers were kept."""
        ...

    def render(self, folder: Path, index: int, keep: Collection[int]) -> Image.Image:
        """Picture ``index`` with only these resolutions switched on."""
        ...


@dataclass(frozen=True)
class Studio:
    """Everything behind the page.

    Attributes:
        jobs: runs the work.
        list_models: the models, ready or not; asked again at every page load.
        layers: see ``Layers``.
        media: addresses of files the page shows.
        uploads: folder for pictures that visitors brought.
        examples: folder of example pictures (it may be empty or missing).
        device: where jobs run.
        device_note: one sentence on why it is that device.
        version: of this program.
    """

    jobs: Jobs
    list_models: Callable[[], Sequence[ModelInfo]]
    layers: Layers
    media: Media
    uploads: Path
    examples: Path
    device: str
    device_note: str
    version: str

    def class_names(self, model: str) -> tuple[str, ...]:
        """The classes of a model, without loading its weights; none for a model that is not in the list."""
        return next((info.class_names for info in self.list_models() if info.name == model), ())

    def titles(self) -> dict[str, str]:
        """Model name -> what people call it."""
        return {info.name: info.title for info in self.list_models()}

    def first_model(self, wanted: str) -> str:
        """The wanted model if it is in the list, else the first that is ready, else the first, else the wanted one."""
        infos = self.list_models()
        if any(info.name == wanted for info in infos):
            return wanted
        return next((info.name for info in (*(i for i in infos if i.ready), *infos)), wanted)
