"""Asking about pictures by the settings of this computer, and keeping what was said in a folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from generator.explorer.names import Names
from generator.explorer.transfer import Case
from generator.protocols import Encoder, JobContext
from generator.vlm.client import VlmClient
from generator.vlm.describing import Inquiry, describe
from generator.vlm.journal import Journal
from generator.vlm.report import DESCRIPTIONS_JSON, JOURNAL, cells_of, save, to_json, to_text
from generator.vlm.settings import VlmSettings

ReadSettings = Callable[[], VlmSettings | None]
"""Returns the settings of this computer, None if there are none."""


def no_settings() -> VlmSettings | None:
    """Return None: there is no endpoint."""
    return None


@dataclass(frozen=True)
class Wanted:
    """What is asked of whom; `similarity` is the name of the encoder that compares texts, "" for none."""

    settings: VlmSettings
    inquiry: Inquiry
    similarity: str


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
) -> dict[str, Any]:
    """Have pictures described, save descriptions.json and .csv in the folder, and return what is in the former.

    Beside it, "stopped" and "text", the table for a terminal. Answers are kept in descriptions.jsonl as they come,
    so that a run that was ended, however, goes on there.
    """
    with VlmClient(wanted.settings) as client:
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
        )
        report = to_json(found, wanted.inquiry, wanted.settings, client.ledger)
    save(report, found.described, folder)
    text = "\n".join(filter(None, (to_text(cells_of(found.described)), str(folder / DESCRIPTIONS_JSON))))
    return {**report, "stopped": found.stopped, "text": text}
