"""The colour part of an embedding: a histogram, computed inside the graph."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HUES, SATURATIONS, VALUES = 8, 3, 2  # of coloured pixels
GREYS = 16  # values of grey pixels, whose hue is noise
BINS = HUES * SATURATIONS * VALUES + GREYS
SIDE_PX = 32  # pictures are averaged down to this, which removes noise


class ColourHistogram(nn.Module):
    """Pictures in [0, 1] -> the root of their histogram of hue, saturation and value, of length 1.

    Each pixel is distributed over neighbouring bins by its distance to their centres, so that a small change of light
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
    """Convert rgb, (N, 3, P). Returns: hue, saturation and value in [0, 1], (N, P) each."""
    red, green, blue = rgb.unbind(1)
    value, least = rgb.amax(1), rgb.amin(1)
    chroma = (value - least).clamp_min(1e-6)
    hue = torch.where(
        value == red,
        (green - blue) / chroma,
        torch.where(value == green, 2 + (blue - red) / chroma, 4 + (red - green) / chroma),
    )
    return torch.remainder(hue / 6, 1.0), (value - least) / value.clamp_min(1e-6), value


def _near(share: Tensor, bins: int) -> Tensor:
    """Distribute numbers in [0, 1] over `bins` centres from 0 to 1. Returns: (N, P, bins)."""
    centres = torch.linspace(0, 1, bins, device=share.device)
    return (1 - (share[..., None] - centres).abs() * (bins - 1)).clamp_min(0)


def _around(turn: Tensor, bins: int) -> Tensor:
    """Distribute angles, in turns, over `bins` centres; the last is next to the first. Returns: (N, P, bins)."""
    centres = torch.arange(bins, device=turn.device) / bins
    apart = (turn[..., None] - centres).abs()
    return (1 - torch.minimum(apart, 1 - apart) * bins).clamp_min(0)
