"""The networks that can be trained."""

from __future__ import annotations

import pytest
import torch

from lookalike.errors import TrainingError
from training.augment import expose
from training.encoders import MEAN, STD, Normalize, Standardize, build_encoder, embedding_dim, grid_of


def test_the_mean_colour_becomes_zero_and_one_standard_deviation_more_becomes_one() -> None:
    colours = torch.stack([torch.tensor(MEAN), torch.tensor(MEAN) + torch.tensor(STD)])[:, :, None, None]
    expected = torch.tensor([0.0, 1.0])[:, None, None, None].expand(2, 3, 1, 1)
    assert torch.allclose(Normalize()(colours), expected, atol=1e-6)


def test_standardised_logarithms_do_not_see_exposure_and_white_balance(monkeypatch: pytest.MonkeyPatch) -> None:
    """log(gain * x ^ gamma) is log gain + gamma * log x: one shift and one scale a channel, which are taken out."""
    monkeypatch.setattr(Standardize, "OFFSET", 0.0)
    monkeypatch.setattr(Standardize, "DEVIATION", 0.0)
    torch.manual_seed(0)
    images = 0.1 + 0.8 * torch.rand(4, 3, 8, 8)
    gamma, gain = torch.tensor([0.5, 1.0, 1.5, 2.0]), 0.5 + 0.5 * torch.rand(4, 3)  # too dark to clip
    found = Standardize()(expose(images, gamma, gain))
    assert torch.allclose(found, Standardize()(images), atol=1e-4)
    assert torch.allclose(found.mean((2, 3)), torch.zeros(4, 3), atol=1e-5)


def test_a_picture_of_two_values_becomes_plus_and_minus_its_share_of_deviation() -> None:
    """Half .1, half .4: logs of .2 and .5 lie log(2.5) / 2 = .458 from their mean; .458 / (.458 + .05) = .902."""
    half = torch.tensor([0.1, 0.4]).view(1, 1, 1, 2).expand(1, 3, 4, 2)
    found = Standardize()(half)
    assert torch.allclose(found, torch.tensor([-0.90161, 0.90161]).expand(1, 3, 4, 2), atol=1e-4)
    assert torch.equal(Standardize()(torch.full((1, 3, 4, 4), 0.3)), torch.zeros(1, 3, 4, 4))  # flat stays flat


def test_the_light_chooses_how_pictures_are_normalised() -> None:
    assert isinstance(build_encoder("compact", "relative")[0], Standardize)
    assert isinstance(build_encoder("compact", "absolute")[0], Normalize)


@pytest.mark.parametrize(
    ("arch", "dim", "grid"),
    [
        ("resnet18", 512 * 9, 3),
        ("resnet18-small", 512, 1),
        ("resnet50", 2048 * 9, 3),
        ("timm:tf_efficientnet_lite0", 192 * 9, 3),  # to its stage 5; the last has 320 channels, the widening 1,280
        ("timm:resnet18", 512 * 9, 3),
        ("compact", 128 * 16, 4),
    ],
)
def test_a_network_gives_a_grid_of_its_features(arch: str, dim: int, grid: int) -> None:
    encoder = build_encoder(arch)
    assert (embedding_dim(encoder, 64), grid_of(encoder)) == (dim, grid)


def test_a_network_of_timm_is_normalised_as_its_weights_want_it() -> None:
    """Of EfficientNet-Lite, grey .5 is zero and white is one; of most others, ImageNet's mean is zero."""
    normalize = build_encoder("timm:tf_efficientnet_lite0")[0]
    assert torch.allclose(normalize(torch.tensor([0.5, 1.0]).view(2, 1, 1, 1).expand(2, 3, 1, 1))[:, 0, 0, 0],
                          torch.tensor([0.0, 1.0]))  # fmt: skip
    other = build_encoder("timm:resnet18")[0]
    assert torch.allclose(other(torch.tensor(MEAN).view(1, 3, 1, 1)), torch.zeros(1, 3, 1, 1), atol=1e-6)


@pytest.mark.parametrize("name", ["no_such_network", "vit_tiny_patch16_224"])
def test_what_timm_cannot_give_as_feature_maps_is_an_error(name: str) -> None:
    with pytest.raises(TrainingError, match=r"timm cannot build it|expected feature maps|does not accept pictures"):
        embedding_dim(build_encoder(f"timm:{name}"), 64)


@pytest.mark.parametrize("input_px", [32, 64, 96])
def test_the_compact_networks_dim_does_not_depend_on_the_input(input_px: int) -> None:
    torch.manual_seed(0)
    encoder = build_encoder("compact")
    assert embedding_dim(encoder, input_px) == embedding_dim(encoder, 48)
    assert encoder(torch.rand(2, 3, input_px, input_px)).shape == (2, embedding_dim(encoder, input_px))


def test_asking_for_the_dim_leaves_the_encoder_as_it_was() -> None:
    encoder = build_encoder("resnet18")
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    embedding_dim(encoder, 64)
    assert encoder.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())


def test_the_compact_network_gives_a_picture_the_same_embedding_alone_and_in_company() -> None:
    """Also while it is trained: it has no batch statistics."""
    torch.manual_seed(0)
    encoder, images = build_encoder("compact"), torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(encoder(images)[:1], encoder(images[:1]), atol=1e-5)
