"""Vision-language models for the page: what it may know of the endpoint, and asking it as a part of a job.

Where requests go, and with what key, is for the settings of the server alone (see `generator.vlm.settings`): of what
a browser sends, nothing but a `DescribeWish` takes part, and nothing but an `Offer` goes to it.

In the folder that is described: descriptions.json and .csv, and descriptions.jsonl, the answers as they come.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor

from foundation.catalogue.catalogue import Catalogue
from foundation.command_line.settings import validated
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
from generator.vlm.describing import QUESTION, Inquiry
from generator.vlm.record import DescriptionsRecord
from generator.vlm.report import DESCRIPTIONS_JSON
from generator.vlm.report_html import save_described
from generator.vlm.scoring import parse_keywords
from generator.vlm.settings import NOT_CONFIGURED, VlmSettings

MOST_SAMPLES = 10
"""Answers to one picture that a page can ask for."""
"""How messages about it begin."""


class DescribeWish(BaseModel):
    """What is asked of a vision-language model about an attack, as a page asks for it; see `Inquiry`.

    Attributes:
        question: goes along with each picture.
        samples: answers to each picture.
        keywords: those of the target, as in `parse_keywords`; () for the words of the target itself.
        similarity: name of the encoder that compares texts, "" for none.
        judge: whether a model judges how similar texts are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    question: str = Field(QUESTION, min_length=1, max_length=2000)
    samples: int = Field(3, ge=1, le=MOST_SAMPLES)
    keywords: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field((), max_length=50)
    similarity: str = Field("", max_length=200)
    judge: bool = False

    @field_validator("keywords")
    @classmethod
    def _are_words(cls, keywords: tuple[str, ...]) -> tuple[str, ...]:
        parse_keywords(keywords, Names())
        return keywords

    def inquiry(self) -> Inquiry:
        """What is asked of the model of the settings."""
        return Inquiry(question=self.question, samples=self.samples, keywords=self.keywords, judge=self.judge)


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


def describe_wish(params: Mapping[str, object]) -> DescribeWish | None:
    """What the parameters of a job ask of a vision-language model; None for nothing. StudioError: it makes no sense."""
    asked = params.get("describe")
    return None if asked is None else validated(DescribeWish, asked)


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
