"""What is said about an encoder where one is chosen."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from generator.encoders.loading import LocalModel, local_folder
from generator.encoders.weights import Revisions, check_weights
from generator.errors import StudioError
from generator.text_files import FileError, read_text

CARD_NAME = "README.md"
Origin = Literal["shipped", "local", "download"]
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_HEADING = re.compile(r"^# +(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class EncoderInfo:
    """One line of the list of encoders.

    Attributes:
        name: what recipes call it.
        origin: whether it came with the program, is the user's, or is one of open_clip's to download.
        ready: it is on this machine and seems whole; otherwise `why_not` says what is missing. One of origin
            "download" is fetched when it is first used, if it is not ready.
        revision: the first 16 hexadecimal digits of the SHA-256 of its weights; "" before they are here.
        card: its README, Markdown.
        download_bytes: about what there is to fetch, if known and not here yet.
        vocabulary: the words it knows; () for a general vocabulary.
    """

    name: str
    title: str
    description: str
    origin: Origin
    ready: bool
    why_not: str = ""
    revision: str = ""
    card: str = ""
    download_bytes: int | None = None
    vocabulary: tuple[str, ...] = ()


def describe_folder(name: str, folder: Path, origin: Origin, revisions: Revisions) -> EncoderInfo:
    """The list entry of a model in a folder; a damaged one is listed as not ready, with the reason."""
    card = _read_card(folder)
    title, description = _headline(card)
    title = title or folder.name
    try:
        local = local_folder(folder)
        revision = revision_of(local, revisions)
    except StudioError as error:
        return EncoderInfo(name, title, description, origin, ready=False, why_not=str(error), card=card)
    return EncoderInfo(
        name, title, description, origin, ready=True, revision=revision, card=card, vocabulary=local.vocabulary
    )


def describe_file(name: str, title: str, description: str, weights: Path, revisions: Revisions) -> EncoderInfo:
    """The list entry of a pretrained model whose weights are on this machine."""
    try:
        check_weights(weights)
        revision = revisions.of(weights)
    except (StudioError, OSError) as error:
        return EncoderInfo(name, title, description, "download", ready=False, why_not=str(error))
    return EncoderInfo(name, title, description, "download", ready=True, revision=revision)


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
