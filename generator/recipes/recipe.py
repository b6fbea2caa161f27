"""The recipe of a picture: everything needed to make it again, as one frozen and validated value.

The flags of the command line, the widgets of the app, the jobs and the metadata of a PNG are all this one
type, and every default lives here (in `generator.recipes.schema`).
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import PrivateAttr, ValidationError, field_validator, model_validator

from foundation.errors import StudioError
from foundation.files.text_files import shown
from foundation.images.files import METADATA_KEY, read_metadata
from generator.objectives.classes import leads_away
from generator.recipes.checks import (
    check_budget,
    check_redraw,
    check_rule,
    check_seeds,
    check_targets,
    check_tasks,
    check_text,
    check_unit,
    check_version,
)
from generator.recipes.errors import sentences
from generator.recipes.guides import Guides
from generator.recipes.schema import AIMS, RECIPE_VERSION, TASK_DEFAULTS, RecipeSchema
from generator.units.unit import Unit

__all__ = ["MAX_JSON_LENGTH", "RECIPE_VERSION", "Recipe", "RecipeError"]

MAX_JSON_LENGTH = 64 * 1024


class RecipeError(StudioError):
    """A recipe that cannot be used; each sentence of the message names the field it is about."""


class Recipe(RecipeSchema):
    """Everything that determines a picture, given the weights of the models.

    Equal recipes have equal JSON. Raises RecipeError wherever it is made from something that does not fit.
    """

    _guides: Guides | None = PrivateAttr(default=None)
    _named_unit: Unit | None = PrivateAttr(default=None)

    if not TYPE_CHECKING:  # type checkers see the constructor that the fields define

        def __init__(self, /, **fields: Any) -> None:
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise RecipeError(sentences(error, type(self).model_fields)) from error

        @classmethod
        def model_validate(cls, fields: Any, **_options: Any) -> Self:
            if isinstance(fields, cls):
                return fields
            if not isinstance(fields, Mapping):
                raise RecipeError("A recipe is made of named fields.")
            return cls(**fields)

        @classmethod
        def model_validate_json(cls, text: str | bytes, **_options: Any) -> Self:
            return cls.parse_json(text if isinstance(text, str) else text.decode(errors="replace"))

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_task(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        task = fields.get("task", cls.model_fields["task"].default)
        if not isinstance(task, str):
            return fields
        attack = task == "attack"
        aims_elsewhere = fields.get("unit") or (attack and any(fields.get(name) for name in AIMS))
        aims_elsewhere = aims_elsewhere or (attack and leads_away(fields.get("objective")))
        return {**TASK_DEFAULTS.get(task, {}), **({"classes": ()} if aims_elsewhere else {}), **fields}

    @field_validator("size", mode="before")
    @classmethod
    def _one_side_makes_a_square(cls, value: Any) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return (value, value)
        if isinstance(value, (list, tuple)) and len(value) == 1:
            return (value[0], value[0])
        return value

    @field_validator(
        *("weights", "tolerance", "balance", "momentum", "start_std", "eps", "enough", "detail"),
        *("class_weight", "target_weight", "style_weight", "margin", "caption_weight"),
    )
    @classmethod
    def _no_negative_zero(cls, value: Any) -> Any:  # -0.0 == 0.0, but their JSON differs
        return tuple(number + 0.0 for number in value) if isinstance(value, tuple) else value + 0.0

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Self:
        if self._guides is not None:  # a recipe is checked once, and not where it becomes a part of a record
            return self
        check_version(self.version)
        check_targets(self)
        self._named_unit = check_unit(self)
        check_seeds(self)
        check_redraw(self)
        check_budget(self)
        check_tasks(self)
        self._guides = check_text(self)
        check_rule(self)
        return self

    @property
    def guides(self) -> Guides:
        """The prompts, as they were read when the recipe was checked."""
        assert self._guides is not None
        return self._guides

    @property
    def named_unit(self) -> Unit | None:
        """The unit, as it was read when the recipe was checked; None if there is none."""
        return self._named_unit

    def with_changes(self, **fields: Any) -> Self:
        """A recipe with some fields changed, validated anew.

        New models drop the revisions of the old, and more steps than were planned a plan for fewer.
        """
        models = fields.get("models", self.models)
        if "revisions" not in fields and models not in (self.models, list(self.models)):
            fields["revisions"] = ()
        steps = fields.get("steps", self.steps)
        if "planned_steps" not in fields and isinstance(steps, int) and steps > self.planned_steps:
            fields["planned_steps"] = 0
        return type(self)(**(self.model_dump() | fields))

    def completed(self, **found: object) -> Self:
        """The recipe with what a program found for it filled in: values that fit, of fields in no grammar.

        Nothing is checked, and no text is read anew.
        """
        assert not found.keys() & {*AIMS, "prompt_to", "against", "unit", "task"}
        return self.model_copy(update=found)

    def to_json(self) -> str:
        """Canonical JSON: all fields in their order, on one line; equal recipes have equal text."""
        return self.model_dump_json()

    def digest(self) -> str:
        """A short identifier: the first 12 hex digits of the SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    @classmethod
    def parse_json(cls, text: str) -> Self:
        """Read what to_json wrote. Raises RecipeError for text of other programs and of other versions."""
        if len(text) > MAX_JSON_LENGTH:
            raise RecipeError("This is no recipe of this program: it is far too long.")
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RecipeError("This is no recipe of this program, or it is damaged: it is not JSON.") from error
        if not isinstance(fields, dict) or not fields.keys() & cls.model_fields.keys():
            raise RecipeError("This is no recipe of this program: it is JSON of another kind.")
        try:
            check_version(fields.get("version", RECIPE_VERSION))  # before fields of another version are judged
        except ValueError as error:
            raise RecipeError(str(error)) from error
        return cls(**fields)

    @classmethod
    def from_png(cls, source: str | Path | bytes) -> Self:
        """Read the recipe in a PNG file. Raises RecipeError if there is none, or ImageError."""
        texts = read_metadata(source)
        if METADATA_KEY not in texts:
            which = "This picture" if isinstance(source, bytes) else f"'{shown(source)}'"
            raise RecipeError(
                f"{which} carries no recipe. Choose a PNG saved by this program: copies made by other "
                "programs and web sites often lose it."
            )
        return cls.parse_json(texts[METADATA_KEY])

    def png_metadata(self) -> Mapping[str, str]:
        """What save_png is given so that the picture carries this recipe."""
        return {METADATA_KEY: self.to_json()}
