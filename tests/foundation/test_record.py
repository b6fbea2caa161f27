"""Records: what is missing is told, and what was written is written again as it was."""

import pytest
from pydantic import Field

from foundation.errors import StudioError
from foundation.record import Maybe, Record, RecordError


class Part(Record):
    share: float | None
    name: str = Field(alias="class")


class Whole(Record):
    parts: tuple[Part, ...]
    later: tuple[str, ...] = ()
    error: Maybe[str] = None
    file: str | None = None


class More(Whole):
    size: int


WRITTEN = {"parts": [{"share": 0.5, "class": "frog"}, {"share": None, "class": "ship"}]}


def test_what_was_written_comes_back_field_for_field() -> None:
    assert Whole.read(WRITTEN).to_json() == WRITTEN
    known = {**WRITTEN, "later": [], "file": None}  # also what it would be by default, where it is written
    assert Whole.read(known).to_json() == known
    assert Whole.read({**WRITTEN, "of another program": 1}).to_json() == WRITTEN
    assert Whole.read(known).to_json(without=("later",)) == {**WRITTEN, "file": None}


def test_what_is_not_there_is_left_out_and_what_is_null_is_written() -> None:
    made = Whole(parts=(Part(share=None, name="frog"),), error=None, file=None)
    assert made.to_json() == {"parts": [{"share": None, "class": "frog"}], "file": None}


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ({}, "it lacks 'parts'"),
        ({"parts": [{"class": "frog"}]}, r"it lacks 'parts\.0\.share'"),
        ({"parts": [{"share": "much", "class": "frog"}]}, r"'parts\.0\.share': Input should be a valid number"),
        ({**WRITTEN, "later": 5}, "'later': Input should be a valid tuple"),
        (None, "'all of it'"),
    ],
)
def test_what_is_amiss_is_a_sentence_with_its_place(written: object, sentence: str) -> None:
    with pytest.raises(RecordError, match=f"This result cannot be read: {sentence}") as raised:
        Whole.read(written, "result")
    assert isinstance(raised.value, StudioError)


def test_more_is_known_of_it() -> None:
    more = More.of(Whole.read(WRITTEN), size=3, later=("x",))
    assert more.to_json() == {**WRITTEN, "later": ["x"], "size": 3}
    with pytest.raises(ValueError, match="size"):
        More.of(Whole.read(WRITTEN))
