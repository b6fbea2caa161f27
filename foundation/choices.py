"""Fields of a recipe whose values, or helps, come from a registry: an entry there is a choice everywhere."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticKnownError, core_schema

MARK = "{choices}"
"""In the description of a field: what the entries say of themselves."""


@dataclass(frozen=True)
class OneOf:
    """Says that a value is a key of a registry, which is asked whenever a value is judged.

    Attributes:
        registry: returns it.
        more: names that stand for no entry, such as "auto".
    """

    registry: Callable[[], Mapping[str, object]]
    more: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Judge a value as a `Literal` of the names would."""
        return core_schema.no_info_plain_validator_function(
            self._judged, serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json")
        )

    def __get_pydantic_json_schema__(
        self, _schema: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe it as a text that is one of the names."""
        return {"type": "string", "enum": list(self.names())}

    def names(self, task: str = "") -> tuple[str, ...]:
        """What can be chosen, for a task if one is given: an entry may say of which `tasks` it is."""
        entries = self.registry().items()
        return (*self.more, *(name for name, entry in entries if not task or task in (tasks_of(entry) or (task,))))

    def describe(self, text: str) -> str:
        """A field's description, with what the entries say of themselves."""
        said = [f"'{name}' {words}" for name, entry in self.registry().items() if (words := getattr(entry, "says", ""))]
        return text.replace(MARK, ", ".join(said))

    def _judged(self, value: Any) -> str:
        names = self.names()
        if not isinstance(value, str) or value not in names:
            raise PydanticKnownError("literal_error", {"expected": offered(names)})
        return value


@dataclass(frozen=True)
class Told:
    """Says that the description of a field speaks of entries of a registry.

    Attributes:
        mark: stands for them in the description.
        words: returns what is read in its place.
    """

    mark: str
    words: Callable[[], str]

    def describe(self, text: str) -> str:
        """A field's description, with the words."""
        return text.replace(self.mark, self.words())


def offered(names: Iterable[str]) -> str:
    """Names as a sentence offers them: 'a', 'b' or 'c'."""
    quoted = [f"'{name}'" for name in names]
    return " or ".join(filter(None, [", ".join(quoted[:-1]), *quoted[-1:]]))


def tasks_of(entry: object) -> tuple[str, ...]:
    """The tasks that an entry of a registry is for; () for all."""
    found = getattr(entry, "tasks", ())
    return found if isinstance(found, tuple) else ()


def menu(registry: Mapping[str, object]) -> list[tuple[str, str]]:
    """A registry as a menu shows it: titles, and the names that they stand for."""
    return [(getattr(entry, "title", "") or name, name) for name, entry in registry.items()]
