"""What is written as JSON and read again, as values with types: each is parsed once, where the JSON is read."""

from collections.abc import Collection
from typing import Annotated, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from foundation.errors import StudioError

_T = TypeVar("_T")


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
