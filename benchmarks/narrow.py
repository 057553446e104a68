"""A ResNet that is small enough to see the course of a long training on a CPU: --arch benchmarks.narrow:resnet10."""

from __future__ import annotations

import itertools

from torch import Tensor, nn

WIDTHS = (16, 32, 64, 128)  # a quarter of ResNet-18's


class Block(nn.Module):
    """Two 3x3 convolutions with a shortcut, batch normalised: (B, C, S, S) -> (B, C', S / stride, S / stride).

    Source: ResNet, arXiv 1512.03385, fig. 2 and option B.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.shortcut = nn.Identity()
        if (channels_in, stride) != (channels_out, 1):
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        return (self.body(x) + self.shortcut(x)).relu_()


def resnet10() -> nn.Sequential:
    """`resnet18-small` with a block a stage instead of two, and a quarter of its width: (B, 3, S, S) -> (B, 128)."""
    stem = [nn.Conv2d(3, WIDTHS[0], 3, 1, 1, bias=False), nn.BatchNorm2d(WIDTHS[0]), nn.ReLU(inplace=True)]
    stages = [Block(WIDTHS[0], WIDTHS[0], 1), *(Block(a, b, 2) for a, b in itertools.pairwise(WIDTHS))]
    return nn.Sequential(*stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten())
