"""The losses of contrastive training with several positives per text.

All take similarities already multiplied by the logit scale. `match` says what belongs together, `unclear` what is
neither a positive nor a negative: a golden retriever is no negative of "a dog", nor of a colour nobody could name.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from clip_model.captions import NONE
from clip_model.concepts import Concepts


def concept_loss(logits: Tensor, targets: Tensor, concepts: Concepts, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy [B] of similarities [B, K] to the concepts' texts; what is related to a target is left out.

    `smoothing` spreads that share of the target evenly over the concepts that count.
    """
    unrelated = ~concepts.related.to(targets.device)[targets]
    scores = logits.masked_fill(~unrelated, -torch.inf).log_softmax(dim=1)
    wanted = scores.gather(1, targets[:, None])[:, 0]
    even = scores.masked_fill(~unrelated, 0).sum(1) / unrelated.sum(1)
    return -(1 - smoothing) * wanted - smoothing * even


def several_positives(logits: Tensor, match: Tensor, unclear: Tensor) -> Tensor:
    """-log of the share of the matches in the softmax over each row of [N, M], averaged over rows with a match.

    As MIL-NCE (Miech et al. 2020, arXiv 1912.06430): the matches of a row are credited together.
    """
    rows = match.any(1)
    if not rows.any():
        return logits.sum() * 0
    logits, match, unclear = logits[rows], match[rows], unclear[rows]
    positive = logits.masked_fill(~match, -torch.inf).logsumexp(1)
    everything = logits.masked_fill(unclear & ~match, -torch.inf).logsumexp(1)
    return (everything - positive).mean()


def attribute_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy over the images that have the attribute; `targets` are `NONE` elsewhere."""
    clear = targets != NONE
    if not clear.any():
        return logits.sum() * 0
    return F.cross_entropy(logits[clear], targets[clear].long())


def caption_matches(
    labels: Tensor, attributes: Tensor, named: Tensor, concepts_of: Tensor, concepts: Concepts
) -> tuple[Tensor, Tensor]:
    """Which captions fit which images: (match, unclear), bool [N, M].

    `labels` [N] and `attributes` [N, 3] are the images'; `concepts_of` [M] and `named` [M, 3] the captions'. An
    attribute fits if it is the image's own; it is unclear where the image has none. A related, more special
    concept is unclear, too.
    """
    shows = concepts.matches[labels][:, concepts_of]
    related = concepts.related[labels][:, concepts_of]
    image, caption = attributes[:, None, :].long(), named[None, :, :].long()
    asked = caption != NONE
    fits = (~asked | (image == caption)).all(2)
    contradicted = (asked & (image != NONE) & (image != caption)).any(2)
    match = shows & fits
    unclear = (shows | related) & ~match & ~contradicted
    return match, unclear
