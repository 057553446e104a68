"""The networks that can be trained: each gives (B, D) from float (B, 3, S, S) in [0, 1]."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from training.config import Arch

# Of ImageNet, so that torchvision's weights can be a start; they live in the graph and nowhere else.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
GROUPS = 8  # channels are normalised in this many groups


class Normalize(nn.Module):
    """Pictures in [0, 1] -> zero mean, unit variance, with constants that travel in the graph."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut, group normalised.

    Source: ResNet, arXiv 1512.03385, fig. 2; group norm, arXiv 1803.08494.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
            nn.GroupNorm(GROUPS, channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False),
            nn.GroupNorm(GROUPS, channels_out),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.GroupNorm(GROUPS, channels_out)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class CompactNet(nn.Module):
    """A small residual network for CPUs: 1/16 of the resolution, then a 4x4 grid that keeps where things are.

    Fixed cameras show the same place all day: what tells two moments apart is small, and where it is matters.
    Group norm, because batch norm's running statistics belong to no camera in particular; the heads keep batch norm,
    which BYOL leans on, and are thrown away. Source for that: arXiv 2010.10241.
    """

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128, 192), out: int = 32, grid: int = 4) -> None:
        super().__init__()
        stem = [nn.Conv2d(3, widths[0], 3, 2, 1, bias=False), nn.GroupNorm(GROUPS, widths[0]), nn.ReLU(inplace=True)]
        blocks = [BasicBlock(a, b, 2) for a, b in itertools.pairwise(widths)]
        head = [nn.Conv2d(widths[-1], out, 1, bias=False), nn.GroupNorm(GROUPS, out), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*stem, *blocks, *head)
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.dim = out * grid * grid

    def forward(self, images: Tensor) -> Tensor:
        # (B, 3, S, S) -> (B, out, S/16, S/16) -> (B, out, grid, grid) -> (B, D)
        return self.pool(self.features(images)).flatten(1)


def _torchvision(name: str) -> nn.Module:
    import torchvision

    network = getattr(torchvision.models, name)(weights=None)
    network.fc = nn.Identity()
    return network


_BUILDERS: dict[Arch, Callable[[], nn.Module]] = {
    "compact": CompactNet,
    "resnet18": lambda: _torchvision("resnet18"),
    "resnet50": lambda: _torchvision("resnet50"),
}


def build_encoder(arch: Arch) -> nn.Sequential:
    """A randomly initialised encoder: float (B, 3, S, S) in [0, 1] -> (B, D)."""
    return nn.Sequential(Normalize(), _BUILDERS[arch]())


def embedding_dim(encoder: nn.Module, input_px: int) -> int:
    """D, found by asking the encoder."""
    was_training = encoder.training
    with torch.no_grad():
        dim = encoder.eval()(torch.zeros(1, 3, input_px, input_px)).shape[1]
    encoder.train(was_training)
    return dim
