"""Which sources of models there are: the one place in which the catalogue is put together.

| names                                        | source                                                | out of files |
| -------------------------------------------- | ----------------------------------------------------- | ------------ |
| `crossmax-cifar10`, `tiny-clip`...           | shipped with the program                              | yes          |
| `lite0`...                                   | Python packages (`robust_model.networks.packaged`)    | yes          |
| a folder's name                              | the data directory's models                           | yes          |
| `ViT-B-32/openai`...                         | open_clip's worth a download, and what was fetched    | yes          |
| `torchvision:NAME`, `timm:NAME`...           | libraries (`robust_model.zoo.published`)              | yes          |
| `ARCHITECTURE/WEIGHTS`                       | all tags of open_clip                                 | yes          |
| `crossmax-hub:ORG/NAME`, a folder            | exported models of ours, on the hub or anywhere       | no           |
| `ensemble:NAME+NAME`                         | several of ours                                       | no           |
| `clip-hub:ORG/NAME`, `local-dir:FOLDER`, ... | encoders of open_clip's form, anywhere                | no           |
| `MODULE:FUNCTION`                            | a function of the user's, which is run                | no           |

Names "out of files" are those of recipes in pictures, and of what a browser sends; the others are taken from a flag
alone. `hf-hub:ORG/NAME`, an old spelling, means a CLIP model or a classifier of ours, whichever can be meant.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from foundation.catalogue.catalogue import Catalogue
from foundation.catalogue.entry import Source
from foundation.catalogue.memory import Memory
from foundation.files.shipped import ASSETS
from generator.encoders.hub import Store
from generator.encoders.precision import PRECISION_VARIABLE, check_precision
from generator.encoders.sources import EncoderFiles, EncoderFolders, ListedEncoders, NamedEncoders, TaggedEncoders
from robust_model.zoo.published import LIBRARIES
from robust_model.zoo.sources import (
    Ensembles,
    ExportedPlaces,
    FolderModels,
    HubModels,
    LibraryModels,
    OwnNetworks,
    PackagedModels,
)

OpenModels: TypeAlias = Callable[[], Catalogue]


def open_catalogue(
    folders: Sequence[Path] = (),
    downloads: Path | None = None,
    *,
    strangers: bool = False,
    shipped: Path = ASSETS,
    store: Store | None = None,
    memory: Memory | None = None,
    precision: str = "",
) -> Catalogue:
    """The catalogue of all models; nothing is read, fetched or loaded yet.

    Args:
        folders: the user's models: each a folder of such, or an encoder's own.
        downloads: where encoders that are fetched are kept; None for a catalogue without encoders.
        strangers: names come from people who are not trusted: nothing but the lists and what the libraries publish is
            there for them, no paths of this machine, no code, and of encoders none but those listed.
        shipped: the folder of what came with the program.
        store: where encoders are fetched from; None is the Hugging Face hub.
        memory: keeps what is loaded; None makes one of the usual budget.
        precision: in which encoders see images, a key of `generator.encoders.precision.PRECISIONS`; "" for what the
            variable CROSSMAX_STUDIO_PRECISION says, or else "auto".

    Raises StudioError for a precision that there is not.
    """
    wanted = precision or os.environ.get(PRECISION_VARIABLE, "").strip() or "auto"
    check_precision(wanted)
    own = [FolderModels(folder) for folder in folders]
    listed: list[Source] = [FolderModels(shipped, "shipped"), PackagedModels(), *own]
    published = [LibraryModels(library) for library in LIBRARIES]
    places: list[Source] = [ExportedPlaces(), HubModels()]
    typed = [*places, Ensembles([*listed, *places]), OwnNetworks()]
    if downloads is None:
        return Catalogue([*listed, *published, *([] if strangers else typed)], memory, wanted)
    files = EncoderFiles(downloads, store)
    encoders = [EncoderFolders(files, shipped, "shipped"), *(EncoderFolders(files, one, "local") for one in folders)]
    known = [*listed, *encoders, ListedEncoders(files), *published]
    more = [] if strangers else [TaggedEncoders(files), *typed[:-1], NamedEncoders(files), typed[-1]]
    return Catalogue([*known, *more], memory, wanted)
