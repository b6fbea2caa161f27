"""Which layers a network has, and what watching them leaves behind."""

import threading

import pytest
import torch
from torch import nn

from foundation.errors import StudioError
from generator.units.layers import WholeModule, find_layer, layers_of, observable, watching
from tests.generator.standins import Words
from tests.generator.units.networks import Painter, Sequence


def test_layers_are_listed_as_they_run_with_their_form() -> None:
    found = layers_of(WholeModule(Painter()))
    assert list(found) == ["see", "bend", "twice"]  # one that never runs, and one that does nothing, are no layers
    assert (found["see"].kind, found["see"].channels, found["see"].size) == ("map", 4, (64, 64))
    assert found["twice"].size == (16, 16)  # of two runs in a pass, the last counts


def test_tokens_come_first_or_second_and_channels_first_or_last() -> None:
    model = WholeModule(Sequence())
    found = layers_of(model, ["tokens", "first", "last", "pair"])
    assert (found["tokens"].kind, found["tokens"].size, found["tokens"].axes) == ("tokens", (257,), (0, 2))
    assert (found["first"].kind, found["first"].size, found["first"].axes) == ("tokens", (257,), (1, 2))
    assert (found["last"].kind, found["last"].size, found["last"].axes) == ("map", (16, 16), (0, 3))
    assert (found["pair"].kind, found["pair"].channels) == ("tokens", 3)


def test_no_hook_and_no_mode_stays() -> None:
    network = Painter()
    layers_of(WholeModule(network))
    with pytest.raises(RuntimeError, match="stop"), watching(network, ["see", "bend"]):
        raise RuntimeError("stop")
    with pytest.raises(AttributeError), watching(network, ["see", "missing"]):
        pass
    assert not any(module._forward_hooks for module in network.modules())


def test_what_others_let_the_network_do_is_not_seen() -> None:
    network = Painter()
    with watching(network, ["see"]) as outputs:
        other = threading.Thread(target=network, args=(torch.rand(5, 3, 8, 8),))
        other.start()
        other.join()
        assert outputs == {}
        network(torch.rand(2, 3, 8, 8))
    assert outputs["see"].shape == (2, 4, 8, 8)


def test_what_changes_in_place_is_kept_as_it_was() -> None:
    network = Painter()
    images = torch.rand(2, 3, 8, 6, generator=torch.Generator().manual_seed(0))
    with watching(network, ["see", "bend"]) as outputs:
        network(images)
    plain = torch.einsum("oc,bchw->bohw", network.see.weight[:, :, 0, 0], images)
    assert torch.allclose(outputs["see"], plain, atol=1e-6) and (plain < 0).any()
    assert torch.allclose(outputs["bend"], plain.clamp(min=0), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("se", "'se' is not one of its layers. The nearest are 'see'"),
        ("zzz", "It has 3, beginning with 'see', 'bend', 'twice'. All are listed by: python -m generator units hand"),
        ("unused", "'unused' has no channels that units could be taken from"),
    ],
)
def test_a_name_that_is_none_gets_the_nearest(name: str, words: str) -> None:
    with pytest.raises(StudioError) as refused:
        find_layer(WholeModule(Painter()), name, "hand")
    assert words in str(refused.value)


def test_a_model_that_shows_nothing_is_refused() -> None:
    with pytest.raises(StudioError, match="'words' shows nothing of its layers"):
        observable(Words(), "words")
    module = nn.Conv2d(3, 2, 1)
    assert observable(module, "conv").observed is module
