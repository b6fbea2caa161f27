"""Which files a model on the network consists of, where they are kept here, and fetching them.

Everything is kept under one folder: ``ARCHITECTURE/TAG/`` for open_clip's pretrained tags, ``hf-hub/ORG/NAME/``,
in open_clip's "local-dir:" form, for repositories. What open_clip or others have fetched before into the cache of
huggingface_hub is found there. A model is taken as it is when it is fetched; remove its folder to fetch it anew.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import constants

from foundation import torchvision_cure  # noqa: F401  (before open_clip, which imports torchvision)
from foundation.downloads.connection import DownloadError, MissingFile, RemoteFile
from foundation.downloads.download import PATIENCE, Patience, download
from foundation.downloads.weights import SUFFIXES, find_weights
from foundation.errors import StudioError
from foundation.files.text_files import read_json
from foundation.protocols import JobContext
from generator.encoders.names import CONFIG_NAME, HUB_PREFIX, Hub, Tagged
from generator.encoders.vocabulary import VOCABULARY_NAME

SAFE_NAME = "open_clip_model.safetensors"
PICKLED_NAME = "open_clip_pytorch_model.bin"
_HUB_FOLDER = "hf-hub"
_EXTRA_FILES = ("README.md", VOCABULARY_NAME)
_TOKENIZER_FILES = (
    *("tokenizer_config.json", "tokenizer.json", "special_tokens_map.json", "vocab.txt", "vocab.json", "merges.txt"),
    *("spiece.model", "sentencepiece.bpe.model"),
)


def is_offline() -> bool:
    """Whether the user has turned downloads off (HF_HUB_OFFLINE)."""
    return constants.HF_HUB_OFFLINE


class Store:
    """The models that have been fetched, and the way to fetch others."""

    def __init__(self, folder: Path, *, endpoint: str | None = None, patience: Patience = PATIENCE) -> None:
        """`endpoint` is the address of the hub, or of a mirror; None is that of huggingface_hub (HF_ENDPOINT)."""
        self.folder, self.endpoint, self.patience = folder, endpoint, patience

    def place(self, reference: Tagged | Hub) -> Path:
        """The folder, which need not exist, that a model is kept in."""
        if isinstance(reference, Tagged):
            return self.folder / reference.architecture / reference.tag
        return self.folder / _HUB_FOLDER / reference.repository

    def names(self) -> list[str]:
        """The names of all models that are here, sorted."""
        found = []
        for path in self.folder.glob("*/*"):
            if path.parent.name == _HUB_FOLDER:
                found += [f"{HUB_PREFIX}{path.name}/{entry.name}" for entry in path.iterdir() if _complete(entry)]
            elif path.is_dir() and _any_weights(path) is not None:
                found.append(f"{path.parent.name}/{path.name}")
        return sorted(found)

    def weights_of_tag(
        self, reference: Tagged, repository: str, names: tuple[str, ...] = (SAFE_NAME, PICKLED_NAME)
    ) -> Path | None:
        """The file of a tag whose weights are in that repository ("" for none), if it is on this machine."""
        kept = _any_weights(self.place(reference))
        if kept is not None or not repository:
            return kept
        return _first_in_hub_cache(repository, names)

    def folder_of(self, reference: Hub) -> Path | None:
        """The folder of a repository, if it is on this machine."""
        kept = self.place(reference)
        if _complete(kept):
            return kept
        config = _in_hub_cache(reference.repository, CONFIG_NAME)
        return config.parent if config is not None and _complete(config.parent) else None

    def fetch_tag(self, reference: Tagged, context: JobContext | None = None) -> Path:
        """The file with the weights of a tag, fetched if need be. DownloadError, or the context's own exceptions."""
        import open_clip

        config = open_clip.get_pretrained_cfg(reference.architecture, reference.tag)
        repository, names = _hub_files(config)
        kept = self.weights_of_tag(reference, repository, names)
        if kept is not None:
            return kept
        label = f"{reference.architecture}/{reference.tag}"
        if repository:
            return self._first_of(repository, names, self.place(reference), label, context)
        remote = _plain_file(config)
        target = self.place(reference) / Path(remote.url).name
        self.fetch_file(remote, target, label, context)
        return target

    def fetch_folder(self, reference: Hub, context: JobContext | None = None) -> Path:
        """The folder of a repository, fetched if need be. DownloadError, or the context's own exceptions."""
        kept = self.folder_of(reference)
        if kept is not None:
            return kept
        repository, place = reference.repository, self.place(reference)
        label = f"{HUB_PREFIX}{repository}"
        try:
            self._fetch(repository, CONFIG_NAME, place, f"the configuration of {label}", context)
        except MissingFile as error:
            raise DownloadError(f"'{repository}' has no {CONFIG_NAME}: it is no model of open_clip.") from error
        extras = (*_EXTRA_FILES, *(_TOKENIZER_FILES if _has_foreign_tokenizer(place / CONFIG_NAME) else ()))
        for name in extras:
            self._fetch_if_there(repository, name, place, f"{name} of {label}", context)
        # Last, so that a folder with weights has everything else, too.
        self._first_of(repository, (SAFE_NAME, PICKLED_NAME), place, label, context)
        return place

    def file_of(self, repository: str, names: tuple[str, ...], place: Path) -> Path | None:
        """The first of the files of a repository that is on this machine: in the folder `place`, or in the cache."""
        kept = next((place / name for name in names if (place / name).is_file()), None)
        return kept or _first_in_hub_cache(repository, names)

    def fetch_first(
        self, repository: str, names: tuple[str, ...], place: Path, label: str, context: JobContext | None
    ) -> Path:
        """The first of the files that a repository has, fetched into the folder `place` if it is not on this machine.

        `label` names it in sentences. DownloadError, or the context's own exceptions.
        """
        kept = self.file_of(repository, names, place)
        return kept or self._first_of(repository, names, place, label, context)

    def _first_of(
        self, repository: str, names: tuple[str, ...], place: Path, label: str, context: JobContext | None
    ) -> Path:
        """Fetch the first of the files that the repository has into the folder, whatever else is on this machine."""
        for name in names:
            if self._fetch_if_there(repository, name, place, label, context):
                return place / name
        raise DownloadError(f"'{repository}' has none of the files {', '.join(names)}: it holds no weights of a model.")

    def _fetch_if_there(self, repository: str, name: str, place: Path, label: str, context: JobContext | None) -> bool:
        try:
            self._fetch(repository, name, place, label, context)
        except MissingFile:
            return False
        return True

    def _fetch(self, repository: str, name: str, place: Path, label: str, context: JobContext | None) -> None:
        url = huggingface_hub.hf_hub_url(repository, name, endpoint=self.endpoint)
        token = huggingface_hub.get_token()  # what the user has logged in with, for models with a licence to accept
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.fetch_file(RemoteFile(url, headers=headers), place / name, label, context)

    def fetch_file(self, remote: RemoteFile, target: Path, label: str, context: JobContext | None) -> None:
        """Fetch a file unless it is there. DownloadError, or the context's own exceptions."""
        if target.is_file():
            return
        if is_offline():
            raise DownloadError(f"{label} is not on this machine, and downloads are turned off (HF_HUB_OFFLINE).")
        download(remote, target, label=label, context=context, patience=self.patience)


