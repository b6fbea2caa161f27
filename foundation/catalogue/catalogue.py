"""All models under one roof: listed, found, fetched, loaded and let go."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import replace

from foundation.catalogue.entry import (
    Found,
    Kind,
    Loadable,
    Model,
    ModelInfo,
    NoModelError,
    Source,
    Wanted,
    usual_shape,
)
from foundation.catalogue.memory import InMemory, Memory
from foundation.downloads.connection import DownloadError
from foundation.downloads.download import DownloadStopped
from foundation.errors import StudioError
from foundation.protocols import JobContext

_SHOWN = 80
_WHAT: dict[Kind, str] = {"classifier": "a classifier of ours", "encoder": "a CLIP model"}


class Catalogue:
    """The models that can be had. Safe for threads.

    A name is asked of the sources in their order; the first that knows it has it. Names come out of files unless they
    are said to be `typed`: then sources that run what is named, or follow it anywhere, are asked as well.
    """

    def __init__(self, sources: Sequence[Source], memory: Memory | None = None, precision: str = "auto") -> None:
        """Nothing is read, fetched or loaded before something is asked for. `memory` keeps what is loaded.

        `precision` is that of encoders whose loader names none (see `Wanted`).
        """
        self.sources, self.memory, self.precision = tuple(sources), memory or Memory(), precision
        self._used: dict[str, tuple[Kind, bool]] = {}

    # What there is

    def list(self, kind: Kind | None = None) -> list[ModelInfo]:
        """All models that can be chosen from a list, those of a kind if one is given; each name once."""
        found: dict[str, ModelInfo] = {}
        for source in self.sources:
            for info in source.list() if kind in (None, source.kind) else ():
                found.setdefault(info.name, info)
        return [*found.values()]

    def known(self) -> Sequence[ModelInfo]:
        """The list, and the models beside it that were loaded, by the names that they were asked for."""
        listed = self.list()
        names = {info.name for info in listed}
        used = [(name, *how) for name, how in [*self._used.items()] if name not in names]
        return [*listed, *(self.find(name, kind, typed=typed) for name, kind, typed in used)]

    def loaded(self) -> Sequence[InMemory]:
        """What is in memory, the least recently used first."""
        return self.memory.list()

    def find(self, name: str, kind: Kind | None = None, *, typed: bool = False) -> ModelInfo:
        """What is known of the model called `name`, listed or not; nothing is fetched or run.

        NoModelError if there is none, StudioError if it cannot be told what there is, or which of two is meant.
        """
        return replace(self._found(name, kind, typed).info(), name=name)

    # What is had of it

    def fetch(
        self, name: str, context: JobContext | None = None, *, kind: Kind | None = None, typed: bool = False
    ) -> None:
        """Fetch what of a model is not here. StudioError as `load`."""
        self._get(self._found(name, kind, typed), Wanted(), context)

    def load(
        self,
        name: str,
        device: str = "cpu",
        context: JobContext | None = None,
        *,
        kind: Kind | None = None,
        typed: bool = False,
        precision: str = "",
        shape: Callable[[], tuple[int, int]] = usual_shape,
    ) -> Model:
        """The model called `name` on the device, fetched and loaded on first use. Never change it: others use it.

        `context` hears how a download goes, and can end it. See `Wanted` for `shape`, and for
        `precision`, which by default is the catalogue's.

        Raises:
            NoModelError: there is none of that name.
            StudioError: its files are missing, damaged or cannot be fetched, there is too little memory, or the name
                can mean two models. What the context raises passes.
        """
        found = self._found(name, kind, typed)
        loadable = self._get(found, Wanted(device, precision or self.precision, shape), context)
        model = self.memory.get(name, device, loadable, context)
        self._used[name] = (found.kind, typed)
        return model

    def release(self, name: str | None = None) -> int:
        """Let a model go, or all, and return the bytes of weights; whoever uses one keeps it until done."""
        return self.memory.release(name)

    # Names to models

    def _found(self, name: str, kind: Kind | None, typed: bool) -> Found:
        claims: dict[Kind, Found] = {}
        for source in self.sources:
            if (source.typed_only and not typed) or kind not in (None, source.kind):
                continue
            found = source.find(name)
            if found is None:
                continue
            claims.setdefault(found.kind, found)
            if not found.instead:
                break
        if not claims:
            raise self._refuse(name, kind, typed)
        return self._meant(name, claims)

    def _meant(self, name: str, claims: dict[Kind, Found]) -> Found:
        """Which of the models that a name can mean is meant: the only one, or the only one that is here."""
        found = [*claims.values()]
        if len(found) > 1 and found[0].instead:
            here = [one for one in found if one.info().ready]
            if len(here) != 1:
                means = " or ".join(_WHAT[kind] for kind in claims)
                instead = " or ".join(f"'{one.instead}'" for one in found)
                raise StudioError(f"'{_short(name)}' can mean {means}: write {instead}.")
            return here[0]
        return found[0]

    def _get(self, found: Found, wanted: Wanted, context: JobContext | None) -> Loadable:
        try:
            return found.get(wanted, context)
        except DownloadStopped:
            raise
        except DownloadError as error:
            ready = ", ".join(f"'{info.name}'" for info in self.list(found.kind) if info.ready)
            here = f"Without a network there are: {ready}." if ready else "No other model is on this machine."
            raise type(error)(f"{error} {here}") from error

    def _refuse(self, name: str, kind: Kind | None, typed: bool) -> StudioError:
        if not typed and self._is_typed(name, kind):
            return NoModelError(
                f"The picture names the model '{_short(name)}', which is in no list here. A name like this is taken "
                "from you alone: give it as a flag (--model, --surrogate, --victim) if you trust where it leads."
            )
        if kind is not None and any(info.name == name for info in self.list()):
            return NoModelError(
                f"The model '{name}' compares pictures with texts and knows no classes: choose a classifier."
                if kind == "classifier"
                else f"The model '{name}' knows classes and reads no texts: choose a CLIP model."
            )
        asked = [source for source in self.sources if kind in (None, source.kind) and (typed or not source.typed_only)]
        infos = [info for source in asked for info in source.list()]
        names = [info.name for info in infos]
        near = [] if set(name) & set("/:") else difflib.get_close_matches(name, names, n=1)
        if near:
            return NoModelError(f"There is no model '{_short(name)}'. Did you mean '{near[0]}'?")
        help_on = next(filter(None, (source.hint(name, names) for source in asked)), "")
        return NoModelError(f"There is no model '{_short(name)}'. {help_on or _choice(infos, asked)}")

    def _is_typed(self, name: str, kind: Kind | None) -> bool:
        """Whether the name is one that only who types it can mean."""
        for source in self.sources:
            try:
                if source.typed_only and kind in (None, source.kind) and source.find(name) is not None:
                    return True
            except StudioError:  # it has the form, and leads nowhere
                return True
        return False


def _choice(infos: Sequence[ModelInfo], sources: Sequence[Source]) -> str:
    """What can be chosen, as a sentence."""
    forms = [form for source in sources for form in source.forms]
    names = ", ".join(info.name for info in infos if info.ready)
    there = f"Choose from the list ({names or 'of which none is ready'})"
    return f"{there}, or give one of: {', '.join(forms)}." if forms else f"{there}."


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
