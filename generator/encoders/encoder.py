"""A CLIP model of open_clip as an `Encoder`."""

import copy
import hashlib
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from generator.encoders.cache import EmbeddingCache
from generator.encoders.precision import DTYPES, Precision, computing_in, enlarge_gradient, restore_gradient
from generator.encoders.preprocess import Preprocess
from generator.encoders.tokens import PromptTokenizer, TokenCount
from generator.encoders.towers import hold_in
from generator.encoders.vocabulary import unknown_words


class OpenClipEncoder:
    """Images and texts to unit vectors in the space of a CLIP model (arXiv 2103.00020).

    Frozen, in eval mode and without state that changes, so any number of threads may share one. Embeddings
    of texts, and of images that ask for no gradient, are remembered in the cache, by model and content; they
    are the same bits whether or not they come from there, and whatever is encoded together.

    Attributes:
        name: what the model goes by.
        revision: the first 16 hexadecimal digits of the SHA-256 of its weights.
        device, precision: where and in which numbers images are encoded; texts always are in fp32.
        image_size: the side, in pixels, of what the model sees; of a rectangle the shorter one.
        input_size: (height, width) of what the model sees.
        context_length: tokens of a prompt that it reads, marks of start and end included.
        logit_scale: the learned inverse temperature of its cosines.
        vocabulary: the words it was trained on; () if they are not listed.
        weight_bytes: memory that it takes.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str,
        revision: str,
        identity: str = "",
        device: str = "cpu",
        precision: Precision = "fp32",
        vocabulary: Sequence[str] = (),
        cache: EmbeddingCache | None = None,
    ) -> None:
        """Wrap what `open_clip.create_model` and `open_clip.get_tokenizer` returned; the model is moved and frozen.

        `identity` tells models with equal weights, but other configurations, apart in a shared cache.
        """
        self.name, self.revision, self.device, self.precision = name, revision, device, precision
        self._model = model.to(device).eval().requires_grad_(False)
        if precision != "fp32":
            hold_in(self._model.visual, DTYPES[precision])
        self._preprocess = Preprocess.from_config(self._model.visual.preprocess_cfg).to(device)
        self._tokenizer = PromptTokenizer(tokenizer)
        self._identity = identity
        self._cache = EmbeddingCache() if cache is None else cache
        self.input_size = self._preprocess.size
        self.image_size = min(self.input_size)
        self.context_length = self._tokenizer.context_length
        self.logit_scale = math.exp(float(self._model.logit_scale.detach().reshape(())))
        self.vocabulary = tuple(vocabulary)
        self._known_words = frozenset(word.casefold() for word in self.vocabulary)
        tensors = [*model.parameters(), *model.buffers()]
        self.weight_bytes = sum(tensor.nbytes for tensor in tensors)

    def on(self, device: str) -> "OpenClipEncoder":
        """This model on another device, to which it is moved."""
        moved = copy.copy(self)
        moved.device = device
        moved._model, moved._preprocess = self._model.to(device), self._preprocess.to(device)
        return moved

    @property
    def _key(self) -> tuple[str, str, str, str, str]:
        """What embeddings in the cache hang on beside the content."""
        return (self.name, self.revision, self._identity, self.device, self.precision)

    def encode_images(self, images: Tensor, /) -> Tensor:
        """Map images [B, 3, H, W] in [0, 1], of any height and width, to unit vectors [B, D], float32.

        Differentiable in the images. ValueError for tensors of another form.
        """
        if images.ndim != 4 or images.shape[1] != 3 or images.dtype != torch.float32:
            raise ValueError(f"images are float32 [B, 3, H, W], not {images.dtype} {tuple(images.shape)}")
        if images.requires_grad and torch.is_grad_enabled():
            return self._encode_images(images)
        with torch.no_grad():
            key = (*self._key, "image", tuple(images.shape), _digest(images))
            return self._cache.get(key, partial(self._encode_images, images)).clone()

    def fit(self, images: Tensor, /) -> Tensor:
        """Resize and crop images [B, 3, H, W] to [B, 3, *input_size] in [0, 1], as `encode_images` does by itself.

        So images of several sizes can be encoded as one batch. Differentiable.
        """
        return self._preprocess.fit(images)

    @property
    def observed(self) -> torch.nn.Module:
        """What sees images, whose layers are watched (see `foundation.protocols.Observable`)."""
        tower: torch.nn.Module = self._model.visual
        return tower

    @property
    def observed_side(self) -> int:
        """The shorter side of what the model sees."""
        return self.image_size

    def look(self, images: Tensor, /) -> None:
        """Let the model see images [B, 3, H, W], past the cache."""
        self._encode_images(images)

    def encode_text(self, texts: Sequence[str], /) -> Tensor:
        """Map N texts to unit vectors [N, D], float32, without a gradient.

        Of a text that is longer than the model reads the end is cut off: `count_tokens` tells. StudioError
        for texts without anything to read, or of more than 2,000 characters.
        """
        if isinstance(texts, str):
            raise TypeError("encode_text takes a sequence of texts, not a single one")
        if not texts:
            raise ValueError("there is no text to encode")
        # One by one: the last bits of a matrix product may depend on what else is in the batch.
        return torch.stack(
            [self._cache.get((*self._key, "text", text), partial(self._encode_text, text)) for text in texts]
        )

    def count_tokens(self, text: str) -> TokenCount:
        """Count a prompt's tokens, and say what of it the model doesn't read. StudioError as `encode_text`."""
        return self._tokenizer.count(text)

    def unknown_words(self, text: str, /) -> tuple[str, ...]:
        """The words of the text that are not in the model's vocabulary; () for models that list none."""
        return unknown_words(text, self._known_words) if self.vocabulary else ()

    def _encode_images(self, images: Tensor) -> Tensor:
        seen = restore_gradient(self._preprocess(images.to(self.device)), self.precision)
        with computing_in(self.precision, self.device):
            features = self._model.encode_image(seen)
        return functional.normalize(enlarge_gradient(features.float(), self.precision), dim=-1)

    @torch.no_grad()
    def _encode_text(self, text: str) -> Tensor:
        tokens = self._tokenizer([text]).to(self.device)
        with computing_in("fp32", self.device):
            features: Tensor = self._model.encode_text(tokens)
        return functional.normalize(features.float(), dim=-1)[0]


def _digest(images: Tensor) -> str:
    return hashlib.sha256(images.detach().cpu().contiguous().numpy().tobytes()).hexdigest()
