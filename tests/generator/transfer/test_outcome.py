import pytest

from generator.classes.names import Names
from generator.transfer.outcome import Outcome, Question, meaning_of, outcome_of, succeeded
from generator.victims.verdicts import Verdict

LABELS = ("cat", "dog", "car", "ray")


def said(label: str) -> Verdict:
    return Verdict(label=label, confidence=0.5 if label else None)


@pytest.mark.parametrize(
    ("question", "before", "after", "outcome"),
    [
        (Question(), "cat", "dog", Outcome.SUCCESS),
        (Question(), "cat", "cat", Outcome.FAILURE),
        (Question("cat"), "cat", "ray", Outcome.SUCCESS),
        (Question("cat"), "cat", "cat", Outcome.FAILURE),
        (Question("cat"), "dog", "ray", Outcome.WRONG_BEFORE),
        (Question("cat"), "dog", "cat", Outcome.WRONG_BEFORE),
        (Question("", ("dog",)), "cat", "dog", Outcome.SUCCESS),
        (Question("", ("dog",)), "cat", "ray", Outcome.FAILURE),
        (Question("", ("dog",)), "dog", "dog", Outcome.TARGET_BEFORE),
        (Question("", ("a dog", "ray")), "cat", "ray", Outcome.SUCCESS),
        (Question("cat", ("dog",)), "cat", "dog", Outcome.SUCCESS),
        (Question("cat", ("dog",)), "ray", "dog", Outcome.WRONG_BEFORE),
        (Question("", ("automobile",)), "cat", "car", Outcome.SUCCESS),
        (Question("", ("unicorn",)), "cat", "dog", Outcome.NOT_COMPARABLE),
        (Question("unicorn"), "cat", "dog", Outcome.NOT_COMPARABLE),
        (Question("unicorn", ("dog",)), "cat", "dog", Outcome.NOT_COMPARABLE),
        (Question(), "", "dog", Outcome.NO_ANSWER),
        (Question(), "cat", "", Outcome.FAILURE),
        (Question("cat"), "cat", "", Outcome.FAILURE),
    ],
)
def test_every_case(question: Question, before: str, after: str, outcome: Outcome) -> None:
    meaning = meaning_of(question, LABELS, Names())
    assert outcome_of(question, meaning, said(before), said(after)) is outcome
    assert outcome.counts == (outcome in (Outcome.SUCCESS, Outcome.FAILURE))


def test_reaching_the_aim_doesnt_need_a_right_start() -> None:
    question = Question("cat", ("dog",))
    meaning = meaning_of(question, LABELS, Names())
    assert succeeded(question, meaning, said("ray"), said("dog"))
    assert meaning.labels == {"cat", "dog"}
