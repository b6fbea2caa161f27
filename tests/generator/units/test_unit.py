"""Units as text."""

import pytest

from generator.units.unit import Unit, UnitError, parse_unit


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("blocks.3", Unit("blocks.3")),
        (" blocks.3:12 ", Unit("blocks.3", ((12, 1.0),))),
        ("a:12@centre", Unit("a", ((12, 1.0),), "centre")),
        ("a:12@center", Unit("a", ((12, 1.0),), "centre")),
        ("a:0@4,7", Unit("a", ((0, 1.0),), (4, 7))),
        ("a:0@9", Unit("a", ((0, 1.0),), (9,))),
        ("a:3*0.7-12*0.5+1", Unit("a", ((3, 0.7), (12, -0.5), (1, 1.0)))),
        ("a:-12", Unit("a", ((12, -1.0),))),
        ("a: 3*.5 + 4 @ 1, 2", Unit("a", ((3, 0.5), (4, 1.0)), (1, 2))),
        ("odd:name:3", Unit("odd:name", ((3, 1.0),))),
    ],
)
def test_what_is_written_is_meant(text: str, unit: Unit) -> None:
    assert parse_unit(text) == unit


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (":3", "names no layer"),
        ("", "names no layer"),
        ("a:", "is no channel"),
        ("a:red", "is no channel of a layer: write 'LAYER:CHANNEL'"),
        ("a:3*", "is no channel"),
        ("a:3**2", "is no channel"),
        ("a:3*-2", "is no channel"),
        ("a:3,4", "is no channel"),
        ("a:3+3", "named twice"),
        ("a:3*0", "weight of channel 3 is 0"),
        ("a:3*0.0", "weight of channel 3 is 0"),
        ("a:1234567890", "more than 9 digits"),
        ("a:3@", "no position"),
        ("a:3@top", "no position: write @centre"),
        ("a:3@1,2,3", "no position"),
        ("a:3@-1", "no position"),
        ("a@centre", "has a position but no channel: write a:CHANNEL@centre"),
        ("a:\u0663@\u0663", "no channel|no position"),
    ],
)
def test_what_is_no_unit_has_a_sentence(text: str, words: str) -> None:
    with pytest.raises(UnitError, match=words):
        parse_unit(text)
