"""Attacks as they were published: recipes with the numbers of the papers, which the descriptions name.

A description says what the recipe does, and where that differs from the paper. Classifiers are led to a class, as a
recipe names one; the papers mostly only lead away from the true one, and 'objective leave' is that (by the margin).
Step sizes of pixels are in parts of eps.
"""

from collections.abc import Mapping

from generator.recipes.preset import Preset

_PIXELS: dict[str, object] = {
    "perturbation": "pixel",
    "resolutions": "auto",
    "norm": "linf",
    "objective": "cross_entropy",
    "start_std": 0.0,
    "momentum": 0.0,
    "views": "identity",
    "views_per_step": 1,
}
_UNIFORM = 0.577
"""The standard deviation of numbers drawn evenly from -1 to 1."""
_MOMENTUM = {**_PIXELS, "optimiser": "mi-fgsm", "momentum": 1.0, "eps": 16 / 255, "steps": 10, "learning_rate": 0.1}
_AREA_HALF_TO_NINE_TENTHS = "crop:0.71-0.95"
_CROPS = {
    **_PIXELS,
    "optimiser": "pgd",
    "eps": 16 / 255,
    "steps": 300,
    "learning_rate": 1 / 16,
    "views": _AREA_HALF_TO_NINE_TENTHS,
    "target_views": _AREA_HALF_TO_NINE_TENTHS,
}


def _attack(title: str, description: str, /, **overrides: object) -> Preset:
    return Preset(title, description, "attack", overrides)


PUBLISHED_ATTACKS: Mapping[str, Preset] = {
    "pgd": _attack(
        "PGD",
        "Projected gradient descent on the cross-entropy (Madry et al., arXiv 1706.06083): pixels, L-inf 8/255, 20 "
        "steps of 2/255 from a random start. The start is Gaussian with the spread of theirs, which is uniform.",
        **_PIXELS | {"optimiser": "pgd", "eps": 8 / 255, "steps": 20, "learning_rate": 0.25, "start_std": _UNIFORM},
    ),
    "apgd": _attack(
        "APGD",
        "Auto-PGD on the cross-entropy (Croce and Hein, arXiv 2003.01690): pixels, L-inf 8/255, 100 steps, the first "
        "of 16/255, which halve themselves. The start is Gaussian with the spread of theirs, which is uniform.",
        **_PIXELS | {"optimiser": "apgd", "eps": 8 / 255, "steps": 100, "start_std": _UNIFORM},
    ),
    "mi-fgsm": _attack(
        "MI-FGSM",
        "The momentum iterative method (Dong et al., arXiv 1710.06081): pixels, L-inf 16/255, 10 steps of 1.6/255, "
        "momentum 1, on the cross-entropy.",
        **_MOMENTUM,
    ),
    "ti-di-mi": _attack(
        "TI-DI-MI-FGSM",
        "MI-FGSM (Dong et al., arXiv 1710.06081) with a gradient blurred by a kernel of 15 (translation invariance, "
        "Dong et al., arXiv 1904.02884) of the photo at random sizes with probability 0.7 (input diversity, Xie et "
        "al., arXiv 1803.06978): pixels, L-inf 16/255, 10 steps of 1.6/255, momentum 1, on the cross-entropy.",
        **_MOMENTUM | {"views": "ti:7 | di:0.7:1.1"},
    ),
    "si-ti-di-mi": _attack(
        "SI-TI-DI-MI-FGSM",
        "The same as TI-DI-MI-FGSM (Dong et al., arXiv 1710.06081 and arXiv 1904.02884; Xie et al., arXiv 1803.06978; "
        "here with probability 0.5) over 5 copies at falling brightness (scale invariance, Lin et al., arXiv "
        "1908.06281): pixels, L-inf 16/255, 10 steps of 1.6/255, momentum 1, on the cross-entropy. It is their "
        "SI-NI-TI-DIM without the look-ahead of Nesterov's momentum (NI).",
        **_MOMENTUM | {"views": "ti:7 | si:5 | di:0.5:1.1"},
    ),
    "m-attack": _attack(
        "M-Attack",
        "Random crops of the photo matched to random crops of a target picture, in the eyes of CLIP models with equal "
        "shares (M-Attack, arXiv 2503.10635): pixels, L-inf 16/255, 300 steps of 1/255 along the sign, projected as "
        "in PGD (arXiv 1706.06083). Crops are 0.71 to 0.95 of the sides, 0.5 to 0.9 of the area; each model sees its "
        "own, of the picture's aspect. Give a target picture and CLIP models; theirs were ViT-B/16, B/32 and G/14.",
        **_CROPS,
    ),
    "m-attack-dynamic": _attack(
        "M-Attack, dynamic shares",
        "M-Attack (arXiv 2503.10635) with shares of the CLIP models that change: those that lag behind gain weight by "
        "the inverse training rates of GradNorm (arXiv 1711.02257), which M-Attack does not have. Otherwise the same: "
        "pixels, L-inf 16/255, 300 steps of 1/255 along the sign, projected as in PGD (arXiv 1706.06083), crops of "
        "0.71 to 0.95 of the sides.",
        **_CROPS | {"weighting": "dynamic"},
    ),
    "das-attack": _attack(
        "Direct Ascent Synthesis",
        "The layers of Direct Ascent Synthesis (arXiv 2502.07753) within a budget: eps times tanh of a sum of layers "
        "of 1, 2, 4, 8... cells, L-inf 16/255, seen through windows of 224 pixels with uniform noise of 0.2, 8 views a "
        "step, 100 steps. Theirs has every resolution, no budget, no normalised steps, 64 views, clips them to [0, 1], "
        "takes the mean over its texts, and keeps the middle of its canvas.",
        perturbation="layers",
        resolutions="pow2",
        norm="linf",
        eps=16 / 255,
        objective="margin",
        optimiser="sgd",
        momentum=0.0,
        learning_rate=0.05,
        normalise=True,
        start_std=0.0,
        steps=100,
        views="window:224 | uniform:0.2",
        views_per_step=8,
    ),
    "survival": _attack(
        "Made to survive",
        "The expectation over transformations (Athalye et al., arXiv 1707.07397) of what happens to files: 8 views a "
        "step, each resized by 0.5 to 1, JPEG of quality 50 to 95 with halved colour, blurred by up to 1.5 pixels, or "
        "left alone, by PGD (Madry et al., arXiv 1706.06083): pixels, L-inf 16/255, 100 steps of 1/255, on the margin.",
        **_PIXELS
        | {
            "optimiser": "pgd",
            "eps": 16 / 255,
            "steps": 100,
            "learning_rate": 1 / 16,
            "objective": "margin",
            "views": "resize:0.5-1 or jpeg:50-95:420 or blur:0-1.5 or identity",
            "views_per_step": 8,
        },
    ),
}
"""By name."""
