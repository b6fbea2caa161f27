"""Which of a model's read-outs a picture is made for.

The combined answer of a self-ensemble is a poor guide: CrossMax subtracts every predictor's and every class's
maximum, so the winner's value is zero and its gradient vanishes as soon as it wins. The authors of arXiv
2408.05446 draw class images from the backbone alone, and those of arXiv 2411.14834 attack the plain mean of the
predictors' logits; both are choices here.
"""

from torch import Tensor

from foundation.errors import StudioError
from foundation.protocols import Classifier, LayeredClassifier

MEAN = "mean"
ANSWER = "answer"


class ReadoutClassifier:
    """A layered classifier seen through one of its read-outs, or through the mean of all: a `Classifier`."""

    def __init__(self, classifier: LayeredClassifier, readout: str) -> None:
        self.class_names = classifier.class_names
        self._classifier = classifier
        self._index = None if readout == MEAN else classifier.readout_names.index(readout)

    def __call__(self, images: Tensor, /) -> Tensor:
        """Map images [B, 3, H, W] in [0, 1] to logits [B, C]."""
        logits = self._classifier.readouts(images)
        return logits.mean(dim=1) if self._index is None else logits[:, self._index]


def read_out(classifier: Classifier, readout: str) -> Classifier:
    """Return the classifier as its `readout` sees images: "answer", "mean", or the name of one of its read-outs.

    A classifier without read-outs has only its answer, which is then its mean, too. StudioError for other names.
    """
    if readout == ANSWER:
        return classifier
    if not isinstance(classifier, LayeredClassifier):
        if readout == MEAN:
            return classifier
        raise StudioError(f"This model has no read-out '{readout}': use 'answer'.")
    if readout != MEAN and readout not in classifier.readout_names:
        known = ", ".join(f"'{name}'" for name in (MEAN, ANSWER, *classifier.readout_names))
        raise StudioError(f"This model has no read-out '{readout}'; choose from {known}.")
    return ReadoutClassifier(classifier, readout)
