"""What the name of an encoder means.

| name                               | weights                                                                  |
| ---------------------------------- | ------------------------------------------------------------------------ |
| ``tiny-clip``                      | a folder of that name among the shipped or the user's models             |
| ``ViT-B-32/openai``                | a pretrained tag of open_clip, downloaded when it is first used          |
| ``ViT-B-32/path/to/weights.pt``    | a local checkpoint (.safetensors, .pt, .pth, .bin) of that architecture  |
| ``clip-hub:org/name``              | a repository in open_clip's form on the Hugging Face hub                 |
| ``local-dir:path/to/folder``       | a local folder in the same form; its plain path will do, too             |

``hf-hub:org/name``, as open_clip itself writes it, is understood, too, where it cannot mean one of our classifiers on
the hub (``crossmax-hub:org/name``): `foundation.catalogue` sees to that.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from foundation import torchvision_cure  # noqa: F401  (before open_clip, which imports torchvision)
from foundation.catalogue.names import OLD_PREFIX, PREFIXES
from foundation.errors import StudioError

CONFIG_NAME = "open_clip_config.json"
FOLDER_PREFIX = "local-dir:"
HUB_PREFIX = PREFIXES["encoder"]
_SHOWN_TAGS = 6
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Folder:
    """A folder with open_clip's configuration and weights."""

    path: Path


@dataclass(frozen=True)
class Checkpoint:
    """A file of weights for one of open_clip's architectures."""

    architecture: str
    path: Path


@dataclass(frozen=True)
class Tagged:
    """Weights that open_clip knows by a tag."""

    architecture: str
    tag: str


@dataclass(frozen=True)
class Hub:
    """A repository on the Hugging Face hub, "org/name"."""

    repository: str


Reference = Folder | Checkpoint | Tagged | Hub


def architectures() -> tuple[str, ...]:
    """All architectures that open_clip can build."""
    import open_clip

    return tuple(open_clip.list_models())


def tags(architecture: str) -> tuple[str, ...]:
    """The pretrained tags that open_clip knows of an architecture."""
    import open_clip

    return tuple(open_clip.list_pretrained_tags_by_model(architecture))


def parse_name(name: str, folders: Mapping[str, Path]) -> Reference:
    """Return what `name` refers to; `folders` are the model folders that go by a name of their own.

    Nothing is downloaded or loaded. StudioError, with the nearest names, for one that means nothing.
    """
    if name in folders:
        return Folder(folders[name])
    if name.startswith(FOLDER_PREFIX):
        return Folder(Path(name.removeprefix(FOLDER_PREFIX)))
    for prefix in (HUB_PREFIX, OLD_PREFIX):
        if name.startswith(prefix):
            return _hub(name.removeprefix(prefix))
    if name and _is_file(Path(name) / CONFIG_NAME):
        return Folder(Path(name))
    known = architectures()
    for place in (index for index, letter in enumerate(name) if letter == "/"):
        architecture = name[:place].replace("/", "-")  # people write ViT-B/32, as the papers do
        if architecture in known and name[place + 1 :]:
            return _weights_of(architecture, name[place + 1 :])
    bare = name.strip("/").replace("/", "-")
    if bare in known:
        raise StudioError(f"'{bare}' is an architecture; say which weights, too: {_choice_of_weights(bare)}.")
    raise StudioError(f"There is no model '{_short(name)}'. {nearest(name, folders, known)}")


def _hub(repository: str) -> Hub:
    if not _REPOSITORY.fullmatch(repository) or ".." in repository:
        raise StudioError(
            f"'{HUB_PREFIX}{_short(repository)}' names no repository: it has the form '{HUB_PREFIX}org/name'."
        )
    return Hub(repository)


def _weights_of(architecture: str, weights: str) -> Tagged | Checkpoint:
    tag = weights.lower().replace("-", "_")  # the forms that open_clip takes as one
    if tag in tags(architecture):
        return Tagged(architecture, tag)
    path = Path(weights).expanduser()
    if _is_file(path):
        return Checkpoint(architecture, path)
    if path.suffix.lower() in (".safetensors", ".pt", ".pth", ".bin") or "/" in weights:
        raise StudioError(f"There is no file '{_short(weights)}' with weights for {architecture}.")
    raise StudioError(
        f"open_clip knows no weights '{_short(weights)}' of {architecture}: choose "
        f"{_choice_of_weights(architecture, tag)}."
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as: far too long for a name
        return False


def _choice_of_weights(architecture: str, wanted: str = "") -> str:
    """Some of an architecture's tags, those most like the wanted one first, and the other way to give weights."""
    near = difflib.get_close_matches(wanted, tags(architecture), n=3, cutoff=0.5)
    ordered = [*near, *(tag for tag in tags(architecture) if tag not in near)]
    named = [f"'{architecture}/{tag}'" for tag in ordered[:_SHOWN_TAGS]]
    more = [f"{len(ordered) - _SHOWN_TAGS} others"] if len(ordered) > _SHOWN_TAGS else []
    return ", ".join([*named, *more, f"or the path of a checkpoint, '{architecture}/path/to/file.safetensors'"])


def nearest(name: str, folders: Iterable[str], known: Iterable[str]) -> str:
    """A sentence with the names of folders and architectures most like the wrong one.

    Architectures come with the weights that it named; folders have theirs.
    """
    listed = frozenset(folders)
    by_lower = {entry.lower(): entry for entry in (*known, *listed)}
    wanted, _, weights = name.lower().partition("/")
    near = difflib.get_close_matches(wanted, by_lower, n=3, cutoff=0.5)
    forms = "'ViT-B-32/openai' (architecture/weights), 'clip-hub:org/name', or the path of a model's folder"
    if not near:
        return f"Names have the form {forms}."
    given = f"/{_short(weights)}" if weights.strip("/") else ""
    found = [by_lower[entry] for entry in near]
    meant = " or ".join(f"'{entry}{'' if entry in listed else given}'" for entry in found)
    return f"Did you mean {meant}? Names have the form {forms}."


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
