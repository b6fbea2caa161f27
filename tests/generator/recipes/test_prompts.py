"""Several weighted prompts in one line."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from generator.recipes.prompts import MOST_PARTS, Prompt, PromptError, is_drawable, parse_prompts
from generator.recipes.recipe import Recipe
from tests.examples import examples
from tests.generator.recipes.written import write_prompts


@pytest.mark.parametrize(
    ("line", "prompts"),
    [
        ("a frog", [("a frog", 1)]),
        ("  a\tgreen \n frog ", [("a green frog", 1)]),
        ("a frog:1.2", [("a frog", 1.2)]),
        ("a frog : 1.2 ", [("a frog", 1.2)]),
        ("a frog:-.5|a leaf:+2.", [("a frog", -0.5), ("a leaf", 2)]),
        ("a frog | a leaf | rain:0.25", [("a frog", 1), ("a leaf", 1), ("rain", 0.25)]),
        ("a frog:0.5 AND a leaf AND rain", [("a frog", 0.5), ("a leaf", 1), ("rain", 1)]),
        ("salt and pepper", [("salt and pepper", 1)]),
        ("SAND | ANDES | BANDS", [("SAND", 1), ("ANDES", 1), ("BANDS", 1)]),
        ("a frog::1.2 oil painting::0.5", [("a frog", 1.2), ("oil painting", 0.5)]),
        ("a frog::1.2 | oil painting::.5 | rain", [("a frog", 1.2), ("oil painting", 0.5), ("rain", 1)]),
        ("a frog::1.2 AND rain", [("a frog", 1.2), ("rain", 1)]),
        ("hot:: dog", [("hot", 1), ("dog", 1)]),
        ("hot::dog::", [("hot", 1), ("dog", 1)]),
        ("cake::-0.5", [("cake", -0.5)]),
        ("cake::-half", [("cake", 1), ("-half", 1)]),
        ("Star Wars: a hero", [("Star Wars: a hero", 1)]),
        ("Star Wars: a hero:0.5", [("Star Wars: a hero", 0.5)]),
        ("style:anime", [("style:anime", 1)]),
        ("a frog: -x", [("a frog: -x", 1)]),
        ("a 16:9 screen", [("a 16:9 screen", 1)]),
        ("12:30 on a clock", [("12:30 on a clock", 1)]),
        (r"12\:30 | 1\|2 | \\ x | x\:2", [("12:30", 1), ("1|2", 1), ("\\ x", 1), ("x:2", 1)]),
        (r"you \AND me", [("you AND me", 1)]),
        (r"\ANDROID", [("ANDROID", 1)]),
        (r"\"hello\" on a wall", [('"hello" on a wall', 1)]),
        ('a sign says "go"', [('a sign says "go"', 1)]),
        ('"Tom | Jerry: AND so::2 on":0.5', [("Tom | Jerry: AND so::2 on", 0.5)]),
        ('"a" :2 | "b"::3 "c"', [("a", 2), ("b", 3), ("c", 1)]),
        (r'"say \"hi\" \\ "', [('say "hi" \\', 1)]),
        ("лягушка | 青蛙:2 | ضفدع | 🐸", [("лягушка", 1), ("青蛙", 2), ("ضفدع", 1), ("🐸", 1)]),
    ],
)
def test_what_is_understood(line: str, prompts: list[tuple[str, float]]) -> None:
    assert parse_prompts(line) == tuple(Prompt(*prompt) for prompt in prompts)


@pytest.mark.parametrize(
    ("line", "prompts"),
    [
        *(
            (text, [(text, 1)])
            for text in ("a photo in 16:9", "10:05", "it is 12:30", "at 10:05:30", "2.39:1", "1920:1080")
        ),
        ("4:3 AND a frog:2", [("4:3", 1), ("a frog", 2)]),
        ("a photo in 16:9::0.5 rain", [("a photo in 16:9", 0.5), ("rain", 1)]),
        ("a photo in 16:9 :2", [("a photo in 16:9", 2)]),
        (r"a photo in 16\:9:2", [("a photo in 16:9", 2)]),
        ("route 66:-0.3", [("route 66", -0.3)]),
        ("an mp3:2 | Mk2:1.5 | 66: 2", [("an mp3", 2), ("Mk2", 1.5), ("66", 2)]),
    ],
)
def test_ratios_and_times_are_text(line: str, prompts: list[tuple[str, float]]) -> None:
    """F29: a colon between numbers is no weight's."""
    assert parse_prompts(line) == tuple(Prompt(*prompt) for prompt in prompts)
    assert parse_prompts(write_prompts(parse_prompts(line))) == parse_prompts(line)


@pytest.mark.parametrize(("line", "last"), [("route 66:1.2", 66), ("blade runner 2049:2", 2049), ("1:2.35", 1)])
def test_what_may_be_a_weight_after_a_number_is_refused(line: str, last: int) -> None:
    """F29: where a text is as likely as a weight, nobody guesses."""
    with pytest.raises(PromptError, match=rf"{last}\\:.*{last} :"):
        parse_prompts(line)


def test_recipes_of_before_keep_their_weights() -> None:
    """F29: a recipe before version 4 means by its prompts what it meant."""
    assert parse_prompts("a photo in 16:9", ratios=False) == (("a photo in 16", 9.0),)
    fields = {"task": "text", "models": ("tiny-clip",), "prompt": "a photo in 16:9", "negative": "at 10:05"}
    old, new = (Recipe(**fields, version=version).guides for version in (3, 4))
    assert (old.wanted, old.unwanted) == ((("a photo in 16", 9.0),), (("at 10", 5.0),))
    assert (new.wanted, new.unwanted) == ((("a photo in 16:9", 1.0),), (("at 10:05", 0.3),))


