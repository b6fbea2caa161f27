import math

import torch

from clip_model.captions import NONE
from clip_model.losses import attribute_loss, caption_matches, concept_loss, several_positives
from tests.clip_model.standins import CONCEPTS


def test_concept_loss_leaves_out_what_is_related_to_the_target() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.5, 9.0, 9.0], [0.0, 3.0, 1.0, 2.0, -1.0]])
    # A retriever: "dog" and "animal" do not count. A dog: retriever, poodle and animal do not.
    first = -1.0 + math.log(math.exp(1.0) + math.exp(2.0) + math.exp(0.5))
    second = -2.0 + math.log(math.exp(1.0) + math.exp(2.0))
    found = concept_loss(logits, torch.tensor([0, 3]), CONCEPTS)
    torch.testing.assert_close(found, torch.tensor([first, second]))


def test_label_smoothing_is_spread_over_what_counts() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0, 2.0, -1.0]])
    lse = math.log(math.exp(1.0) + math.exp(2.0))
    expected = 0.8 * (lse - 2.0) + 0.2 * ((lse - 2.0) + (lse - 1.0)) / 2
    found = concept_loss(logits, torch.tensor([3]), CONCEPTS, smoothing=0.2)
    torch.testing.assert_close(found, torch.tensor([expected]))


def test_several_positives_are_credited_together_and_the_unclear_ignored() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 5.0, 5.0, 5.0]])
    match = torch.tensor([[True, True, False, False], [False] * 4])
    unclear = torch.tensor([[False, False, False, True], [False] * 4])
    e = [math.exp(v) for v in (1.0, 2.0, 3.0)]
    expected = -math.log((e[0] + e[1]) / sum(e))
    torch.testing.assert_close(several_positives(logits, match, unclear), torch.tensor(expected))
    assert several_positives(logits, torch.zeros_like(match), unclear) == 0


def test_attributes_count_only_where_they_are_clear() -> None:
    logits = torch.tensor([[0.0, 1.0], [9.0, -9.0], [2.0, 0.0]])
    found = attribute_loss(logits, torch.tensor([0, NONE, 0]))
    expected = (math.log(1 + math.exp(1.0)) + math.log(1 + math.exp(-2.0))) / 2
    torch.testing.assert_close(found, torch.tensor(expected))
    assert attribute_loss(logits, torch.full((3,), NONE)) == 0


def test_captions_match_by_concept_and_attribute() -> None:
    labels = torch.tensor([0, 1])  # a red retriever, a poodle of no clear colour
    attributes = torch.tensor([[0, NONE, NONE], [NONE, NONE, NONE]])
    about = torch.tensor([0, 0, 3, 1, 2])  # captions: red retriever, blue retriever, dog, red poodle, pizza
    named = torch.tensor([[0, -1, -1], [4, -1, -1], [-1, -1, -1], [0, -1, -1], [-1, -1, -1]])
    match, unclear = caption_matches(labels, attributes, named, about, CONCEPTS)
    assert match.tolist() == [[True, False, True, False, False], [False, False, True, False, False]]
    # Nobody knows whether that poodle is red; the blue retriever is plainly not the red one.
    assert unclear.tolist() == [[False] * 5, [False, False, False, True, False]]
