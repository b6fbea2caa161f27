"""Tiny models in place of real ones, and what the jobs work with."""

import torch

from app.costs.timings import Timings
from app.handlers.pictures import Workshop
from foundation.catalogue.catalogue import Catalogue
from foundation.errors import StudioError
from generator.encoders.sources import EncoderFiles, EncoderFolders, ListedEncoders
from robust_model.networks.ensemble import ModelConfig, SelfEnsemble
from robust_model.zoo.published import LIBRARIES
from robust_model.zoo.sources import LibraryModels
from tests.toy_models import Toys

COLOURS = ("red", "green", "blue")


class Colours(torch.nn.Module):
    """Logits are the mean colour, scaled."""

    class_names = COLOURS

    def forward(self, images):
        return 20 * images.mean(dim=(2, 3))


def toys():
    """Two models of colours, a damaged one, and a tiny real network."""
    gratings = tuple(f"grating {index}" for index in range(4))
    config = ModelConfig(class_names=gratings, widths=(4, 4), blocks=(1, 1), input_size=16)
    damaged = StudioError("Its weights are damaged.")
    models = {
        "colours": Colours(),
        "damaged": damaged,
        "other": Colours(),
        "gratings": SelfEnsemble(config).eval(),
    }
    return Toys(models, class_names=COLOURS)


def workshop(data, encoders=None, classifiers=None):
    """The toys and what is published; the encoders are those in the data's models, unless others are given."""
    files = EncoderFiles(data.downloads)
    own = [EncoderFolders(files, data.models, "local"), ListedEncoders(files)] if encoders is None else [encoders]
    published = [LibraryModels(library) for library in LIBRARIES]
    return Workshop(Catalogue([classifiers or toys(), *own, *published]), data, Timings(data.timings))