def test_a_default_weight() -> None:
    assert parse_prompts("text | blur:1", default=0.3) == (("text", 0.3), ("blur", 1.0))
    assert write_prompts([Prompt("text", 0.3), Prompt("blur", 1.0)], default=0.3) == "text | blur:1.0"


@pytest.mark.parametrize(
    ("line", "position", "says"),
    [
        ("", 0, "There is no prompt"),
        (" \n\t", 0, "There is no prompt"),
        ("... !?", 0, "nothing to draw"),
        ("+ = ~", 0, "nothing to draw"),
        ("a frog | -", 9, "nothing to draw"),
        ("| a frog", 0, "A prompt is missing"),
        ("a | | b", 4, "A prompt is missing"),
        ("a AND AND b", 6, "A prompt is missing"),
        (":2", 0, "A prompt is missing"),
        ('"" | b', 0, "A prompt is missing"),
        ("a frog |", 7, "Nothing follows this separator"),
        ("a frog AND ", 7, "Nothing follows this separator"),
        ("a frog:", 7, "A weight is missing"),
        ("a frog: | b", 8, "A weight is missing"),
        ("a frog:1.2.3 | b", 7, "'1.2.3' is no weight"),
        ("a frog:1,5", 7, "'1,5' is no weight"),
        ("a frog:-", 7, "'-' is no weight"),
        ("a frog::2x", 8, "'2x' is no weight"),
        ("a frog:0", 7, "The weight 0 is out of range"),
        ("a frog::1e3", 8, "'1e3' is no weight"),
        ("it is half past 12:30.5.1", 19, "'30.5.1' is no weight"),
        ('a | "frog', 4, "This quotation mark is never closed"),
        ('"frog" legs', 7, "Nothing but a weight can follow"),
        ('"frog":x', 7, "'x' is no weight"),
        ("a frog \\", 7, "Nothing follows this backslash"),
    ],
)
def test_errors_point_at_their_place(line: str, position: int, says: str) -> None:
    with pytest.raises(PromptError) as caught:
        parse_prompts(line)
    message = str(caught.value)
    assert says in message and message.endswith(".")
    assert caught.value.position == position
    head, shown, caret, _remedy = message.split("\n")
    assert head.endswith(f"at character {position + 1}:")
    assert caret.index("^") == 4 + position
    assert shown == "    " + line.replace("\n", " ").replace("\t", " ")


def test_the_caret_stands_under_wide_characters_and_in_long_lines() -> None:
    with pytest.raises(PromptError) as caught:
        parse_prompts("青蛙:9.9.9")
    assert str(caught.value).split("\n")[2] == "    " + " " * 5 + "^"
    with pytest.raises(PromptError) as caught:
        parse_prompts("word " * 60 + "| x:3.2.1 | " + "tail " * 60)
    _, shown, caret, _ = str(caught.value).split("\n")
    assert shown.startswith("    …") and shown.endswith("…") and len(shown) < 70
    assert shown[caret.index("^") :].startswith("3.2.1")


def test_there_is_a_limit() -> None:
    assert len(parse_prompts("|".join(["x"] * MOST_PARTS))) == MOST_PARTS
    with pytest.raises(PromptError, match="more than 64"):
        parse_prompts("|".join(["x"] * (MOST_PARTS + 1)))


def test_what_can_be_drawn() -> None:
    assert all(is_drawable(text) for text in ("x", "7", "é", "🐸", "❤️", "©", "\U0010fffd"))
    assert not any(is_drawable(text) for text in ("", ".", "—", "«»", "+", "^", "\u200d", "\u0301", " "))


texts = st.text(max_size=12).map(lambda text: " ".join("".join(filter(_plain, text)).split())).filter(is_drawable)
tricky = st.text('AND:|\\" 01.-x', max_size=12).map(lambda text: " ".join(text.split())).filter(is_drawable)
weights = st.floats(0.001, 10) | st.floats(-10, -0.001)


def _plain(character: str) -> bool:
    return character.isprintable() or character == " "


@pytest.mark.slow
@settings(max_examples=examples(400), deadline=None)
@given(st.lists(st.builds(Prompt, texts | tricky, weights | st.just(1.0)), min_size=1, max_size=5))
@example([Prompt('"'.join("ab"), 1.0), Prompt('"x"', 2.0), Prompt("AND", 1.0), Prompt("x AND AND", -1.0)])
@example([Prompt("|AND", 1.0), Prompt("x|AND y", 1.0), Prompt("AND|x", 1.0)])
@example([Prompt("a\\", 0.5), Prompt("x:1.5", 1.0), Prompt("::x", 1.0), Prompt(":1", 0.001)])
def test_writing_and_reading_gives_the_same_prompts(prompts: list[Prompt]) -> None:
    line = write_prompts(prompts)
    assert parse_prompts(line) == tuple(prompts)
    assert "\n" not in line


@pytest.mark.slow
@settings(max_examples=examples(400), deadline=None)
@given(st.text('aA ND:|\\".1-', max_size=20) | st.text(max_size=20))
def test_any_line_is_read_or_refused_in_words(line: str) -> None:
    try:
        prompts = parse_prompts(line)
    except PromptError as error:
        assert 0 <= error.position <= len(line) and str(error).endswith(".")
    else:
        assert parse_prompts(write_prompts(prompts)) == prompts
