"""What counts as success, for one picture and one victim.

- Untargeted, the attack succeeds when the answer after it is not the true label; without a label, when it is not
  the answer before.
- Targeted, it succeeds when the answer after it is the target (one of several).
- A picture counts only if there was something to win: with a label, the victim must have been right before;
  without one, it must not have said the target already, and must have said something.
- A victim that has no label for the class in question cannot be compared, which is no failure.
- What cannot happen to a picture of its size is not applicable, which is no failure either.

"Before" is the victim's answer on the photo itself, saved losslessly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from generator.classes.names import Names
from generator.victims.verdicts import Verdict


class Outcome(StrEnum):
    """How it ended; the first two are counted."""

    SUCCESS = "success"
    FAILURE = "failure"
    WRONG_BEFORE = "wrong before"
    TARGET_BEFORE = "target before"
    NO_ANSWER = "no answer before"
    NOT_COMPARABLE = "not comparable"
    NOT_APPLICABLE = "not applicable"

    @property
    def counts(self) -> bool:
        """Whether it is part of the denominator."""
        return self in (Outcome.SUCCESS, Outcome.FAILURE)

    @property
    def sign(self) -> str:
        """How tables mark it, wherever it stands; what does not count has no sign."""
        return {Outcome.SUCCESS: "\u2713", Outcome.FAILURE: "\u2717"}.get(self, "")

    @property
    def words(self) -> str:
        """How tables call it."""
        return _WORDS[self]


_WORDS = {
    Outcome.SUCCESS: "fooled",
    Outcome.FAILURE: "holds",
    Outcome.WRONG_BEFORE: "was wrong before",
    Outcome.TARGET_BEFORE: "saw it before",
    Outcome.NO_ANSWER: "gave no answer before",
    Outcome.NOT_COMPARABLE: "not comparable",
    Outcome.NOT_APPLICABLE: "not applicable",
}


@dataclass(frozen=True)
class Question:
    """What was wanted of a picture: the true label ("" if it is not known), and targets (() for any other answer)."""

    label: str = ""
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Meaning:
    """A question in the words of one victim: its labels for the true class and for the targets.

    `comparable` is false where it has none for a class that the question is about. For a victim that answers in
    its own words (no labels) a question cannot be put into labels, and it is not comparable either, unless the
    question names nothing.
    """

    right: tuple[str, ...]
    wanted: tuple[str, ...]
    comparable: bool

    @property
    def labels(self) -> frozenset[str]:
        """All labels in question, whose shares are worth keeping."""
        return frozenset(self.right) | frozenset(self.wanted)


def meaning_of(question: Question, labels: Sequence[str], names: Names) -> Meaning:
    """Put a question in the words of a victim with these labels."""
    right = names.find(labels, question.label) if question.label else ()
    wanted = tuple(dict.fromkeys(label for target in question.targets for label in names.find(labels, target)))
    lacks = (question.label and not right) or (question.targets and not wanted)
    return Meaning(right, wanted, not lacks)


def succeeded(question: Question, meaning: Meaning, before: Verdict, after: Verdict) -> bool:
    """Whether `after` is what was wanted, whatever was said before."""
    if not after.answered:
        return False
    if question.targets:
        return after.label in meaning.wanted
    return after.label not in meaning.right if question.label else after.label != before.label


def outcome_of(question: Question, meaning: Meaning, before: Verdict, after: Verdict) -> Outcome:
    """Judge the answers before and after."""
    if not meaning.comparable:
        return Outcome.NOT_COMPARABLE
    if not before.answered:
        return Outcome.NO_ANSWER
    if question.label and before.label not in meaning.right:
        return Outcome.WRONG_BEFORE
    if question.targets and before.label in meaning.wanted:
        return Outcome.TARGET_BEFORE
    return Outcome.SUCCESS if succeeded(question, meaning, before, after) else Outcome.FAILURE
