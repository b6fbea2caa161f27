"""What is said about an encoder where one is chosen."""

import re
from dataclasses import replace
from pathlib import Path

from foundation.catalogue.entry import ModelInfo, Origin
from foundation.downloads.weights import Revisions, check_weights
from foundation.errors import StudioError
from foundation.files.text_files import FileError, read_text
from generator.encoders.loading import LocalModel, local_folder

CARD_NAME = "README.md"
LOADER = "open_clip"
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_LICENCE = re.compile(r"^license: *(.+?) *$", re.MULTILINE)
_HEADING = re.compile(r"^# +(.+?)\s*$", re.MULTILINE)


def describe_folder(name: str, folder: Path, origin: Origin, revisions: Revisions) -> ModelInfo:
    """The list entry of a model in a folder; a damaged one is listed as not ready, with the reason."""
    card = _read_card(folder)
    title, description = _headline(card)
    front = _FRONT_MATTER.match(card)
    licence = None if front is None else _LICENCE.search(front[0])
    info = ModelInfo(
        name,
        "encoder",
        title or folder.name,
        description,
        origin,
        ready=False,
        card=card,
        licence="" if licence is None else licence[1],
        folder=folder,
        loader=LOADER,
    )
    try:
        local = local_folder(folder)
        revision = revision_of(local, revisions)
    except StudioError as error:
        return replace(info, why_not=str(error))
    size = local.weights.stat().st_size
    return replace(info, ready=True, revision=revision, vocabulary=local.vocabulary, size=size)


def describe_file(info: ModelInfo, weights: Path, revisions: Revisions) -> ModelInfo:
    """The list entry of a pretrained model whose weights are on this machine."""
    try:
        check_weights(weights)
        revision = revisions.of(weights)
    except (StudioError, OSError) as error:
        return replace(info, ready=False, why_not=str(error))
    return replace(info, ready=True, why_not="", revision=revision, size=weights.stat().st_size, download_bytes=None)


def revision_of(local: LocalModel, revisions: Revisions) -> str:
    """The revision of a model's weights. StudioError if they are missing or cannot be weights."""
    check_weights(local.weights)
    try:
        return revisions.of(local.weights)
    except OSError as error:
        raise StudioError(f"The weights '{local.weights}' cannot be read ({error.strerror or error}).") from error


def _read_card(folder: Path) -> str:
    try:
        return read_text(folder / CARD_NAME, lenient=True)
    except FileError:
        return ""  # many models have none


def _headline(card: str) -> tuple[str, str]:
    """The first heading of a card, and the first paragraph after it."""
    text = _FRONT_MATTER.sub("", card)
    heading = _HEADING.search(text)
    if heading is None:
        return "", ""
    paragraphs = (part.strip() for part in re.split(r"\n\s*\n", text[heading.end() :]))
    first = next((part for part in paragraphs if part and not part.startswith(("#", "|", "```", "-"))), "")
    return heading[1], " ".join(first.split())
