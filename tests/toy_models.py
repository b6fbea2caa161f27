"""Models in memory as a source of the catalogue."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from foundation.catalogue.entry import Found, Kind, Loadable, ModelInfo, Wanted
from foundation.protocols import JobContext

Get = Callable[[Wanted, JobContext | None], Any]


class Toys:
    """Models by their names. An error in the place of one is raised when it is loaded."""

    forms: tuple[str, ...] = ()

    def __init__(
        self,
        models: Mapping[str, Any],
        kind: Kind = "classifier",
        *,
        class_names: Sequence[str] = (),
        origin: Any = "local",
        typed_only: bool = False,
        instead: str = "",
        ready: bool = True,
    ) -> None:
        self.models, self.kind, self.class_names, self.origin = dict(models), kind, tuple(class_names), origin
        self.typed_only, self.instead, self.ready = typed_only, instead, ready
        self.asked: list[str] = []

    def list(self) -> Sequence[ModelInfo]:
        return [] if self.typed_only else [self._info(name) for name in self.models]

    def find(self, name: str) -> Found | None:
        if name not in self.models:
            return None
        return Found(self.kind, lambda: self._info(name), lambda wanted, _: self._get(name, wanted), self.instead)

    def hint(self, _name: str, _listed: Sequence[str]) -> str:
        return ""

    def _info(self, name: str) -> ModelInfo:
        classes = getattr(self.models[name], "class_names", self.class_names)
        revision = getattr(self.models[name], "revision", "0" * 15 + "1")
        return ModelInfo(
            name, self.kind, name, "", self.origin, ready=self.ready, revision=revision, class_names=classes
        )

    def _get(self, name: str, wanted: Wanted) -> Loadable:
        def load() -> Any:
            self.asked.append(name)
            if isinstance(self.models[name], Exception):
                raise self.models[name]
            return self.models[name]

        return Loadable(None, 0, load)
