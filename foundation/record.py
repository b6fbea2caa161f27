"""What is written as JSON and read again, as values with types: each is parsed once, where the JSON is read."""

from collections.abc import Collection, Iterator
from functools import cache
from typing import Annotated, Any, Self, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticKnownError

from foundation.errors import StudioError

_T = TypeVar("_T")
_NUMBERS = frozenset({int, float})


def _is_none(value: object) -> bool:
    return value is None


Maybe: TypeAlias = Annotated[_T | None, Field(exclude_if=_is_none)]
"""What a record may lack: None where it is left out, and left out where it is None."""


class RecordError(StudioError):
    """What was written cannot be read; the message names the place."""


class Record(BaseModel):
    """A part of what is written. Frozen, validated, JSON: a field that is missing is refused.

    What may be left out has a default, and says why: it belongs to some records alone, is not known yet, or was not
    written at first. It is written where it was given, even as it is by default; so a record that is read and written
    again has the fields that it had. Fields of other programs are passed over.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", serialize_by_alias=True, validate_by_name=True, validate_by_alias=True
    )

    def to_json(self, *, without: Collection[str] = ()) -> dict[str, JsonValue]:
        """As plain JSON types, in the order of the fields; some of them may be left out."""
        return self.model_dump(mode="json", exclude_unset=True, exclude=set(without))

    @classmethod
    def of(cls, other: "Record", **more: object) -> Self:
        """All that another record was given, and more of its own or in place of that."""
        given = {name: getattr(other, name) for name in other.model_fields_set}
        return cls.model_validate({**given, **more})

    @classmethod
    def read(cls, written: object, what: str = "record") -> Self:
        """Read what `to_json` gave. RecordError says what is amiss with `what`."""
        try:
            return cls.model_validate(written)
        except ValidationError as error:
            raise RecordError(f"This {what} cannot be read: {_sentence(error)}.") from error


def _sentence(error: ValidationError) -> str:
    """The first thing that is amiss, and where."""
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"])) or "all of it"
    return f"it lacks '{place}'" if first["type"] == "missing" else f"'{place}': {first['msg'].rstrip('.')}"


class ExactScalars(BaseModel):
    """Fields of numbers take no switches, and fields of switches nothing else: as the schema of the model says.

    Pydantic by itself takes `false` as the number 0, and 1 or "on" as `true`. What was ordered by mistake would then be
    done instead of refused. A number may still be written as a word, as command lines do.
    """

    @field_validator("*", mode="before")
    @classmethod
    def _is_what_it_seems(cls, value: object, info: ValidationInfo) -> object:
        taken = _scalars(cls, info.field_name or "")
        for one in _leaves(value):
            if isinstance(one, bool) and bool not in taken and taken & _NUMBERS:
                raise PydanticKnownError("float_type" if float in taken else "int_type")
            if isinstance(one, int | float | str) and taken == {bool} and not isinstance(one, bool):
                raise PydanticKnownError("bool_type")
        return value


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, list | tuple):
        for one in value:
            yield from _leaves(one)
    else:
        yield value


@cache
def _scalars(model: type[BaseModel], field: str) -> frozenset[type]:
    """The plain types that an annotation names; none where it also takes models, or whatever there is."""
    found: set[Any] = set()
    waiting: list[Any] = [model.model_fields[field].annotation]
    while waiting:
        one = waiting.pop()
        inner = get_args(one)
        if inner:
            waiting += [part for part in inner if not isinstance(part, str | int)]  # values of Literal are no types
        elif one not in (type(None), Ellipsis):
            found.add(one)
    return frozenset(found) if found <= {bool, int, float, str} else frozenset()
