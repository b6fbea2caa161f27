"""What a vision-language model said about a picture, sample by sample, with its scores."""

from pydantic import BaseModel, ConfigDict

SCORES = (
    *("target_keywords", "label_keywords", "target_overlap", "clean_overlap"),
    *("target_cosine", "clean_cosine", "judge"),
)
"""The fields of a verdict that are scores."""


class VlmVerdict(BaseModel):
    """One sample.

    Scores are None where there is nothing to compare with, or nothing was said.

    Attributes:
        sample, seed: which one, and the seed that was sent with it.
        text: the description; "" if there is none.
        error: why there is none, as a sentence.
        target_keywords, label_keywords: share of the keywords of the target, and of the true label, 0 to 1.
        target_overlap, clean_overlap: content words in common (Dice, 0 to 1) with the texts of the target, and of
            the clean picture (its other samples, for one of these): means over them.
        target_cosine, clean_cosine: the same by the cosine of an encoder's text tower, -1 to 1.
        judge: similarity 0 to 1 by the judge, to the target's text, or to the clean picture's if there is no target.
        judge_error: why the judge gave none, as a sentence.
        prompt_tokens, completion_tokens: of the description; an estimate if `estimated`.
        latency_s: seconds of the request that brought it.
        remembered: whether it was asked before, by this run or an earlier one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: int
    seed: int
    text: str = ""
    error: str = ""
    target_keywords: float | None = None
    label_keywords: float | None = None
    target_overlap: float | None = None
    clean_overlap: float | None = None
    target_cosine: float | None = None
    clean_cosine: float | None = None
    judge: float | None = None
    judge_error: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    latency_s: float = 0.0
    remembered: bool = False

    @property
    def answered(self) -> bool:
        """Whether there is a text."""
        return bool(self.text)


class Described(BaseModel):
    """One photo and the attacked picture of it, described by one model after one thing that happened to the files.

    Attributes:
        label, targets: what the question of the attack was.
        target_words, label_words: the keywords that were looked for.
        target_texts: what the target is described as: its words, or the model's own texts on the target picture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: str
    attack: str
    model: str
    survival: str
    label: str
    targets: tuple[str, ...]
    target_words: tuple[str, ...]
    label_words: tuple[str, ...]
    target_texts: tuple[str, ...]
    clean: tuple[VlmVerdict, ...]
    attacked: tuple[VlmVerdict, ...]
