import open_clip
import pytest

from foundation.errors import StudioError
from generator.encoders.tokens import MAX_CHARACTERS, PromptTokenizer, TokenCount


@pytest.fixture(scope="module")
def tokenizer() -> PromptTokenizer:
    return PromptTokenizer(open_clip.tokenizer.SimpleTokenizer(context_length=8))


def test_tokens_are_open_clips(tokenizer: PromptTokenizer) -> None:
    tokens = tokenizer(["a goldfish", "two  RED cats"])
    assert tokens.tolist() == open_clip.tokenize(["a goldfish", "two red cats"], context_length=8).tolist()


def test_counts_the_marks_of_start_and_end(tokenizer: PromptTokenizer) -> None:
    assert tokenizer.count("one two three four five six") == TokenCount(6, 6, "")
    assert tokenizer.count("one two three four five six").warning == ""
    count = tokenizer.count("one two three four five six Seven, eight")
    assert count == TokenCount(9, 6, "seven , eight")
    assert "9 tokens" in count.warning
    assert "first 6" in count.warning
    assert "'seven , eight'" in count.warning


def test_what_is_cut_off_is_what_the_model_does_not_read(tokenizer: PromptTokenizer) -> None:
    read, longer = tokenizer(["one two three four five six", "one two three four five six seven"])
    assert read.tolist() == longer.tolist()


def test_models_that_drop_tokens_at_random_lose_the_last_ones_here() -> None:
    tokenizer = PromptTokenizer(open_clip.tokenizer.SimpleTokenizer(context_length=5, reduction_mask="shuffle"))
    assert tokenizer(["a b c d e f"]).tolist() == open_clip.tokenize(["a b c"], context_length=5).tolist()


@pytest.mark.parametrize("text", ["", "   \n", "\u200b\t"[1:]])
def test_nothing_to_read_is_refused(tokenizer: PromptTokenizer, text: str) -> None:
    with pytest.raises(StudioError, match="empty"):
        tokenizer([text])


def test_too_long_a_text_is_refused_at_once(tokenizer: PromptTokenizer) -> None:
    tokenizer.count("cat " * (MAX_CHARACTERS // 4))
    with pytest.raises(StudioError, match=r"10,000 characters.*2,000"):
        tokenizer.count("qx" * 5000)


@pytest.mark.parametrize("text", ["!!! ???", "🐸", "лягушка", "青蛙", "a\x00b", "half \ud83d"])
def test_signs_and_other_alphabets_are_read(tokenizer: PromptTokenizer, text: str) -> None:
    assert tokenizer([text]).shape == (1, 8)
    assert tokenizer.count(text).used > 0


class Foreign:
    """In the form of open_clip's wrapper round a tokeniser of Hugging Face, with words by their length."""

    context_length = 5

    class Inner:
        def __call__(self, text: str, add_special_tokens: bool) -> object:
            assert not add_special_tokens
            return type("Encoding", (), {"input_ids": [len(word) for word in text.split()]})

        def num_special_tokens_to_add(self) -> int:
            return 1

        def decode(self, tokens: list[int]) -> str:
            return " ".join("x" * token for token in tokens)

    tokenizer = Inner()

    def clean_fn(self, text: str) -> str:
        return text.strip("*")

    def __call__(self, texts: list[str]) -> list[list[int]]:
        return [[len(text)] * self.context_length for text in texts]


def test_tokenisers_of_hugging_face_count_their_own_marks() -> None:
    tokenizer = PromptTokenizer(Foreign())
    assert tokenizer.count("*a bb ccc dddd*") == TokenCount(4, 4, "")
    assert tokenizer.count("a bb ccc dddd ee f") == TokenCount(6, 4, "xx x")
    assert tokenizer(["abc"]).tolist() == [[3] * 5]
