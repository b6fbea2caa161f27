"""The encoders that can be chosen, each loaded once and shared by all who use it."""

import contextlib
import difflib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from generator.encoders.cache import EmbeddingCache
from generator.encoders.catalogue import DOWNLOADABLE, Downloadable
from generator.encoders.connection import DownloadError
from generator.encoders.download import DownloadStopped
from generator.encoders.encoder import OpenClipEncoder
from generator.encoders.hub import Store, is_offline
from generator.encoders.info import EncoderInfo, Origin, describe_file, describe_folder, revision_of
from generator.encoders.loading import (
    LocalModel,
    OutOfMemory,
    load_encoder,
    local_checkpoint,
    local_folder,
    local_tag,
)
from generator.encoders.names import (
    CONFIG_NAME,
    HUB_PREFIX,
    Checkpoint,
    Folder,
    Hub,
    Reference,
    Tagged,
    parse_name,
)
from generator.encoders.precision import choose_precision
from generator.encoders.weights import Revisions
from generator.errors import StudioError
from generator.progress import Progress
from generator.protocols import JobContext
from generator.shipped import ASSETS

DEFAULT_BUDGET = 4 * 2**30
"""Bytes of weights that stay loaded: ViT-H/14 (3.9 GB) fits, or six ViT-B/32."""
_POLL_S = 0.1

_Key = tuple[str, str, str, str, str]


