"""The network: an open_clip model described by open_clip's own JSON, and the few things training needs of it.

The image tower is timm's resnet10t at 64 x 64 (small images are enlarged by the preprocessing), the text tower
open_clip's transformer with the tokenizer of CLIP (Radford et al., arXiv 2103.00020).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.swa_utils import update_bn

from foundation import torchvision_cure  # noqa: F401  (before open_clip is imported)

WEIGHTS = "open_clip_model.safetensors"
"""The file of an exported model's weights, as open_clip's `local-dir:` form has it."""
MEAN, STD = (0.48, 0.45, 0.40), (0.27, 0.26, 0.28)
CONTEXT_LENGTH = 32

Network = Any
"""An `open_clip.model.CLIP`, which has no types: visual, token_embedding, transformer, encode_text and so on."""


class VisionConfig(TypedDict):
    """The image tower, of timm."""

    timm_model_name: str
    timm_model_pretrained: bool
    timm_pool: str
    timm_proj: str
    image_size: int


class TextConfig(TypedDict):
    """The text tower, of open_clip."""

    context_length: int
    vocab_size: int
    width: int
    heads: int
    layers: int


class TowersConfig(TypedDict):
    """Both towers, and the width of what they have in common."""

    embed_dim: int
    vision_cfg: VisionConfig
    text_cfg: TextConfig


class PreprocessConfig(TypedDict):
    """How a picture is made into what the image tower sees."""

    mean: list[float]
    std: list[float]
    interpolation: str
    resize_mode: str


class OpenClipConfig(TypedDict):
    """The keys of `open_clip_config.json` that models of ours have."""

    model_cfg: TowersConfig
    preprocess_cfg: PreprocessConfig


def open_clip_config(
    *, image_size: int = 64, embed_dim: int = 256, tower: str = "resnet10t", width: int = 128, layers: int = 2
) -> OpenClipConfig:
    """The JSON that open_clip reads from `open_clip_config.json`."""
    return {
        "model_cfg": {
            "embed_dim": embed_dim,
            "vision_cfg": {
                "timm_model_name": tower,
                "timm_model_pretrained": False,
                "timm_pool": "avg",
                "timm_proj": "linear",
                "image_size": image_size,
            },
            "text_cfg": {
                "context_length": CONTEXT_LENGTH,
                "vocab_size": 49408,
                "width": width,
                "heads": max(1, width // 32),
                "layers": layers,
            },
        },
        "preprocess_cfg": {
            "mean": list(MEAN),
            "std": list(STD),
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
    }


def make_model(config: OpenClipConfig, seed: int) -> Network:
    """A freshly initialised open_clip model; the global random state is left as it was."""
    import open_clip

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model: Network = open_clip.model.CLIP(**config["model_cfg"])
        nn.init.normal_(model.token_embedding.weight, std=0.05)
    return model


def tokenize(texts: Sequence[str]) -> Tensor:
    """Token ids [N, 32] of CLIP's tokenizer, padded with zeros."""
    import open_clip

    tokens: Tensor = open_clip.tokenizer.tokenize(list(texts), context_length=CONTEXT_LENGTH)
    return tokens


