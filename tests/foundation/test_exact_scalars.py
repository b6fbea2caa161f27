"""Numbers and switches of models are those of JSON."""

import pytest
from pydantic import BaseModel, ValidationError

from foundation.record import ExactScalars


class Inner(BaseModel):
    name: str


class Told(ExactScalars):
    switch: bool = True
    number: int = 0
    part: float = 0.0
    parts: tuple[float, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    either: bool | int = 0
    maybe: int | None = None
    word: str = ""
    inner: Inner | None = None
    flags: tuple[bool, ...] = ()


@pytest.mark.parametrize(
    "told",
    [
        {"switch": False, "number": 3, "part": 2, "parts": [1, 0.5], "pairs": [[1, 2]], "flags": [True, False]},
        {"number": 2.0, "maybe": None, "word": "true", "inner": {"name": "x"}},
        {"number": "3", "part": "0.5"},
        {"either": True},
        {"either": 1},
    ],
)
def test_what_is_meant_is_taken(told: dict[str, object]) -> None:
    taken = Told.model_validate(told)
    assert all(getattr(taken, name) is not None or name == "maybe" for name in told)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("switch", 0, "boolean"),
        ("switch", 1.0, "boolean"),
        ("switch", "on", "boolean"),
        ("flags", [True, 1], "boolean"),
        ("number", False, "integer"),
        ("part", True, "number"),
        ("parts", [0.5, True], "number"),
        ("pairs", [[1, True]], "integer"),
        ("maybe", True, "integer"),
    ],
)
def test_what_is_taken_for_another_is_refused(field: str, value: object, words: str) -> None:
    with pytest.raises(ValidationError, match=f"valid {words}"):
        Told.model_validate({field: value})
