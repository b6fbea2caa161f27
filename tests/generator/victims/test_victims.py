from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.classes.labels import LabelList, captions
from generator.victims.verdicts import Verdict, verdict_from
from generator.victims.victims import (
    ClassifierVictim,
    ScoringVictim,
    Victim,
    classifier_victim,
    guiding,
    unknown_note,
    victim_of,
    zero_shot_victim,
)
from tests.generator.standins import NAMES, Colours, LayeredColours, NoisyColours, Words, rng


def images(count: int = 2) -> Tensor:
    return torch.rand(count, 3, 20, 28, generator=rng(5))


def every_victim() -> Iterator[ClassifierVictim | Victim]:
    yield classifier_victim("plain", Colours())
    yield classifier_victim("layered", LayeredColours())
    yield classifier_victim("noisy", NoisyColours())
    yield zero_shot_victim("words", Words(), captions(["a red thing", "a blue thing", "nothing"]))


@pytest.mark.parametrize("victim", [*every_victim()], ids=lambda v: v.name)
def test_the_contract_of_victims(victim: Victim) -> None:
    assert isinstance(victim, ScoringVictim)
    batch = images()
    verdicts = victim.look(batch)
    assert verdicts == victim.look(batch)
    assert len(verdicts) == 2
    for verdict in verdicts:
        assert verdict.label in victim.labels and verdict.confidence == max(verdict.shares.values())
        assert sum(verdict.shares.values()) == pytest.approx(1) and set(verdict.shares) == set(victim.labels)
        assert [g.confidence for g in verdict.top] == sorted((g.confidence for g in verdict.top), reverse=True)
        assert verdict.top[0].label == verdict.label and verdict.answered
        assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
    pixels = batch.clone().requires_grad_(True)
    victim.logits(pixels).sum().backward()
    assert pixels.grad is not None


def test_a_classifiers_answer_by_hand() -> None:
    batch = images()
    expected = Colours()(batch).double().softmax(dim=1)
    for verdict, row in zip(classifier_victim("c", Colours()).look(batch), expected, strict=True):
        assert verdict.label == NAMES[int(row.argmax())] and verdict.draws == 1 and verdict.readouts == ()
        assert [verdict.shares[name] for name in NAMES] == pytest.approx(row.tolist(), abs=1e-6)


def test_every_readout_is_told() -> None:
    red = torch.zeros(1, 3, 20, 28)
    red[:, 0] = 1
    (verdict,) = classifier_victim("layered", LayeredColours()).look(red)
    assert [(r.name, r.label) for r in verdict.readouts] == [("early", "grey"), ("final", "red")]
    assert verdict.readouts[1].probabilities == pytest.approx([verdict.shares[name] for name in NAMES], abs=1e-6)


def test_random_victims_answer_by_a_mean_and_start_anew() -> None:
    victim = classifier_victim("noisy", NoisyColours())
    assert victim.draws == 8
    first = victim.look(images(1))[0]
    victim.look(images(2))
    assert victim.look(images(1))[0] == first and first.draws == 8


def test_identities_tell_models_apart_and_know_them_again() -> None:
    same = {classifier_victim(name, Colours()).identity for name in ("a", "b")}
    others = [classifier_victim("a", Colours(scale=4.0)), classifier_victim("a", NoisyColours())]
    labels = LabelList("x", ("red", "blue"))
    others += [zero_shot_victim("a", Words(), labels), zero_shot_victim("a", Words(1), labels)]
    others += [zero_shot_victim("a", Words(), captions(["red", "blue"]))]
    assert len(same | {victim.identity for victim in others}) == 6


def test_zero_shot_by_hand() -> None:
    encoder, labels = Words(), LabelList("pair", ("red", "orange"), ("{name}", "a photo of {a}"))
    victim = zero_shot_victim("words", encoder, labels)
    with torch.no_grad():
        seen = encoder.encode_images(images())
        means = [
            torch.nn.functional.normalize(encoder.encode_text(texts).mean(dim=0), dim=0)
            for texts in (["red", "a photo of a red"], ["orange", "a photo of an orange"])
        ]
        expected = encoder.logit_scale * seen @ torch.stack(means).T
    assert victim.name == "words=pair" and victim.kind == "zero-shot"
    torch.testing.assert_close(victim.logits(images()), expected)


def test_a_model_gone_wrong_gives_no_answer() -> None:
    verdict = verdict_from(torch.tensor([[0.0, float("nan")]]), ("a", "b"))
    assert not verdict.answered and verdict.confidence is None and verdict.share_of(("a",)) is None


def test_equal_labels_add_up_and_shares_can_be_left_out() -> None:
    verdict = verdict_from(torch.zeros(1, 4), ("crane", "crane", "tench", "ray"))
    assert verdict.shares == {"crane": 0.5, "tench": 0.25, "ray": 0.25}
    assert verdict.share_of(("tench", "ray")) == 0.5 and verdict.share_of(()) is None
    assert verdict.only({"ray", "other"}).shares == {"ray": 0.25}


def test_gradients_are_taken_through_the_mean() -> None:
    layered = classifier_victim("l", LayeredColours())
    seen = guiding(layered)
    torch.testing.assert_close(seen.logits(images()), LayeredColours().readouts(images()).mean(dim=1))
    assert seen.name == "l (mean)" and seen.identity != layered.identity
    plain = classifier_victim("p", Colours())
    assert guiding(plain) is plain and plain.through("answer") is plain
    with pytest.raises(StudioError, match="no read-out 'early'"):
        plain.through("early")


def test_an_encoder_needs_labels() -> None:
    with pytest.raises(ValueError, match="list of labels"):
        victim_of("w", Words(), None)
    assert victim_of("c", Colours(), None).kind == "classifier"


def test_words_that_a_model_never_saw_are_named() -> None:
    """F28: among captions, as in prompts; a caption of such words alone is no answer to choose."""
    encoder = Words(vocabulary="a photo of frog red car")
    victim = zero_shot_victim("words", encoder, captions(["a frog", "a red zymurgy", "a car"]))
    assert victim.unknown == ("zymurgy",)
    assert "words=captions never saw 'zymurgy' in training" in unknown_note(victim)
    assert unknown_note(zero_shot_victim("words", encoder, captions(["a frog", "a car"]))) == ""
    assert unknown_note(classifier_victim("colours", Colours())) == ""
    with pytest.raises(StudioError, match=r"'words' never saw any word of 'zymurgy', 'antidote' .*captions"):
        zero_shot_victim("words", encoder, captions(["a frog", "zymurgy", "antidote"]))
