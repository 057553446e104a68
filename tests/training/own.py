"""Encoders of one's own, as `--arch` takes them."""

from torch import nn


def with_batch_norm() -> nn.Module:
    """(B, 3, 32, 32) -> (B, 64)."""
    return nn.Sequential(nn.Conv2d(3, 16, 4, 4), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())


def with_dropout() -> nn.Module:
    """(B, 3, 32, 32) -> (B, 64), by chance."""
    return nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5))


def a_map() -> nn.Module:
    """Not a vector for each picture."""
    return nn.Conv2d(3, 8, 3)


NOT_CALLABLE = 3
