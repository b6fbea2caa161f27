from pathlib import Path

import pytest

from foundation.errors import StudioError
from generator.encoders.vocabulary import read_vocabulary, unknown_words

KNOWN = frozenset({"a", "goldfish", "red", "t-shirt", "haired", "cat", "in", "water", "3", "don't"})


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a Goldfish, in (RED) water!", ()),
        ("a wizard in a red castle", ("wizard", "castle")),
        ("Wizard, wizard. WIZARD", ("Wizard",)),
        ("a red-haired cat", ()),
        ("a blue-haired cat", ("blue",)),
        ("a t-shirt", ()),
        ("the cat's water", ("the",)),
        ("the cat’s water", ("the",)),
        ("don't", ()),
        ("3 cats", ("cats",)),
        ("... --- !!", ()),
        ("", ()),
        ("a 🐸", ("🐸",)),
        ("золотая рыбка", ("золотая", "рыбка")),
        ("«cat»", ()),
        ("red/blue", ("blue",)),
    ],
)
def test_unknown_words(text: str, unknown: tuple[str, ...]) -> None:
    assert unknown_words(text, KNOWN) == unknown


def test_reads_the_words(tmp_path: Path) -> None:
    assert read_vocabulary(tmp_path) == ()
    (tmp_path / "vocabulary.json").write_text('{"words": ["Cat", "dog"], "made": "by hand"}')
    assert read_vocabulary(tmp_path) == ("Cat", "dog")


@pytest.mark.parametrize("content", ['{"words": ', "[]", '{"words": "cat"}', '{"words": [1]}', '{"word": ["cat"]}'])
def test_other_contents_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "vocabulary.json").write_text(content)
    with pytest.raises(StudioError, match=r"vocabulary\.json"):
        read_vocabulary(tmp_path)