def _hub_files(config: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The repository of a pretrained configuration of open_clip, "" for none, and its files, best first."""
    place = str(config.get("hf_hub", ""))
    repository, _, name = place.rpartition("/")
    if not name:
        return repository, (SAFE_NAME, PICKLED_NAME)
    stem, dot, suffix = name.rpartition(".")
    return repository, (f"{stem}.safetensors", name) if dot and suffix in ("bin", "pth") else (name,)


def _plain_file(config: Mapping[str, Any]) -> RemoteFile:
    """The file of a pretrained configuration that is on no hub; open_clip has its checksum in the address."""
    url = str(config.get("url", ""))
    if not url:
        raise DownloadError("open_clip does not say where the weights of this tag are.")
    folder, _, name = url.rpartition("/")
    digest = ""
    if "openaipublic" in url:
        digest = folder.rpartition("/")[2]
    elif "mlfoundations" in url:
        digest = name.rpartition(".")[0].rpartition("-")[2]
    return RemoteFile(url, digest)


def _has_foreign_tokenizer(config: Path) -> bool:
    try:
        content = read_json(config)
        return bool(content["model_cfg"]["text_cfg"].get("hf_tokenizer_name"))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise StudioError(f"'{config}' does not describe a model of open_clip ({error!r}).") from error


def _any_weights(folder: Path) -> Path | None:
    """The file of weights in the folder of a tag, whatever it is called."""
    found = find_weights(folder)
    if found is not None:
        return found
    return next((path for path in sorted(folder.glob("*")) if path.suffix in SUFFIXES and path.is_file()), None)


def _complete(folder: Path) -> bool:
    return (folder / CONFIG_NAME).is_file() and find_weights(folder) is not None


def _in_hub_cache(repository: str, name: str) -> Path | None:
    found = huggingface_hub.try_to_load_from_cache(repository, name)
    return Path(found) if isinstance(found, str) else None


def _first_in_hub_cache(repository: str, names: tuple[str, ...]) -> Path | None:
    cached = (_in_hub_cache(repository, name) for name in names)
    return next((path for path in cached if path is not None), None)
