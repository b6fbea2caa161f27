"""Pictures that visitors bring: checked, made into plain RGB, and kept for the visitor alone who brought them.

Each visitor's pictures lie in a folder of their own, named by their pixels. A digest, wherever it comes from, becomes a
path in `Uploads.find` alone, and only together with the visitor who asks: knowing what somebody else's picture is
called is no permission to see it.
"""

import contextlib
import hashlib
import re
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from foundation.errors import NoRoomError, StudioError
from foundation.files.living import found_below
from foundation.files.room import check_free
from foundation.images.files import load_image, load_noted, pixel_digest, save_png
from foundation.limits import DAY_SECONDS, Limits

_DIGEST = re.compile(r"[0-9a-f]{64}")
_ENDING = ".png"
_BLOCK_BYTES = 64 * 2**20


class Kept(NamedTuple):
    """A kept picture: whose it is, and the digest of its pixels."""

    owner: str
    digest: str


class Brought(NamedTuple):
    """A picture that was brought: what is kept, its width and height, and what was done to it, in sentences."""

    kept: Kept
    size: tuple[int, int]
    notes: tuple[str, ...]


class Uploads:
    """The pictures of all visitors. Safe for threads.

    Args:
        root: their folder; it is made when the first picture is kept.
        limits: how much there may be, how many are decoded at once, and how long a picture stays that no job needs.
        share: bytes that a visitor's may take; None for ``limits.kept_bytes_per_visitor``.
    """

    def __init__(
        self, root: Path, limits: Limits | None = None, share: Callable[[str], float | None] | None = None
    ) -> None:
        self.root = root
        self._limits = limits or Limits()
        self._share = share
        # What a thread has freed, the C library keeps for that thread (glibc's arenas): a large picture in each of a
        # web server's threads would be gigabytes that nobody uses. So pictures are decoded in threads of their own, and
        # Pillow's blocks of pixels, by default of 16 MB, are large enough to go back to the system (mallopt(3),
        # M_MMAP_THRESHOLD: 32 MB at most).
        Image.core.set_block_size(_BLOCK_BYTES)  # type: ignore[attr-defined]
        self._decoders = ThreadPoolExecutor(self._limits.decodings, thread_name_prefix="decoder")
        self._lock = threading.Lock()
        self._sizes: dict[str, int] | None = None  # bytes by folder; None until they are counted

    def find(self, digest: str, owner: str) -> Path:
        """The file of a visitor's picture: the one place where a digest becomes a path.

        Raises:
            StudioError: it is no digest, or this visitor has no such picture (any more).
        """
        path = self._place(owner) / f"{digest}{_ENDING}"
        if not _DIGEST.fullmatch(digest) or not path.is_file():
            raise StudioError("A picture that was chosen is no longer here: bring it again.")
        return path

    def has(self, digest: str, owner: str) -> bool:
        """Whether this visitor has a picture of this digest."""
        try:
            return bool(self.find(digest, owner))
        except StudioError:
            return False

    def size(self, kept: Kept) -> tuple[int, int]:
        """Width and height of a kept picture in pixels. StudioError if it is no longer here."""
        with Image.open(self.find(kept.digest, kept.owner), formats=("PNG",)) as picture:
            return picture.size

    def read(self, path: Path) -> Image.Image:
        """Read a picture that somebody brought, when it is its turn: only a few are decoded at a time.

        Raises:
            ImageError: it cannot be read; the message says why.
        """
        return self._decoders.submit(load_image, path).result()

    def bring(self, path: Path, owner: str) -> Brought:
        """Read a picture and keep its pixels for a visitor; the name it came with is not used.

        Raises:
            ImageError: it cannot be read; the message says why.
            NoRoomError: there is no room for it.
        """
        return self._decoders.submit(self._bring, path, owner).result()

    def _bring(self, path: Path, owner: str) -> Brought:
        decoded = load_noted(path)
        return Brought(self._keep(decoded.picture, owner), decoded.picture.size, decoded.notes)

    def keep(self, picture: Image.Image, owner: str) -> Kept:
        """Keep the pixels of an RGB picture for a visitor. NoRoomError: there is no room for it."""
        return self._decoders.submit(self._keep, picture, owner).result()

    def _keep(self, picture: Image.Image, owner: str) -> Kept:
        kept = Kept(owner, pixel_digest(picture))
        folder = self._place(owner)
        path = folder / f"{kept.digest}{_ENDING}"
        if path.is_file():
            path.touch()  # its time begins anew
            return kept
        self.check_room(owner)
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        save_png(picture, path)
        path.chmod(0o600)
        self._count(folder.name, path.stat().st_size)
        return kept

    def check_room(self, owner: str) -> None:
        """Refuse more pictures of a visitor who has enough, or where the disk or the studio's share of it is full.

        Raises:
            NoRoomError: there is none.
        """
        limits, most = self._limits, self.share(owner)
        with self._lock:
            sizes = self._counted()
            own, everybody = sizes.get(self._place(owner).name, 0), sum(sizes.values())
        if own >= most:
            size = f"{own / 1e9:.1f} GB" if own >= 1e9 else f"{own / 1e6:.0f} MB"
            raise NoRoomError(
                f"You have brought {size} of pictures, which is as much as is kept for one visitor: "
                "discard results that you no longer need, or delete everything of yours."
            )
        if everybody >= limits.kept_bytes:
            raise NoRoomError("The studio keeps as many pictures as it may: ask whoever runs it to make room.")
        check_free(self.root, limits.free_bytes)

    def share(self, owner: str) -> float:
        """How many bytes a visitor's pictures may take."""
        most = None if self._share is None else self._share(owner)
        return self._limits.kept_bytes_per_visitor if most is None else most

    def taken(self, owner: str) -> int:
        """How many bytes a visitor's pictures take."""
        with self._lock:
            return self._counted().get(self._place(owner).name, 0)

    def remove(self, owner: str, digests: Collection[str]) -> None:
        """Delete some of a visitor's pictures; those that are not here are passed over."""
        for digest in digests:
            with contextlib.suppress(StudioError, OSError):
                path = self.find(digest, owner)
                size = path.stat().st_size
                path.unlink()
                self._count(path.parent.name, -size)

    def clear(self, owner: str) -> None:
        """Delete all pictures of a visitor."""
        shutil.rmtree(self._place(owner), ignore_errors=True)
        with self._lock:
            self._sizes = None

    def sweep(self, needed: Mapping[str, Collection[str]], now: float | None = None) -> None:
        """Delete what no job needs and nobody has brought for some days, and what was left half written.

        Args:
            needed: the digests that jobs need, by owner.
            now: Unix seconds.
        """
        before = (time.time() if now is None else now) - self._limits.kept_days * DAY_SECONDS
        places = {self._place(owner).name: set(digests) for owner, digests in needed.items()}
        self._adopt(needed)
        for folder in self._folders():
            kept = places.get(folder.name, set())
            for path, found in found_below(folder):
                with contextlib.suppress(OSError):
                    if path.stem not in kept and found.st_mtime < before:
                        path.unlink()
            with contextlib.suppress(OSError):
                folder.rmdir()  # if nothing is left in it
        with self._lock:
            self._sizes = None

    def _adopt(self, needed: Mapping[str, Collection[str]]) -> None:
        """Pictures that an older version kept for nobody go to those whose jobs need them, and are then deleted."""
        if not self.root.is_dir():
            return
        for path in self.root.iterdir():
            if path.is_dir():
                continue
            for owner, digests in needed.items():
                if path.stem in digests and path.suffix == _ENDING:
                    folder = self._place(owner)
                    folder.mkdir(mode=0o700, exist_ok=True)
                    shutil.copyfile(path, folder / path.name)
            with contextlib.suppress(OSError):
                path.unlink()

    def _place(self, owner: str) -> Path:
        """A visitor's folder, whose name does not give the visitor away."""
        return self.root / hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def _folders(self) -> Iterator[Path]:
        if self.root.is_dir():
            yield from (entry for entry in self.root.iterdir() if entry.is_dir())

    def _counted(self) -> dict[str, int]:
        if self._sizes is None:
            self._sizes = {
                folder.name: sum(found.st_size for _, found in found_below(folder)) for folder in self._folders()
            }
        return self._sizes

    def _count(self, place: str, more: int) -> None:
        with self._lock:
            if self._sizes is not None:
                self._sizes[place] = max(0, self._sizes.get(place, 0) + more)
