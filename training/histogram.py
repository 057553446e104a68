"""The colour part of an embedding: a histogram, computed inside the graph."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HUES, SATURATIONS, VALUES = 8, 3, 2  # of what has a colour
GREYS = 16  # values of what has none: its hue is noise
BINS = HUES * SATURATIONS * VALUES + GREYS
SIDE_PX = 32  # pictures are averaged down to this: colours of areas, not of noise


class ColourHistogram(nn.Module):
    """Pictures in [0, 1] -> the root of their histogram of hue, saturation and value, of length 1.

    Each pixel is shared between neighbouring bins by how near it is to their centres, so that a small change of light
    changes the histogram little. The root makes a dot product Bhattacharyya's coefficient, as in Swain and Ballard,
    IJCV 1991, and Arandjelovic and Zisserman, CVPR 2012 (RootSIFT).
    """

    def forward(self, images: Tensor) -> Tensor:
        """images: float (N, 3, S, S). Returns: float (N, BINS)."""
        images = F.adaptive_avg_pool2d(images, SIDE_PX)
        hue, saturation, value = _hsv(images.flatten(2))  # (N, P) each
        grey, coloured = _near(saturation, SATURATIONS + 1).split([1, SATURATIONS], 2)
        chroma = (coloured[..., :, None] * _near(value, VALUES)[..., None, :]).flatten(2)
        colours = _around(hue, HUES).transpose(1, 2) @ chroma  # (N, HUES, SATURATIONS * VALUES)
        greys = grey.transpose(1, 2) @ _near(value, GREYS)  # (N, 1, GREYS)
        counts = torch.cat([colours.flatten(1), greys.flatten(1)], 1)
        return (counts / counts.sum(1, keepdim=True)).clamp_min(1e-12).sqrt()


def _hsv(rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """rgb: (N, 3, P). Returns: hue, saturation and value in [0, 1], (N, P) each."""
    red, green, blue = rgb.unbind(1)
    value, least = rgb.amax(1), rgb.amin(1)
    spread = (value - least).clamp_min(1e-6)
    hue = torch.where(
        value == red,
        (green - blue) / spread,
        torch.where(value == green, 2 + (blue - red) / spread, 4 + (red - green) / spread),
    )
    return torch.remainder(hue / 6, 1.0), (value - least) / value.clamp_min(1e-6), value


def _near(share: Tensor, bins: int) -> Tensor:
    """How much of a number in [0, 1] falls to each of `bins` centres, from 0 to 1. Returns: (N, P, bins)."""
    centres = torch.linspace(0, 1, bins, device=share.device)
    return (1 - (share[..., None] - centres).abs() * (bins - 1)).clamp_min(0)


def _around(turn: Tensor, bins: int) -> Tensor:
    """The same of an angle in turns, whose last bin is next to the first."""
    centres = torch.arange(bins, device=turn.device) / bins
    apart = (turn[..., None] - centres).abs()
    return (1 - torch.minimum(apart, 1 - apart) * bins).clamp_min(0)
