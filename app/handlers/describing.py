"""Vision-language models for the page: what it may know of the endpoint, and asking it as a part of a job.

Where requests go, and with what key, is for the settings of the server alone (see `generator.vlm.settings`): of what
a browser sends, nothing but a `DescribeWish` takes part, and nothing but an `Offer` goes to it.

In the folder that is described: descriptions.json and .csv, and descriptions.jsonl, the answers as they come.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from app.records.params import DescribeWish
from foundation.catalogue.catalogue import Catalogue
from foundation.errors import StudioError
from foundation.files.read_once import read_once
from foundation.files.text_files import read_json
from foundation.images.files import to_pil
from foundation.part_of_job import PartOfJob
from foundation.progress import Progress
from foundation.protocols import Encoder, JobContext
from generator.classes.names import Names
from generator.transfer.report import Report
from generator.transfer.table import Case
from generator.victims.survival import SAVED
from generator.vlm.asking import ReadSettings, Wanted, describe_cases
from generator.vlm.costs import Estimate, estimate
from generator.vlm.record import DescriptionsRecord
from generator.vlm.report import DESCRIPTIONS_JSON
from generator.vlm.report_html import save_described
from generator.vlm.settings import NOT_CONFIGURED, VlmSettings


@dataclass(frozen=True)
class Offer:
    """What a page may know of the endpoint: no address and no key.

    Attributes:
        model: who is asked.
        judge: who compares texts, if that is wanted.
        max_requests, max_tokens, max_cost: the caps of a run; `max_cost` is None for none.
        estimate: what so many requests may cost.
    """

    model: str
    judge: str
    max_requests: int
    max_tokens: int
    max_cost: float | None
    estimate: Callable[[int], Estimate]


def offer_of(settings: VlmSettings) -> Offer:
    """What a page may know of the settings."""
    # Prices and the length of answers are all that an estimate takes: the key does not go along.
    priced = settings.model_copy(update={"key": None})
    return Offer(
        model=settings.model,
        judge=settings.judge_model or settings.model,
        max_requests=settings.max_requests,
        max_tokens=settings.max_tokens_in_all,
        max_cost=settings.max_cost,
        estimate=functools.partial(estimate, priced),
    )


def read_offer(read: ReadSettings) -> Offer | None:
    """What a page may know of the endpoint, None if there is none. StudioError for settings that cannot be used."""
    settings = read()
    return None if settings is None else offer_of(settings)


def requests_for(samples: int, *, judge: bool, photos: int = 1) -> int:
    """How many requests describing photos and their attacked pictures takes at most, if none has to be repeated."""
    return photos * 2 * samples * (2 if judge else 1)


@dataclass(frozen=True)
class _Asking(PartOfJob):
    """A job as `describe` sees it: its counts are those of the answers."""

    model: str

    def progress(self, now: Progress, /) -> None:
        words = f"Asking {self.model}: answer {min(now.done + 1, now.total)} of {now.total}"
        self.whole.progress(replace(now, message=words if now.message else ""))


@dataclass(frozen=True, eq=False)
class Describer:
    """Asks the endpoint of the server.

    Attributes:
        read: returns the settings; asked for every job, so that no key is kept.
        catalogue: has the models that may compare texts.
    """

    read: ReadSettings
    catalogue: Catalogue

    def describe(
        self,
        context: JobContext,
        wish: DescribeWish,
        cases: Sequence[Case],
        folder: Path,
        *,
        names: Names | None = None,
        targets: Mapping[str, Tensor] | None = None,
        report: Report | None = None,
    ) -> str:
        """Have the saved files of cases described, and keep what was said in the folder.

        `targets` are the pictures [1, 3, H, W] that attacks by name led to; a `report` of the folder is saved anew with
        what was said. Asked to stop, it ends within a request and keeps what there is. What goes wrong ends in the
        sentence that is returned, "" if nothing did: what was made before is not lost by it.
        """
        try:
            settings = self.read()
            if settings is None:
                return NOT_CONFIGURED
            encoder = self._encoder(wish.similarity, context)
            described = describe_cases(
                _Asking(context, settings.model),
                Wanted(settings, wish.inquiry(), wish.similarity),
                cases,
                folder,
                survivals=(SAVED,),
                names=names or Names(),
                encoder=encoder,
                targets={attack: to_pil(picture)[0] for attack, picture in (targets or {}).items()},
            )
            if report is not None:
                save_described(report, folder, described.record)
        except StudioError as error:
            return str(error)
        return described.record.ended

    def _encoder(self, name: str, context: JobContext) -> Encoder | None:
        if not name:
            return None
        context.progress(Progress(0, 0, f"Asking: loading {name}, which compares texts", unit="items"))
        encoder = self.catalogue.load(name, context.device, context, kind="encoder")
        assert isinstance(encoder, Encoder)  # what the catalogue was asked for
        return encoder


def read_descriptions(folder: Path) -> DescriptionsRecord | None:
    """What was said about the pictures in a folder; None if nothing was asked yet. RecordError: it cannot be read."""
    try:
        return _read(folder / DESCRIPTIONS_JSON)
    except FileNotFoundError:
        return None


@read_once(8)
def _read(path: Path) -> DescriptionsRecord:
    return DescriptionsRecord.read(read_json(path), "record of descriptions")
