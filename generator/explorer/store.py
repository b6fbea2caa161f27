"""Answers of victims on disk, by what was looked at: nothing is asked twice, also after a power cut."""

import json
from collections.abc import Collection
from pathlib import Path

from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError

from generator.errors import StudioError
from generator.explorer.survival import SURVIVALS
from generator.explorer.verdicts import Verdict
from generator.explorer.victims import Victim
from generator.image import pixel_digest, to_tensor


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    victim: str
    survival: str
    picture: str
    verdict: Verdict


_Key = tuple[str, str, str]


class VerdictStore:
    """Verdicts by the victim's identity, what happened to the picture, and the digest of its pixels.

    With a `path` each answer is also added to that file (JSON, one on each line), from which another store goes on;
    a last line that was cut off is dropped. One process at a time may write.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Read what the file holds, if it is there. StudioError if it cannot be read."""
        self.path = path
        self.asked = 0
        """How often a victim had to be asked."""
        self._known: dict[_Key, Verdict] = {}
        if path is not None:
            self._read(path)

    def look(self, victim: Victim, picture: Image.Image, survival: str, labels: Collection[str] = ()) -> Verdict:
        """Return what the victim says about an RGB picture after what may happen to it (a name in `SURVIVALS`).

        The verdict holds the shares of its first answers, and of at least those of the `labels` that the victim has.
        """
        key = (victim.identity, survival, pixel_digest(picture))
        known = self._known.get(key)
        wanted = set(labels) & set(victim.labels)
        if known is not None and (wanted <= known.shares.keys() or not known.answered):
            return known
        (verdict,) = victim.look(to_tensor(SURVIVALS[survival].apply(picture)))
        self.asked += 1
        earlier = set() if known is None else set(known.shares)
        kept = verdict.only(wanted | earlier | {guess.label for guess in verdict.top})
        self._known[key] = kept
        self._add(key, kept)
        return kept

    def _read(self, path: Path) -> None:
        try:
            data = path.read_bytes() if path.exists() else b""
            whole = data[: data.rfind(b"\n") + 1]
            if len(whole) < len(data):
                with path.open("r+b") as file:  # a line that was being written when the power went
                    file.truncate(len(whole))
        except OSError as error:
            raise StudioError(f"The answers '{path}' cannot be read: {error.strerror or error}.") from error
        for number, text in enumerate(whole.splitlines(), start=1):
            try:
                line = _Line.model_validate_json(text)
            except ValidationError as error:
                raise StudioError(
                    f"Line {number} of the answers '{path}' is damaged: delete the file, and they are asked for again."
                ) from error
            self._known[(line.victim, line.survival, line.picture)] = line.verdict

    def _add(self, key: _Key, verdict: Verdict) -> None:
        if self.path is None:
            return
        line = _Line(victim=key[0], survival=key[1], picture=key[2], verdict=verdict)
        text = json.dumps(line.model_dump(), ensure_ascii=False, allow_nan=False)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(text + "\n")
        except OSError as error:
            raise StudioError(f"The answers '{self.path}' cannot be saved: {error.strerror or error}.") from error
