"""What the page is given to work with. It is handed in, so that tests can hand in stand-ins."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from app.accounts.accounts import Accounts
from app.costs.estimates import Cost
from app.evaluation.order import Cost as EvaluationCost
from app.evaluation.order import DataChoice, EvaluationOrder, KnownReport, ReportFiles, ShippedReport, SuiteChoice
from app.handlers.describing import Offer
from app.records.params import EvaluateParams, Wish
from app.ui.markup.media import Media
from app.visitors.uploads import Uploads
from app.visitors.vocabulary import Vocabulary
from foundation.catalogue.entry import Kind, ModelInfo, NoModelError
from foundation.errors import StudioError
from foundation.jobs.allowance import Shares
from foundation.jobs.history import History
from foundation.jobs.meter import Meter
from foundation.jobs.queue.view import Outlook, QueueView
from foundation.jobs.store.model import Cost as JobCost
from foundation.jobs.store.model import JobRequest, JobSnapshot
from foundation.limits import Limits
from generator.priors.spectrum import FourierSpectrum
from generator.recipes.recipe import Recipe
from generator.records.answers import Answers
from generator.units.layers import Layer
from robust_model.evaluation.record.values import Proportion


class Jobs(Protocol):
    """The part of the job service that a page needs."""

    def submit(self, request: JobRequest) -> str: ...
    def snapshot(self, job_id: str) -> JobSnapshot: ...
    def list(self, owner: str | None = None) -> Sequence[JobSnapshot]: ...
    def stop(self, job_id: str, owner: str) -> Any: ...
    def discard(self, job_id: str, owner: str) -> Any: ...
    def move(self, job_id: str, owner: str, *, up: bool) -> Any: ...
    def queue(self, owner: str) -> QueueView: ...
    def estimate(self, request: JobRequest) -> tuple[JobCost, Outlook]: ...
    def outlook(self, request: JobRequest, cost: JobCost) -> Outlook: ...
    def why_not(self, request: JobRequest, cost: JobCost) -> str: ...

    @property
    def history(self) -> History:
        """What owners do with the jobs that they have."""
        ...

    @property
    def shares(self) -> Shares:
        """What each owner may use, and has used."""
        ...

    @property
    def meter(self) -> Meter:
        """Figures of all jobs together."""
        ...


class Models(Protocol):
    """The models that a page may use."""

    def list(self, kind: Kind, /) -> Sequence[ModelInfo]:
        """All of a kind that can be chosen, ready or not, those that came with the program first."""
        ...

    def find(self, name: str, /) -> ModelInfo:
        """What is known of a model, listed or published. NoModelError if there is none, StudioError says why."""
        ...

    def vocabulary(self, model: str, /) -> Vocabulary | None:
        """What a model with a vocabulary of its own knows; None for others."""
        ...


class Measurements(Protocol):
    """What is known, or can be found out, about pictures on this machine."""

    def cost(
        self,
        recipe: Recipe,
        photo: Path | None = None,
        explore: Wish | None = None,
        *,
        size: tuple[int, int] | None = None,
    ) -> Cost:
        """What a job that makes this takes here, with what is found out about an attack; StudioError if it cannot.

        ``size`` (height, width) is that of the photo, where it is to be another than the file's.
        """
        ...

    def opinions(self, picture: Path) -> Answers:
        """What the classifiers say about a picture, by their names."""
        ...

    def spectrum(self, picture: Path) -> FourierSpectrum:
        """How the detail of a picture is spread over scales."""
        ...


class Layers(Protocol):
    """What a finished picture is made of, read from the files in its job's folder."""

    def resolutions(self, folder: Path, index: int) -> Sequence[int]:
        """The resolutions of picture ``index``, ascending; empty where no layers were kept."""
        ...

    def render(self, folder: Path, index: int, keep: Collection[int], *, on_grey: bool = False) -> Image.Image:
        """Picture ``index`` with only these resolutions switched on; ``on_grey`` without a photo it started from."""
        ...


class Difference(Protocol):
    """How two evaluations differ in one figure."""

    @property
    def measure(self) -> str: ...
    @property
    def first(self) -> str: ...
    @property
    def second(self) -> str: ...
    @property
    def points(self) -> float:
        """The first's accuracy less the second's, in percentage points."""
        ...

    @property
    def words(self) -> str:
        """Whether that is more than chance, and by which test."""
        ...


class Comparison(Protocol):
    """Several evaluations side by side, each under its name."""

    @property
    def names(self) -> Sequence[str]: ...
    @property
    def settings(self) -> Sequence[str]:
        """On what each was evaluated."""
        ...

    @property
    def figures(self) -> Mapping[str, Sequence[Proportion | None]]:
        """The accuracies of each, by what was measured; None where it was not."""
        ...

    @property
    def differences(self) -> Sequence[Difference]: ...
    @property
    def warnings(self) -> Sequence[str]: ...


