"""Asking about pictures by the settings of this computer, and keeping what was said in a folder."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from pydantic import JsonValue

from foundation.protocols import Encoder, JobContext
from generator.classes.names import Names
from generator.transfer.table import Case
from generator.vlm.client import VlmClient
from generator.vlm.describing import Descriptions, Inquiry, describe
from generator.vlm.journal import Journal
from generator.vlm.record import DescriptionsRecord
from generator.vlm.report import DESCRIPTIONS_JSON, JOURNAL, cells_of, record_of, save, save_json, to_text
from generator.vlm.settings import VlmSettings

ReadSettings = Callable[[], VlmSettings | None]
"""Returns the settings of this computer, None if there are none."""


def no_settings() -> VlmSettings | None:
    """Return None: there is no endpoint."""
    return None


class SpareTime:
    """Limits what is done beside the work to a share of the time.

    Used as a context by what is done; it is `due` again once `1 / share` times as long as that took is over.
    """

    def __init__(self, share: float = 0.05, clock: Callable[[], float] = time.monotonic) -> None:
        self._share, self._clock = share, clock
        self._started = self._next = clock()

    @property
    def due(self) -> bool:
        """Whether it is time again; at first it is."""
        return self._clock() >= self._next

    def __enter__(self) -> None:
        self._started = self._clock()

    def __exit__(self, *_error: object) -> None:
        now = self._clock()
        self._next = now + (now - self._started) / self._share


@dataclass(frozen=True)
class Wanted:
    """What is asked of whom; `similarity` is the name of the encoder that compares texts, "" for none."""

    settings: VlmSettings
    inquiry: Inquiry
    similarity: str


@dataclass(frozen=True)
class Answered:
    """What came of asking: what descriptions.json holds, whether it was stopped, and the table for a terminal."""

    record: DescriptionsRecord
    stopped: bool
    text: str

    def to_json(self) -> dict[str, JsonValue]:
        """Return all of it as JSON."""
        return {**self.record.to_json(), "stopped": self.stopped, "text": self.text}


def describe_cases(
    context: JobContext,
    wanted: Wanted,
    cases: Sequence[Case],
    folder: Path,
    *,
    survivals: Sequence[str],
    names: Names,
    encoder: Encoder | None = None,
    targets: Mapping[str, Image.Image] | None = None,
) -> Answered:
    """Have pictures described, save descriptions.json and .csv in the folder, and return what is in the former.

    Answers are kept in descriptions.jsonl as they come, so that a run that was ended, however, goes on there;
    descriptions.json follows them, as an incomplete one.
    """
    with VlmClient(wanted.settings) as client:
        spare = SpareTime()

        def keep(found: Descriptions) -> None:
            if spare.due:
                with spare:
                    known = record_of(found, wanted.inquiry, wanted.settings, client.ledger)
                    save_json(DescriptionsRecord.of(known, complete=False), folder)

        found = describe(
            context,
            cases,
            client,
            wanted.inquiry,
            survivals=survivals,
            names=names,
            encoder=encoder,
            targets=targets,
            journal=Journal(folder / JOURNAL),
            on_answer=keep,
        )
        record = record_of(found, wanted.inquiry, wanted.settings, client.ledger)
    save(record, folder)
    text = "\n".join(filter(None, (to_text(cells_of(found.described)), str(folder / DESCRIPTIONS_JSON))))
    return Answered(record, found.stopped, text)
