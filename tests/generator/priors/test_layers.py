"""The layers of a picture shown one by one and building up."""

import pytest
import torch

from foundation.errors import StudioError
from generator.priors.bounds import Free, FromImage
from generator.priors.layers import CONTRAST, band_pictures, bands
from generator.priors.making import make_prior
from generator.priors.prior import Prior

SIZE = (9, 14)
RESOLUTIONS = (1, 2, 3, 6, 14)


def prior(form: str = "layered", bound=None) -> Prior:
    rng = torch.Generator().manual_seed(0)
    return make_prior(form, bound or Free(), RESOLUTIONS, SIZE, batch=2, start_std=0.3, start_resolution=14, rng=rng)


def test_bands_are_single_while_few_and_octaves_when_many():
    assert bands([3, 1, 2]) == ((1,), (2,), (3,))
    assert bands(range(1, 14)) == ((1,), (2, 3), (4, 5, 6, 7), (8, 9, 10, 11, 12, 13))
    assert bands((1, 2, 5, 6), most=3) == ((1,), (2,), (5, 6))
    assert bands(()) == ()


@pytest.mark.parametrize("form", ["layered", "image_space"])
@pytest.mark.parametrize("bound", [Free(), FromImage(torch.rand(2, 3, *SIZE, generator=torch.Generator()))])
def test_layers_build_up_to_the_picture(form, bound):
    subject = prior(form, bound)
    shown = list(band_pictures(subject))
    assert [picture.band for picture in shown] == [(r,) for r in RESOLUTIONS]
    for count, picture in enumerate(shown, start=1):
        torch.testing.assert_close(picture.cumulative, subject.render_layers(RESOLUTIONS[:count]))
        part = subject.layer_image(RESOLUTIONS[count - 1])
        strength = part.square().mean((1, 2, 3)).sqrt()
        torch.testing.assert_close(picture.strength, strength)
        expected = (1 + (CONTRAST * part / strength.view(-1, 1, 1, 1)).tanh()) / 2  # on grey, whatever the bound
        torch.testing.assert_close(picture.alone, expected)
        assert not picture.alone.requires_grad and not picture.cumulative.requires_grad
    torch.testing.assert_close(shown[-1].cumulative, subject.render().detach())


def test_bands_are_sums_and_what_is_not_shown_still_builds_up():
    subject = prior()
    first, second = band_pictures(subject, [(2, 3), (14,)], contrast=None)
    both = subject.layer_image(2) + subject.layer_image(3)
    torch.testing.assert_close(first.alone, (1 + both.tanh()) / 2)
    torch.testing.assert_close(first.cumulative, subject.render_layers((1, 2, 3)))
    torch.testing.assert_close(second.cumulative, subject.render().detach())


def test_a_layer_of_zeros_is_grey():
    subject = make_prior("image_space", Free(), (1, 4), (3, 4), batch=2)
    for picture in band_pictures(subject):
        assert torch.equal(picture.alone, torch.full((2, 3, 3, 4), 0.5))
        assert not picture.strength.any()


def test_layers_are_made_one_at_a_time(monkeypatch):
    subject = prior("image_space")
    asked = []
    original = type(subject).layer_image
    monkeypatch.setattr(type(subject), "layer_image", lambda self, r: asked.append(r) or original(self, r))
    pictures = band_pictures(subject, [(1,), (6,)])
    assert asked == []
    next(pictures)
    assert asked == [1]
    with torch.enable_grad():
        next(pictures)
        assert torch.is_grad_enabled()
    assert asked == [1, 2, 3, 6]


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ([(1,), (4,)], "no layer of resolution 4"),
        ([(2,), (1,)], "coarse to fine"),
        ([(1, 2), (2,)], "each resolution once"),
        ([(1,), ()], "none of them empty"),
    ],
)
def test_senseless_bands_are_refused_at_once(shown, reason):
    with pytest.raises(StudioError, match=reason):
        band_pictures(prior(), shown)