class CompactText:
    """The text tower in training: an embedding of the known tokens only, in the place of the one of all 49,408.

    Every other token shares one embedding that is zero and stays so. In training, such strangers are put at random
    places into the texts: this is how the tower learns to read past words it doesn't know.
    """

    STRANGER = 0

    def __init__(self, model: Network, texts: Sequence[str]) -> None:
        """Replace `model.token_embedding`; the tokens of `texts` are the known ones."""
        self.model = model
        # Token 0 is "!", but also the padding: nobody learns it.
        self.known = torch.tensor(sorted(set(tokenize(texts).flatten().tolist()) - {0}))
        full: Tensor = model.token_embedding.weight.detach()
        self.vocabulary, width = full.shape
        self.index = torch.full((self.vocabulary,), self.STRANGER)
        self.index[self.known] = torch.arange(1, len(self.known) + 1)
        self.strangers = (self.index == self.STRANGER).nonzero().flatten()[1:]
        compact = nn.Embedding(len(self.known) + 1, width, padding_idx=self.STRANGER)
        with torch.no_grad():
            compact.weight[1:] = full[self.known]
            compact.weight[self.STRANGER] = 0
        model.token_embedding = compact

    def encode(self, tokens: Tensor) -> Tensor:
        """Unit embeddings [N, D] of the tokenizer's ids [N, L]."""
        # For texts this short the plain attention is twice as fast as the fused one, backward on a CPU.
        with sdpa_kernel(SDPBackend.MATH):
            return encode_tokens(self.model, tokens, self.index.to(tokens.device))

    def with_strangers(self, tokens: Tensor, rng: torch.Generator, share: float = 0.3) -> Tensor:
        """Put one to three unknown tokens at random places into a share of the texts [N, L]."""
        tokens = tokens.clone()
        length = tokens.shape[1]
        for row in (torch.rand(len(tokens), generator=rng) < share).nonzero().flatten().tolist():
            used = int((tokens[row] != 0).sum())
            for _ in range(min(1 + int(torch.randint(3, (), generator=rng)), length - used)):
                place = 1 + int(torch.randint(used - 1, (), generator=rng))  # after the start, before or at the end
                tokens[row, place + 1 : used + 1] = tokens[row, place:used].clone()
                tokens[row, place] = self.strangers[int(torch.randint(len(self.strangers), (), generator=rng))]
                used += 1
        return tokens

    def full_state(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights `state` of the compact model as those of a plain open_clip model."""
        compact = state["token_embedding.weight"]
        full = compact.new_zeros(self.vocabulary, compact.shape[1])
        full[self.known.to(full.device)] = compact[1:]
        return {**state, "token_embedding.weight": full}


def encode_tokens(model: Network, tokens: Tensor, index: Tensor | None = None) -> Tensor:
    """Unit text embeddings [N, D] of open_clip's text tower; `index` maps token ids to rows of the embedding.

    Attention is causal, so positions after the longest text can be left out: the result is `encode_text`'s.
    """
    length = int((tokens != 0).sum(1).max())
    tokens = tokens[:, :length]
    x = model.token_embedding(tokens if index is None else index[tokens]) + model.positional_embedding[:length]
    x = model.transformer(x, attn_mask=model.attn_mask[:length, :length])
    x = model.ln_final(x)
    x = x[torch.arange(len(x)), tokens.argmax(dim=1)] @ model.text_projection
    return F.normalize(x.float(), dim=-1)


def to_model_size(images: Tensor, size: int) -> Tensor:
    """Images [B, 3, H, W] in [0, 1] enlarged to the model's side, as its preprocessing does."""
    if images.shape[2:] == (size, size):
        return images
    return F.interpolate(images, (size, size), mode="bicubic", antialias=True).clamp(0, 1)


def encode_images(model: Network, images: Tensor) -> Tensor:
    """Unit image embeddings [B, D] of images of the model's side in [0, 1]."""
    return F.normalize(model.visual(_normalised(images)).float(), dim=-1)


def renew_statistics(model: Network, batches: Iterable[Tensor]) -> None:
    """Measure the image tower's BatchNorm statistics anew, on images [B, 3, H, W] of the model's side in [0, 1].

    The average of several networks needs this, since their averaged statistics are not its own (arXiv 1803.05407,
    section 3.2).
    """
    training = model.visual.training
    update_bn(map(_normalised, batches), model.visual)
    model.visual.train(training)


def _normalised(images: Tensor) -> Tensor:
    mean = images.new_tensor(MEAN).view(1, 3, 1, 1)
    std = images.new_tensor(STD).view(1, 3, 1, 1)
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)
