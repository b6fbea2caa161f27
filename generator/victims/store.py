"""Answers of victims on disk, by what was looked at: nothing is asked twice, also after a power cut."""

from collections.abc import Collection
from pathlib import Path

from PIL import Image
from pydantic import BaseModel, ConfigDict

from foundation.files.json_lines import JsonLines
from foundation.images.files import pixel_digest, to_tensor
from generator.victims.survival import SURVIVALS
from generator.victims.verdicts import Verdict
from generator.victims.victims import Victim


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    victim: str
    survival: str
    picture: str
    verdict: Verdict


_Key = tuple[str, str, str]


class VerdictStore:
    """Verdicts by the victim's identity, what happened to the picture, and the digest of its pixels.

    With a `path` each answer is also added to that file (see `JsonLines`), from which another store goes on.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Read what the file holds, if it is there. StudioError if it cannot be read."""
        self.asked = 0
        """How often a victim had to be asked."""
        self._known: dict[_Key, Verdict] = {}
        self._file = None if path is None else JsonLines(path, _Line, "answers")
        if self._file is not None:
            for line in self._file.read():
                self._known[(line.victim, line.survival, line.picture)] = line.verdict

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
        if self._file is not None:
            self._file.add(_Line(victim=key[0], survival=key[1], picture=key[2], verdict=kept))
        return kept