class Evaluations(Protocol):
    """Evaluations of the models that know classes: what there is to choose, what it costs, what came out."""

    def data(self, model: str) -> Sequence[DataChoice]:
        """The data for a model: those that can be used first."""
        ...

    def suites(self) -> Sequence[SuiteChoice]:
        """All suites, the cheapest first."""
        ...

    def precision(self, correct: int, total: int) -> tuple[float, float]:
        """The 95 % interval of an accuracy."""
        ...

    def costs(
        self, model: str, chosen: Sequence[str], count: int, eps: float
    ) -> tuple[Mapping[str, EvaluationCost], EvaluationCost | None]:
        """What each suite costs, and those that are chosen together (None for none).

        The first question about a model measures it, for some seconds.

        Raises:
            StudioError: the model cannot be loaded.
        """
        ...

    def measure(self, model: str) -> tuple[float, float]:
        """Seconds of one image's passes through a model, measured where nothing is known of it. StudioError."""
        ...

    def params(self, order: EvaluationOrder) -> EvaluateParams:
        """The parameters of the job that does what is ordered.

        Raises:
            StudioError: something in the order is missing or does not fit; the message says what.
        """
        ...

    def continued(self, job_id: str, asked: EvaluateParams, suites: Sequence[str]) -> EvaluateParams:
        """The parameters of the job that goes on from where an earlier one ended, with these suites too.

        Raises:
            StudioError: it is complete and these suites add nothing; or it is gone.
        """
        ...

    def shipped(self) -> Sequence[ShippedReport]:
        """The evaluations that came with the models, each with a folder like a job's."""
        ...

    def report(self, folder: Path) -> KnownReport | None:
        """What is known so far of the evaluation in a job's folder; None before there is anything.

        StudioError: the report is damaged.
        """
        ...

    def files(self, folder: Path) -> ReportFiles:
        """The report in a job's folder as files, brought up to date.

        Raises:
            StudioError: there is none yet.
        """
        ...

    def compare(self, folders: Sequence[Path]) -> Comparison:
        """The reports in these folders side by side.

        Raises:
            StudioError: there are fewer than two, or one of them has no figures yet.
        """
        ...


def no_offer() -> Offer | None:
    """Return None: this server is set up for no vision-language model."""
    return None


def no_layers(_model: str) -> Sequence[Layer]:
    """Return (): no model shows its layers."""
    return ()


@dataclass(frozen=True)
class Studio:
    """Everything behind the page.

    Attributes:
        jobs: runs the work.
        models: see ``Models``; asked again at every page load.
        measurements: see ``Measurements``.
        layers: see ``Layers``.
        evaluations: see ``Evaluations``.
        media: addresses of files the page shows.
        uploads: the pictures that visitors brought.
        examples: folder of example pictures (it may be empty or missing).
        photos: folder of real photos, which are offered before the examples; None without one.
        device: where jobs run.
        device_note: one sentence on why it is that device.
        version: of this program.
        vlm: what may be known of the vision-language model that this server is set up for, None without one; asked
            again at every page load. StudioError if its settings cannot be used.
        unit_layers: the layers of a model that knows classes, by its name, whose units can be drawn, in the order in
            which they run. The first question about a model loads it. StudioError if it is not here.
        limits: of everything.
        accounts: the users of a studio for many; None for one person's.
    """

    jobs: Jobs
    models: Models
    measurements: Measurements
    layers: Layers
    evaluations: Evaluations
    media: Media
    uploads: Uploads
    examples: Path
    device: str
    device_note: str
    version: str
    vlm: Callable[[], Offer | None] = no_offer
    unit_layers: Callable[[str], Sequence[Layer]] = no_layers
    photos: Path | None = None
    limits: Limits = field(default_factory=Limits)
    accounts: Accounts | None = None

    def classifiers(self) -> Sequence[ModelInfo]:
        """The models that know classes."""
        return self.models.list("classifier")

    def encoders(self) -> Sequence[ModelInfo]:
        """The models that read prompts."""
        return self.models.list("encoder")

    def classifier(self, name: str | None) -> ModelInfo | None:
        """A model that knows classes, listed or published; None if there is none. StudioError may say why.

        The name is None where a menu was cleared.
        """
        if not name:
            return None
        try:
            found = self.models.find(name)
        except NoModelError:
            return None
        return found if found.kind == "classifier" else None

    def class_names(self, model: str | None) -> tuple[str, ...]:
        """The classes of a model, without loading its weights; none for one that knows none, or is not there."""
        try:
            info = self.classifier(model)
        except StudioError:
            return ()
        return info.class_names if info else ()

    def titles(self) -> dict[str, str]:
        """Model name -> what people call it."""
        return {info.name: info.title for info in (*self.classifiers(), *self.encoders())}

    def first_model(self, wanted: str) -> str:
        """The wanted model if it is in the list, else the first that is ready, else the first, else the wanted one."""
        return _first(self.classifiers(), wanted)

    def first_encoder(self, wanted: str) -> str:
        """The same for the models that read prompts."""
        return _first(self.encoders(), wanted)


def _first(infos: Sequence[ModelInfo], wanted: str) -> str:
    if any(info.name == wanted for info in infos):
        return wanted
    return next((info.name for info in (*(i for i in infos if i.ready), *infos)), wanted)
