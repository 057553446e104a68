"""Even samples of footage, and pictures made to fit an encoder."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lookalike import pixels
from training.data import FrameCache

SAMPLE = 2000  # of longer footage, so many frames stand for all


def sample_rows(among: int, count: int) -> np.ndarray:
    """Up to `count` of so many rows, evenly spaced: int64."""
    return np.linspace(0, among - 1, min(count, among)).round().astype(int)


def sample_frames(cache: FrameCache, input_px: int) -> tuple[np.ndarray, np.ndarray]:
    """An even sample of the footage. Returns: rows of the cache, int64 (N,), and uint8 (N, S, S, 3)."""
    rows = sample_rows(len(cache), SAMPLE)
    return rows, fit_all(cache.frames[rows], input_px)


def fit_all(pictures: Iterable[np.ndarray], side_px: int) -> np.ndarray:
    """uint8 (H, W, 3) each -> uint8 (N, side_px, side_px, 3), as every picture is made to fit."""
    return np.stack([pixels.fit(picture, side_px) for picture in pictures])
