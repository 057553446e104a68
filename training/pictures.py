"""Take even samples of footage, and resize pictures for an encoder."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lookalike import pixels
from training.data import FrameCache

SAMPLE = 2000  # frames of the footage, at most
OF_TRACK = 4  # regions of a sampled track, at least


def sample_rows(among: int, count: int) -> np.ndarray:
    """Choose up to `count` of `among` rows, evenly spaced: int64."""
    return np.linspace(0, among - 1, min(count, among)).round().astype(int)


def sample_frames(cache: FrameCache, input_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Take an even sample of the footage. Returns: rows of the cache, int64 (N,), and uint8 (N, S, S, 3)."""
    rows = sample_rows(len(cache), SAMPLE)
    return rows, fit_all(cache.frames[rows], input_px)


def sample_regions(track: np.ndarray, count: int) -> np.ndarray:
    """Choose up to `count` rows: some moments of each of evenly spaced tracks, then others if there is room.

    track: int64 (R,). Returns: int64, ascending.
    """
    if len(track) <= count:
        return np.arange(len(track))
    numbers = np.unique(track[track >= 0])
    numbers = numbers[sample_rows(len(numbers), count // OF_TRACK)] if len(numbers) else numbers
    each = count // max(len(numbers), 1)
    of_tracks = [np.flatnonzero(track == number) for number in numbers]
    chosen = np.concatenate([rows[sample_rows(len(rows), each)] for rows in of_tracks] or [numbers])
    others = np.setdiff1d(np.arange(len(track)), chosen)
    return np.union1d(chosen, others[sample_rows(len(others), count - len(chosen))])


def fit_all(pictures: Iterable[np.ndarray], side_px: int) -> np.ndarray:
    """Resize pictures, uint8 (H, W, 3) each. Returns: uint8 (N, side_px, side_px, 3)."""
    return np.stack([pixels.fit(picture, side_px) for picture in pictures])
