"""Vocabularies as files: which folder counts, and what a damaged one does."""

import json
from types import SimpleNamespace

import pytest

from app.model_list import ModelList
from app.ui.text.vocabulary import (
    EXAMPLES,
    examples_for,
    examples_markup,
    unknown_hint,
    vocabulary_markup,
    vocabulary_of,
)
from app.visitors.vocabulary import Thing, Vocabulary, vocabulary_in
from foundation.catalogue.catalogue import Catalogue
from generator.encoders.sources import EncoderFiles, EncoderFolders
from tests.generator.encoders.tiny import write_config

EVIL = '<img src=x onerror="alert(1)">'


def write(folder, content):
    folder.mkdir(parents=True)
    (folder / "vocabulary.json").write_text(content if isinstance(content, str) else json.dumps(content))


def info(*words, title="Tiny"):
    return SimpleNamespace(name="tiny", title=title, vocabulary=words)


def test_things_and_colours_of_the_first_folder_that_has_the_model(tmp_path):
    write(tmp_path / "a" / "tiny", {"words": ["x"], "things": [{"names": ["frog", "anuran"], "kind": "animal"}]})
    write(tmp_path / "b" / "tiny", {"words": ["x"], "colours": ["red"]})
    for root in "ab":
        write_config(tmp_path / root / "tiny")
    files = EncoderFiles(tmp_path / "cache")
    roots = (tmp_path / "none", tmp_path / "a", tmp_path / "b")
    models = ModelList(Catalogue([EncoderFolders(files, root, "local") for root in roots]))
    assert models.vocabulary("tiny") == Vocabulary((Thing(("frog", "anuran"), "animal"),))
    assert vocabulary_in(tmp_path / "b" / "tiny") == Vocabulary((), ("red",))
    assert models.vocabulary("ViT-B-32/openai") is None and models.vocabulary("../a/tiny") is None
    assert [one.name for one in models.list("encoder")] == ["tiny"]


@pytest.mark.parametrize("content", ["{", "[]", {"words": ["x"]}, {"things": [7, {"names": []}, {"names": "x"}]}])
def test_without_things_there_is_nothing_to_show(tmp_path, content):
    write(tmp_path / "tiny", content)
    assert vocabulary_in(tmp_path / "tiny") is None


def test_words_stand_in_where_things_are_not_listed():
    assert vocabulary_of(info("frog"), None) == Vocabulary((Thing(("frog",)),))
    assert vocabulary_of(info(), None) is None and vocabulary_of(None, None) is None
    assert vocabulary_markup(None) == ""


def test_the_list_can_be_searched_by_every_name_and_by_kind():
    page = vocabulary_markup(Vocabulary((Thing(("Frog", "anuran"), "animal"), Thing((EVIL,))), ("red",)))
    assert "2 things and 1 colour<" in page and 'data-names="frog anuran animal"' in page
    assert 'data-pick="Frog"' in page and "<img src=x" not in page


def test_examples_are_of_words_that_the_model_knows():
    assert examples_for([info("a", "frog", "lemon")]) == ("a frog", "a lemon")
    assert set(examples_for([info()])) < set(EXAMPLES)
    assert examples_for([info("xyz")]) == EXAMPLES[:1]  # something has to stand there
    assert "<img src=x" not in examples_markup([EVIL])


def test_a_hint_names_what_a_model_does_not_know_as_far_as_the_line_can_be_read():
    models = [info("a", "frog"), info(title="General")]
    hint = unknown_hint(["a zebra:1.2 | frogs", "text"], models)
    assert "Tiny never saw \u201czebra\u201d, \u201cfrogs\u201d, \u201ctext\u201d" in hint and "General" not in hint
    assert unknown_hint(["a frog", ""], models) == ""
    for unfinished in ("a frog |", "zebra:", "?" * 5, "x " * 3000, ""):
        assert unknown_hint([unfinished], models) == ""
    assert "<img" not in unknown_hint([EVIL], models)
