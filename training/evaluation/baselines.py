"""Baselines without a network, what any encoder must beat; and any vectors joined with colour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

COLOUR = 0.2  # share of colour in the score of joined vectors
Embedder = Callable[[list[np.ndarray]], np.ndarray]  # pictures uint8 (H, W, 3) -> unit float32 (N, D)


def raw_pixels(side_px: int) -> Embedder:
    """The picture itself at side x side, centred on its own mean, as a unit vector."""

    def embed(pictures: list[np.ndarray]) -> np.ndarray:
        small = [_resize(picture, side_px).astype(np.float32).ravel() for picture in pictures]
        vectors = np.stack(small)
        return normalize(vectors - vectors.mean(1, keepdims=True))

    return embed


def hsv_histogram(pictures: list[np.ndarray]) -> np.ndarray:
    """8 x 4 x 4 bins of hue, saturation and value; the square root, so that a dot product is Bhattacharyya's."""
    rows: list[np.ndarray] = []
    for picture in pictures:
        hsv = np.asarray(Image.fromarray(picture).resize((64, 64), Image.Resampling.BILINEAR).convert("HSV")) // (
            32,
            64,
            64,
        )
        bins = hsv[..., 0] * 16 + hsv[..., 1] * 4 + hsv[..., 2]
        rows.append(np.sqrt(np.bincount(bins.ravel().astype(int), minlength=128)))
    return normalize(np.stack(rows).astype(np.float32))


@dataclass(frozen=True, eq=False)
class Joined:
    """Vectors joined with colour: a dot product is .8 of their own cosine and .2 of that of their colour histograms.

    Both are taken about the mean of what is searched first: mean, float32 (D,), and colour_mean, float32 (C,).
    """

    mean: np.ndarray
    colour_mean: np.ndarray

    @classmethod
    def on(cls, vectors: np.ndarray, colour: np.ndarray) -> Joined:
        """Of what is searched: float32 (N, D) and (N, C)."""
        return cls(vectors.mean(0), colour.mean(0))

    def __call__(self, vectors: np.ndarray, colour: np.ndarray) -> np.ndarray:
        """float32 (N, D) and (N, C) of the same pictures -> unit float32 (N, D + C)."""
        own, histogram = normalize(vectors - self.mean), normalize(colour - self.colour_mean)
        return np.concatenate([own * (1 - COLOUR) ** 0.5, histogram * COLOUR**0.5], 1).astype(np.float32)


def normalize(vectors: np.ndarray) -> np.ndarray:
    """Rows to length 1; a zero row stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _resize(picture: np.ndarray, side_px: int) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((side_px, side_px), Image.Resampling.BILINEAR))
