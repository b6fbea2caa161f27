import pytest
import torch

from clip_model.captions import (
    COLOURS,
    NONE,
    Draw,
    article,
    attributes_of,
    every_text,
    fill,
    other_attributes,
    rich_caption,
    with_attributes,
)
from clip_model.concepts import Concept
from clip_model.export import words_in

FROG = Concept("frog", ("frog", "toad"))


def draw(seed: int = 0) -> Draw:
    return Draw(torch.Generator().manual_seed(seed))


def test_articles_and_templates() -> None:
    assert article("orange") == "an orange" and article("red orange") == "a red orange"
    assert fill("a photo of {a:colour} here", "apple", colour="red") == "a photo of a red apple here"
    assert fill("{colour} {name} in {light}", "frog", "blue", "dark") == "blue frog in dark"


@pytest.mark.parametrize("seed", range(20))
def test_a_rich_caption_names_the_thing_and_one_attribute_of_the_image(seed: int) -> None:
    text, named = rich_caption(FROG, (COLOURS.index("red"), COLOURS.index("blue"), 0), draw(seed))
    assert any(name in text for name in FROG.names)
    assert sum(value != NONE for value in named) == 1
    assert (
        named[0] in (NONE, COLOURS.index("red")) and named[1] in (NONE, COLOURS.index("blue")) and named[2] in (NONE, 0)
    )
    if named[0] != NONE:
        assert "red" in text
    if named[1] != NONE:
        assert "blue" in text


def test_without_attributes_the_caption_is_plain() -> None:
    text, named = rich_caption(FROG, (NONE, COLOURS.index("grey"), NONE), draw())  # no template has a grey ground
    assert named == (NONE, NONE, NONE) and not any(colour in text.split() for colour in COLOURS)


@pytest.mark.parametrize("seed", range(10))
def test_the_wrong_caption_differs_in_what_was_named(seed: int) -> None:
    named = (COLOURS.index("red"), NONE, NONE)
    wrong = other_attributes(named, draw(seed))
    assert wrong[0] not in (NONE, named[0]) and wrong[1:] == (NONE, NONE)
    assert "red" not in with_attributes(FROG, wrong, draw(seed)).split()


@pytest.mark.parametrize(
    ("rgb", "colour"),
    [
        ((220, 20, 20), "red"),
        ((240, 140, 20), "orange"),
        ((230, 220, 40), "yellow"),
        ((30, 160, 40), "green"),
        ((40, 80, 220), "blue"),
        ((130, 40, 200), "purple"),
        ((250, 150, 180), "pink"),
        ((120, 70, 30), "brown"),
        ((10, 10, 10), "black"),
        ((250, 250, 250), "white"),
        ((128, 128, 128), "grey"),
    ],
)
def test_colours_have_the_names_that_people_give_them(rgb: tuple[int, int, int], colour: str) -> None:
    image = torch.tensor(rgb, dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 24, 36)
    assert attributes_of(image)[0, :2].tolist() == [COLOURS.index(colour)] * 2


def test_subject_ground_and_light_are_told_apart() -> None:
    images = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    images[0, 2] = 255  # a blue ground
    images[0, :, 8:24, 8:24] = torch.tensor([255, 0, 0], dtype=torch.uint8)[:, None, None]
    images[1] = 255
    found = attributes_of(images).tolist()
    assert found[0][:2] == [COLOURS.index("red"), COLOURS.index("blue")]
    assert found[1] == [COLOURS.index("white"), COLOURS.index("white"), 1]


def test_a_motley_region_has_no_colour() -> None:
    image = torch.zeros(1, 3, 36, 36, dtype=torch.uint8)
    for column in range(36):
        image[0, column % 3, :, column] = 255
    assert attributes_of(image)[0, :2].tolist() == [NONE, NONE]


def test_every_word_of_a_caption_is_in_the_vocabulary() -> None:
    known = set(words_in(every_text([FROG])))
    for seed in range(60):
        text, _ = rich_caption(FROG, (seed % 11, seed % 7, seed % 2), draw(seed))
        assert set(words_in([text])) <= known, text
