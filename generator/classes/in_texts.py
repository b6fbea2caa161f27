"""Which class of a classifier a text names: "a lighthouse at night" has a lighthouse, which ImageNet calls a beacon.

The longest run of words counts that is a class, the first of several: of "a red sports car" the sports car. Things of
everyday speech that are no class, but kinds of which a model knows some, stand for a typical one (`TYPICAL`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from foundation.errors import StudioError
from generator.classes.class_names import UnknownClassError, meaning, several_names

_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*\.?")
_MOST_WORDS = 5
"""Of a class's name."""
_COLOURS = frozenset({"orange", "lemon", "rose"})
"""Classes whose names are also colours: before another word ("an orange cat") they are that."""
SMALL_WORDS = frozenset(
    (
        *("a", "an", "and", "at", "by", "for", "from", "in", "into", "near", "of"),
        *("on", "or", "over", "the", "under", "with", "without"),
    )
)
"""Words that are no thing, and end what a colour can be said of."""

TYPICAL: Mapping[str, str] = {
    "airplane": "airliner",
    "aeroplane": "airliner",
    "ape": "chimpanzee",
    "apple": "Granny Smith",
    "bag": "backpack",
    "ball": "soccer ball",
    "beach": "seashore",
    "bear": "brown bear",
    "bed": "four-poster",
    "beer": "beer bottle",
    "beetle": "ladybug",
    "bicycle": "mountain bike",
    "bike": "mountain bike",
    "bird": "goose",
    "boat": "lifeboat | speedboat",
    "book": "comic book",
    "bread": "French loaf",
    "bridge": "suspension bridge",
    "bunny": "wood rabbit",
    "burger": "cheeseburger",
    "butterfly": "monarch",
    "car": "sports car",
    "cat": "tabby",
    "chair": "rocking chair",
    "clock": "analog clock",
    "coffee": "espresso",
    "computer": "desktop computer",
    "cow": "ox",
    "crab": "Dungeness crab",
    "crocodile": "American alligator",
    "cup of coffee": "espresso",
    "dinosaur": "triceratops",
    "dog": "golden retriever",
    "elephant": "African elephant",
    "fire truck": "fire engine",
    "fish": "goldfish",
    "flower": "daisy",
    "football": "soccer ball",
    "fox": "red fox",
    "frog": "tailed frog",
    "guitar": "acoustic guitar",
    "hamburger": "cheeseburger",
    "hat": "sombrero",
    "horse": "sorrel",
    "insect": "ladybug",
    "jet": "airliner",
    "kitten": "tabby",
    "lake": "lakeside",
    "lamp": "lampshade | table lamp",
    "lizard": "green lizard",
    "lobster": "American lobster",
    "lorry": "moving van",
    "monkey": "baboon",
    "motorbike": "moped",
    "motorcycle": "moped",
    "mountain": "alp",
    "ocean": "seashore",
    "owl": "great grey owl",
    "panda": "giant panda",
    "parrot": "macaw",
    "penguin": "king penguin",
    "phone": "cellular telephone",
    "piano": "grand piano",
    "pig": "hog",
    "plane": "airliner",
    "pony": "sorrel",
    "puppy": "golden retriever",
    "rabbit": "wood rabbit",
    "rocket": "missile",
    "sailboat": "yawl",
    "sailing ship": "schooner",
    "sea": "seashore",
    "shark": "great white shark",
    "sheep": "bighorn",
    "ship": "container ship",
    "shoe": "sandal",
    "snake": "boa constrictor",
    "spaceship": "space shuttle",
    "spider": "tarantula",
    "steam train": "steam locomotive | bullet train",
    "sunflower": "daisy",
    "table": "dining table",
    "telephone": "dial telephone",
    "toad": "tailed frog",
    "train": "bullet train",
    "truck": "moving van",
    "turtle": "loggerhead",
    "wine": "red wine",
    "wolf": "timber wolf",
}
"""Everyday words, and the class that stands for them, or several, of which a model takes the first that it knows.

Where there are several such classes, it is one that small sets of images (Tiny-ImageNet) have as well, so that models
of either list lead to the same thing."""


def class_in(text: str, names: Sequence[str]) -> tuple[str, str] | None:
    """The words of a text that name a class of a model, and that class (one of `names`); None if no words do.

    A model that has a class of that very name takes it ("frog" of CIFAR-10); plurals mean the same.
    """
    for phrase in _phrases(text):
        for written in _forms(phrase):
            found = _class_of(written, names)
            if found is not None:
                return phrase, found
    return None


def _class_of(written: str, names: Sequence[str]) -> str | None:
    usual = TYPICAL.get(written.casefold(), "")
    exactly = [name for name in names if name.casefold() == written.casefold()] if usual and len(names) < 100 else []
    for wanted in (*exactly, *several_names(usual), written):
        if wanted.isdecimal():
            continue  # a number in a text is no class's number
        try:
            return names[meaning(names, wanted).place]
        except UnknownClassError:
            continue
        except StudioError:  # it can mean several
            continue
    return None


def _phrases(text: str) -> Iterator[str]:
    """Runs of words, the longest first, and of these the first ones first."""
    words = [word.group().rstrip(".") for word in _WORD.finditer(text)]
    for length in range(min(_MOST_WORDS, len(words)), 0, -1):
        for start in range(len(words) - length + 1):
            after = words[start + length].casefold() if start + length < len(words) else "the"
            said = words[start].casefold()
            if length == 1 and (said in SMALL_WORDS or (said in _COLOURS and after not in SMALL_WORDS)):
                continue
            yield " ".join(words[start : start + length])


def _forms(phrase: str) -> Iterator[str]:
    """A phrase, and what it may be the plural of."""
    yield phrase
    for ending, singular in (("ies", "y"), ("ves", "f"), ("es", ""), ("s", "")):
        if phrase.casefold().endswith(ending) and len(phrase) > len(ending) + 2:
            yield phrase[: -len(ending)] + singular
