"""Encoders worth a download: a short list, so that it can be shown without importing open_clip.

All read prompts through open_clip's own tokeniser, so nothing else has to be installed. Sizes are those of the
weights in float32, as they are published.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Downloadable:
    """A pretrained model of open_clip.

    Attributes:
        name: architecture/tag.
        repository: where open_clip 3.3 finds it on the Hugging Face hub.
        size: bytes to download, to about 1 %.
        source: where the model, and what it was trained on, were published.
    """

    name: str
    title: str
    description: str
    repository: str
    size: int
    source: str = ""


DOWNLOADABLE = (
    Downloadable(
        "ViT-B-32/openai",
        "CLIP ViT-B/32 (OpenAI)",
        "The first CLIP, 400 million pictures. One of the three of Direct Ascent Synthesis.",
        "timm/vit_base_patch32_clip_224.openai",
        605_000_000,
        "CLIP: Radford et al., arXiv 2103.00020",
    ),
    Downloadable(
        "ViT-B-32/laion400m_e32",
        "CLIP ViT-B/32 (LAION-400M)",
        "Trained on the open LAION-400M. One of the three of Direct Ascent Synthesis.",
        "timm/vit_base_patch32_clip_224.laion400m_e32",
        605_000_000,
        "CLIP: Radford et al., arXiv 2103.00020; LAION-400M: Schuhmann et al., arXiv 2111.02114",
    ),
    Downloadable(
        "ViT-B-32/laion2b_s34b_b79k",
        "CLIP ViT-B/32 (LAION-2B)",
        "Trained on two thousand million pictures. One of the three of Direct Ascent Synthesis.",
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        605_000_000,
        "CLIP: Radford et al., arXiv 2103.00020; LAION-5B: Schuhmann et al., arXiv 2210.08402",
    ),
    Downloadable(
        "ViT-B-32-256/datacomp_s34b_b86k",
        "CLIP ViT-B/32 at 256 px (DataComp)",
        "The strongest of the fast models: nearly the cost of ViT-B/32, 256 px views.",
        "laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K",
        605_000_000,
        "CLIP: Radford et al., arXiv 2103.00020; DataComp: Gadre et al., arXiv 2304.14108",
    ),
    Downloadable(
        "RN50/openai",
        "CLIP ResNet-50 (OpenAI)",
        "A convolutional network: draws other textures than a transformer, good in an ensemble with them.",
        "timm/resnet50_clip.openai",
        408_000_000,
        "CLIP: Radford et al., arXiv 2103.00020",
    ),
    Downloadable(
        "convnext_base_w/laion2b_s13b_b82k_augreg",
        "CLIP ConvNeXt-Base (LAION-2B)",
        "A modern convolutional network at 256 px, trained with strong augmentation.",
        "laion/CLIP-convnext_base_w-laion2B-s13B-b82K-augreg",
        718_000_000,
        "CLIP: Radford et al., arXiv 2103.00020; ConvNeXt: Liu et al., arXiv 2201.03545; "
        "LAION-5B: Schuhmann et al., arXiv 2210.08402",
    ),
    Downloadable(
        "ViT-B-16/datacomp_xl_s13b_b90k",
        "CLIP ViT-B/16 (DataComp)",
        "Finer patches than ViT-B/32: more detail for about four times the work.",
        "laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K",
        598_000_000,
        "CLIP: Radford et al., arXiv 2103.00020; DataComp: Gadre et al., arXiv 2304.14108",
    ),
    Downloadable(
        "ViT-L-14/datacomp_xl_s13b_b90k",
        "CLIP ViT-L/14 (DataComp)",
        "Understands much more. Wants a GPU.",
        "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K",
        1_710_000_000,
        "CLIP: Radford et al., arXiv 2103.00020; DataComp: Gadre et al., arXiv 2304.14108",
    ),
    Downloadable(
        "ViT-H-14/laion2b_s32b_b79k",
        "CLIP ViT-H/14 (LAION-2B)",
        "The largest here. Wants a GPU with at least 16 GB.",
        "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
        3_944_000_000,
        "CLIP: Radford et al., arXiv 2103.00020; LAION-5B: Schuhmann et al., arXiv 2210.08402",
    ),
)
