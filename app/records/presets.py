"""Presets of one's own as a file, to take along and to bring back: JSON, whose form has a name and a version."""

import json
from collections.abc import Sequence
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from foundation.errors import StudioError
from foundation.files.text_files import json_text
from foundation.jobs.store.owners import NAME_LENGTH, PRESETS, NamedSettings, Preset
from generator.recipes.recipe import Recipe

FORMAT: Final = "crossmax-studio presets"
VERSION: Final = 1
FILE_NAME = "presets.json"
MOST_BYTES = 4 << 20


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FiledPreset(_Part):
    """A preset: its name, and the fields of a recipe, whose task says in which tab it is used."""

    name: str = Field(min_length=1, max_length=NAME_LENGTH)
    settings: dict[str, JsonValue]


class PresetFile(_Part):
    """All presets of somebody.

    Attributes:
        format: what this file is.
        version: of its form: another one is refused.
    """

    format: Literal["crossmax-studio presets"] = FORMAT
    version: Literal[1] = VERSION
    presets: tuple[FiledPreset, ...] = Field(max_length=PRESETS)

    @classmethod
    def of(cls, presets: Sequence[Preset]) -> Self:
        """The file of presets that are kept."""
        return cls(presets=tuple(FiledPreset(name=one.name, settings=dict(one.settings)) for one in presets))

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read a file that was exported. StudioError says what it is instead."""
        if len(data) > MOST_BYTES:
            raise StudioError(f"This file is larger than {MOST_BYTES >> 20} MB: presets that were exported are small.")
        try:
            written = json.loads(data.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise StudioError("This file is no JSON: choose one that 'Export' saved.") from error
        if not isinstance(written, dict) or written.get("format") != FORMAT:
            raise StudioError("These are no presets of this program: choose a file that 'Export' saved.")
        if written.get("version") != VERSION:
            raise StudioError(
                f"These presets are of version {str(written.get('version'))[:20]}, and this program reads version "
                f"{VERSION}: bring this program up to date."
            )
        try:
            return cls.model_validate(written)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise StudioError(f"This file of presets is damaged: '{place}': {first['msg'].rstrip('.')}.") from error

    def write(self) -> bytes:
        """The file."""
        return f"{json_text(self.model_dump(mode='json'), indent=2)}\n".encode()

    def judged(self) -> list[NamedSettings]:
        """Each with its recipe judged, as that of any file is. StudioError names the first that will not do."""
        return [judged(one.name, one.settings) for one in self.presets]


def judged(name: str, settings: dict[str, JsonValue]) -> NamedSettings:
    """Settings that are a recipe, under a name. StudioError: they are none."""
    try:
        recipe = Recipe.parse_json(json.dumps(settings))
    except StudioError as error:
        raise StudioError(f"The preset '{name}' cannot be used: {error}") from error
    return NamedSettings(recipe.task, name, recipe.model_dump(mode="json"))