class EncoderPool:
    """Finds, fetches, loads and keeps encoders. Safe for threads.

    Weights of up to `budget_bytes` stay loaded. Before a model is loaded that would exceed it, and when memory
    runs out, the least recently used leave; whoever still uses one of those keeps it until done, and a model
    larger than the whole budget is kept alone.
    """

    def __init__(
        self,
        folders: Sequence[Path] = (),
        *,
        cache_dir: Path,
        budget_bytes: int = DEFAULT_BUDGET,
        shipped: Path = ASSETS,
        store: Store | None = None,
        only_listed: bool = False,
    ) -> None:
        """Make a pool; nothing is read, written or fetched before it is used.

        Args:
            folders: each a model in open_clip's form, or a folder of such.
            cache_dir: where downloads are kept.
            budget_bytes: bytes of weights that stay loaded.
            shipped: a folder like `folders`, listed before them.
            store: where downloads come from; None is `cache_dir` with the Hugging Face hub.
            only_listed: refuse names that `list` does not show, where strangers choose: paths of this machine,
                and downloads of any size.
        """
        self.budget_bytes, self.only_listed = budget_bytes, only_listed
        self._roots: tuple[tuple[Origin, Path], ...] = (("shipped", shipped), *(("local", path) for path in folders))
        self._store = Store(cache_dir) if store is None else store
        self._revisions = Revisions(cache_dir / "revisions.json")
        self._cache = EmbeddingCache()
        self._lock = threading.Lock()
        self._loaded: OrderedDict[_Key, OpenClipEncoder] = OrderedDict()
        self._turns: dict[_Key, threading.Lock] = {}

    def get(
        self, name: str, device: str = "cpu", context: JobContext | None = None, *, precision: str = "auto"
    ) -> OpenClipEncoder:
        """The encoder called `name` on the device; it is fetched and loaded on first use.

        `context` is told how a download goes, and can end it. StudioError, with a sentence that helps, for unknown
        names, damaged or missing files, failed downloads and too little memory; exceptions of the context pass.
        """
        reference = self._reference(name)
        chosen = choose_precision(precision, device)
        try:
            local = self._fetched(reference, context)
        except DownloadStopped:
            raise
        except DownloadError as error:
            raise type(error)(f"{error} {self._what_is_here()}") from error
        revision = revision_of(local, self._revisions)
        key = (local.source, revision, local.configuration, device, chosen)
        with self._turn(key, context):
            encoder = self._hit(key)
            if encoder is None:
                encoder = self._load(local, name, revision, device, chosen)
                self._keep(key, encoder)
        return encoder

    def find(self, name: str) -> EncoderInfo:
        """The list entry of the encoder called `name`, listed or not; nothing is fetched. StudioError as `get`."""
        describe = self._listed().get(name)
        if describe is not None:
            return describe()
        reference = self._reference(name)
        if isinstance(reference, Folder):
            return describe_folder(name, reference.path, "local", self._revisions)
        if isinstance(reference, Checkpoint):
            return describe_file(name, name, f"Weights of {reference.architecture}.", reference.path, self._revisions)
        return self._describe_remote(name, reference)

    @property
    def loaded_bytes(self) -> int:
        """Bytes of the weights that are loaded."""
        with self._lock:
            return sum(encoder.weight_bytes for encoder in self._loaded.values())

    def list(self) -> list[EncoderInfo]:
        """The encoders that can be chosen: the shipped ones, the user's, and those of open_clip worth a download."""
        return [describe() for describe in self._listed().values()]

    # Names to files

    def _listed(self) -> dict[str, Callable[[], EncoderInfo]]:
        """How to describe each encoder of the list, by name, in its order."""
        found: dict[str, Callable[[], EncoderInfo]] = {}
        for name, (origin, folder) in self._folders().items():
            found[name] = partial(describe_folder, name, folder, origin, self._revisions)
        for entry in DOWNLOADABLE:
            found.setdefault(entry.name, partial(self._describe_downloadable, entry))
        for name in self._store.names():
            found.setdefault(name, partial(self._describe_fetched, name))
        return found

    def _folders(self) -> dict[str, tuple[Origin, Path]]:
        """The models in folders by name, shipped ones first, which also keep their names."""
        found: dict[str, tuple[Origin, Path]] = {}
        for origin, root in self._roots:
            for folder in (root, *_entries(root)):
                if (folder / CONFIG_NAME).is_file():
                    found.setdefault(folder.name, (origin, folder))
        return found

    def _reference(self, name: str) -> Reference:
        folders = {key: folder for key, (_, folder) in self._folders().items()}
        if self.only_listed and name not in (listed := self._listed()):
            near = difflib.get_close_matches(name, listed, n=1, cutoff=0.5)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise StudioError(f"There is no model '{name[:80]}' here.{hint} Choose from the list.")
        return parse_name(name, folders)

    def _fetched(self, reference: Reference, context: JobContext | None) -> LocalModel:
        match reference:
            case Folder(path):
                return local_folder(path)
            case Checkpoint(architecture, path):
                return local_checkpoint(architecture, path)
            case Tagged(architecture, tag):
                return local_tag(architecture, tag, self._store.fetch_tag(reference, context))
            case Hub():
                return local_folder(self._store.fetch_folder(reference, context))

    def _what_is_here(self) -> str:
        ready = ", ".join(f"'{info.name}'" for info in self.list() if info.ready)
        return f"Without a network there are: {ready}." if ready else "No other model is on this machine."

    # Names to list entries

    def _describe_downloadable(self, entry: Downloadable) -> EncoderInfo:
        weights = self._store.weights_of_tag(Tagged(*entry.name.split("/")), entry.repository)
        if weights is not None:
            return describe_file(entry.name, entry.title, entry.description, weights, self._revisions)
        return EncoderInfo(
            entry.name,
            entry.title,
            entry.description,
            "download",
            ready=False,
            why_not=_why_not_here(f"{entry.size / 1e6:,.0f} MB"),
            download_bytes=entry.size,
        )

    def _describe_fetched(self, name: str) -> EncoderInfo:
        """The entry of a model in the store, by its place alone."""
        if name.startswith(HUB_PREFIX):
            return self._describe_remote(name, Hub(name.removeprefix(HUB_PREFIX)))
        return self._describe_remote(name, Tagged(*name.split("/")))

    def _describe_remote(self, name: str, reference: Tagged | Hub) -> EncoderInfo:
        if isinstance(reference, Hub):
            folder = self._store.folder_of(reference)
            if folder is not None:
                return describe_folder(name, folder, "download", self._revisions)
        else:
            weights = self._store.weights_of_tag(reference, "")
            if weights is not None:
                return describe_file(name, name, "Of open_clip's pretrained models.", weights, self._revisions)
        return EncoderInfo(name, name, "", "download", ready=False, why_not=_why_not_here("its size is not known yet"))

    # Loading and leaving

    @contextlib.contextmanager
    def _turn(self, key: _Key, context: JobContext | None) -> Iterator[None]:
        """One thread at a time per model, so that it is loaded once; whoever waits may still be stopped."""
        with self._lock:
            turn = self._turns.setdefault(key, threading.Lock())
        while not turn.acquire(timeout=_POLL_S):
            if context is not None and context.stop_requested:
                context.progress(Progress(0, 0, "Waiting for the model"))  # raises if the work has been thrown away
                raise StudioError("Stopped while the model was still being loaded.")
        try:
            yield
        finally:
            turn.release()

    def _hit(self, key: _Key) -> OpenClipEncoder | None:
        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
            return self._loaded.get(key)

    def _load(self, local: LocalModel, name: str, revision: str, device: str, precision: str) -> OpenClipEncoder:
        def load() -> OpenClipEncoder:
            return load_encoder(
                local, name=name, revision=revision, device=device, precision=precision, cache=self._cache
            )

        self._leave(self.budget_bytes - local.weights.stat().st_size)
        try:
            return load()
        except OutOfMemory:
            if not self._leave(0):
                raise
        return load()  # outside the handler, whose error would keep what was loaded so far

    def _keep(self, key: _Key, encoder: OpenClipEncoder) -> None:
        self._leave(self.budget_bytes - encoder.weight_bytes)
        with self._lock:
            self._loaded[key] = encoder

    def _leave(self, budget: int) -> bool:
        """Let the least recently used go until the weights of the others are within the budget."""
        left = False
        with self._lock:
            total = sum(encoder.weight_bytes for encoder in self._loaded.values())
            while self._loaded and total > budget:
                _, encoder = self._loaded.popitem(last=False)
                total -= encoder.weight_bytes
                left = True
        return left


def _entries(root: Path) -> list[Path]:
    """What is in a folder of models, by name; nothing where it cannot be read, which the list of classifiers tells."""
    try:
        return sorted(root.iterdir()) if root.is_dir() else []
    except OSError:
        return []


def _why_not_here(size: str) -> str:
    if is_offline():
        return "It is not on this machine, and downloads are turned off (HF_HUB_OFFLINE)."
    return f"It is downloaded when it is first used ({size})."
