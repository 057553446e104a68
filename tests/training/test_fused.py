"""Batch norms that become part of the convolutions before them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.encoders import build_encoder
from training.fused import fused


def settled(network: nn.Module) -> nn.Module:
    """With statistics and weights of its batch norms that are not those of a new one."""
    torch.manual_seed(0)
    for norm in (one for one in network.modules() if isinstance(one, nn.BatchNorm2d)):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.uniform_(-0.2, 0.2)
        norm.running_var.uniform_(0.5, 2)
        nn.init.uniform_(norm.weight, 0.5, 2)
    return network.eval()


def test_a_convolution_and_its_norm_are_one_layer() -> None:
    """2 x, with mean 1 and variance 4 (less eps) taken out, times 3, plus 5: (2x - 1) / 2 * 3 + 5 = 3x + 3.5."""
    conv, norm = nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1, eps=0.0)
    network = nn.Sequential(conv, norm).eval()
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        conv.weight.fill_(2)
        norm.running_mean.fill_(1)
        norm.running_var.fill_(4)
        norm.weight.fill_(3)
        norm.bias.fill_(5)
    one = fused(network, torch.ones(1, 1, 1, 1))
    assert [type(part) for part in one.children()] == [nn.Conv2d, nn.Identity]
    assert one(torch.full((1, 1, 1, 1), 2.0)).item() == 9.5
    assert [type(part) for part in network.children()] == [nn.Conv2d, nn.BatchNorm2d]  # as it was


def test_the_pretrained_kind_of_network_gives_the_same_without_a_norm() -> None:
    network = settled(build_encoder("timm:tf_efficientnet_lite0"))
    pictures = torch.rand(2, 3, 64, 64)
    one = fused(network, pictures)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in one.modules())
    assert any(isinstance(part, nn.BatchNorm2d) for part in network.modules())
    other = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        wanted = network(other)
        assert (one(other) - wanted).abs().max() < 1e-4 * wanted.abs().max()


def test_a_network_that_calls_its_parts_in_another_order_stays_as_it_is() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)

        def forward(self, images: Tensor) -> Tensor:
            return self.conv(self.norm(images))

    network = settled(Backwards())
    assert fused(network, torch.rand(2, 3, 8, 8)) is network
