"""Baselines without a network, and vectors joined with colour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

COLOUR = 0.2  # share of colour in the score of joined vectors
Embedder = Callable[[list[np.ndarray]], np.ndarray]  # pictures uint8 (H, W, 3) -> unit float32 (N, D)


def raw_pixels(side_px: int) -> Embedder:
    """Return an embedder: the picture at side x side, less its mean, as a unit vector."""

    def embed(pictures: list[np.ndarray]) -> np.ndarray:
        small = [_resize(picture, side_px).astype(np.float32).ravel() for picture in pictures]
        vectors = np.stack(small)
        return normalize(vectors - vectors.mean(1, keepdims=True))

    return embed


def hsv_histogram(pictures: list[np.ndarray]) -> np.ndarray:
    """Count 8 x 4 x 4 bins of hue, saturation and value. The root makes a dot product Bhattacharyya's coefficient."""
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
    """Joins vectors with colour: the dot product is .8 of their cosine plus .2 of that of their colour histograms.

    Both are centred on the mean of the gallery first: mean, float32 (D,), and colour_mean, float32 (C,).
    """

    mean: np.ndarray
    colour_mean: np.ndarray

    @classmethod
    def on(cls, vectors: np.ndarray, colour: np.ndarray) -> Joined:
        """Centre on a gallery: float32 (N, D) and (N, C)."""
        return cls(vectors.mean(0), colour.mean(0))

    def __call__(self, vectors: np.ndarray, colour: np.ndarray) -> np.ndarray:
        """Join float32 (N, D) and (N, C) of the same pictures. Returns: unit float32 (N, D + C)."""
        own, histogram = normalize(vectors - self.mean), normalize(colour - self.colour_mean)
        return np.concatenate([own * (1 - COLOUR) ** 0.5, histogram * COLOUR**0.5], 1).astype(np.float32)


def normalize(vectors: np.ndarray) -> np.ndarray:
    """Scale rows to length 1; a zero row stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _resize(picture: np.ndarray, side_px: int) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((side_px, side_px), Image.Resampling.BILINEAR))
