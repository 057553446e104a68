"""Resample recordings at even time steps, and find where two of them change in the same way.

This is for spans of recordings of any length; `copies` has why a short clip is aligned in another way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

STEP_S = 0.25  # finer than most indexes; if frames are further apart, their spacing is the step
WINDOW_S = 5.0  # in which the changes must agree
LEAST_STEPS = 8  # of a window
AGREEMENT = 0.7  # least correlation of the changes, -1 to 1; copies have .8 to 1 if something moves
MARGIN = 0.1  # by which it must exceed the correlation at any other time
STILL = 1e-4  # least change of a window: mean squared distance from its mean
BLOCK = 512  # windows compared at a time


@dataclass(frozen=True, eq=False)
class Track:
    """The frames of one source.

    source_id: SHA-256 of its bytes. vectors: float32 (N, D), at times_s, (N,), sorted; each is seen until ends_s.
    """

    source: str
    source_id: str
    camera: str
    times_s: np.ndarray
    ends_s: np.ndarray
    vectors: np.ndarray

    @property
    def spacing_s(self) -> float:
        """Median time between neighbouring frames."""
        return float(np.median(np.diff(self.times_s))) if len(self.times_s) > 1 else 0.0

    def at_steps(self, step_s: float) -> np.ndarray:
        """Resample to steps of `step_s` from the first frame on, by the frame nearest in time: float32 (M, D)."""
        moments = np.arange(self.times_s[0], self.ends_s[-1] + step_s / 2, step_s)
        before = np.maximum(np.searchsorted(self.times_s, moments + 1e-6, side="right") - 1, 0)
        after = np.minimum(before + 1, len(self.times_s) - 1)
        nearer = self.times_s[after] - moments < moments - self.ends_s[before]
        return self.vectors[np.where(nearer, after, before)]


@dataclass(frozen=True)
class Match:
    """Two spans with the same content. similarity: mean cosine of their frames. agreement: best of their windows."""

    span_s: tuple[float, float]
    other_span_s: tuple[float, float]
    similarity: float
    agreement: float

    @property
    def measures(self) -> tuple[float, float]:
        return self.similarity, self.agreement

    @property
    def offset_s(self) -> float:
        """The difference between a time in the other recording and the same time in the first."""
        return self.other_span_s[0] - self.span_s[0]


def matches(track: Track, other: Track) -> list[Match]:
    """Find spans of at least WINDOW_S in which two recordings change in the same way at the same time.

    Static content does not count: the same background in two recordings does not match, and neither does a still copy.
    Only the changes within a window are compared, so that constant light, compression and scale have no effect. A
    window must agree with one time far better than with any other. Windows of the shorter recording are searched in the
    longer one, so that there are other times.
    """
    if len(track.times_s) > len(other.times_s):
        return [Match(match.other_span_s, match.span_s, *match.measures) for match in matches(other, track)]
    step_s = max(STEP_S, track.spacing_s, other.spacing_s)
    window = max(round(WINDOW_S / step_s), LEAST_STEPS)
    first, second = track.at_steps(step_s), other.at_steps(step_s)
    if min(len(first), len(second)) < window:
        return []
    starts, offsets, agreements = _agreeing(first, second, window)
    spans_found: list[Match] = []
    while len(starts):
        offset = int(np.bincount(offsets - offsets.min()).argmax() + offsets.min())
        same = np.abs(offsets - offset) <= 1
        if same.sum() * step_s >= WINDOW_S / 5:
            low, high, similarity = _extent(first, second, starts[same], offset, window)
            spans = [
                (float(source.times_s[0] + low * step_s + shift), float(source.times_s[0] + high * step_s + shift))
                for source, shift in ((track, 0.0), (other, offset * step_s))
            ]
            spans_found.append(Match(spans[0], spans[1], similarity, min(float(agreements[same].max()), 1.0)))
        starts, offsets, agreements = starts[~same], offsets[~same], agreements[~same]
    return spans_found


def _agreeing(first: np.ndarray, second: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find windows of the first recording that agree with a window of the second.

    first, second: float32 (N, D) and (M, D), by time steps. Returns: the windows' starts, the offsets of the windows in
    the second, and the agreements.
    """
    starts: list[np.ndarray] = []
    offsets: list[np.ndarray] = []
    agreements: list[np.ndarray] = []
    for begin, correlation in _correlations(first, second, window):
        rows = np.arange(len(correlation))
        best = correlation.argmax(axis=1)
        agreement = correlation[rows, best]
        elsewhere = np.abs(np.arange(correlation.shape[1]) - best[:, None]) >= window
        rival = np.where(elsewhere, correlation, -1).max(axis=1)
        good = (agreement >= AGREEMENT) & (agreement - rival >= MARGIN)
        starts.append(begin + rows[good])
        offsets.append(best[good] - starts[-1])
        agreements.append(agreement[good])
    return np.concatenate(starts), np.concatenate(offsets), np.concatenate(agreements)


def _correlations(first: np.ndarray, second: np.ndarray, window: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the correlation over time of each window of the first with each of the second, in blocks of rows.

    Zero-normalised: the windows' means are subtracted, and the result is divided by their norms.
    """
    means, changes = _moments(second, window)
    for begin in range(0, len(first) - window + 1, BLOCK):
        part = first[begin : begin + BLOCK + window - 1]
        own_means, own_changes = _moments(part, window)
        cosines = part @ second.T
        rows, columns = len(own_means), len(means)
        product = sum(cosines[step : step + rows, step : step + columns] for step in range(window))
        product = product - window * own_means @ means.T
        lengths = np.sqrt(np.outer(own_changes, changes))
        yield begin, np.where(lengths > window * STILL, product / np.maximum(lengths, 1e-12), 0)


def _moments(vectors: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean, (M, D), and the total squared change, (M,), of each window of unit vectors, float32 (N, D)."""
    sums = np.cumsum(
        np.vstack([np.zeros((1, vectors.shape[1])), vectors]), axis=0
    )  # float64: differences of large sums
    means = ((sums[window:] - sums[:-window]) / window).astype(np.float32)
    return means, np.maximum(window * (1 - (means**2).sum(axis=1)), 0)


def _extent(
    first: np.ndarray, second: np.ndarray, starts: np.ndarray, offset: int, window: int
) -> tuple[int, int, float]:
    """Return the first and the last step with the same content, and their mean similarity.

    The span extends beyond the agreeing windows for as long as the similarity is at least its minimum within them.
    """
    begin, end = max(0, -offset), min(len(first), len(second) - offset)
    cosines = (first[begin:end] * second[begin + offset : end + offset]).sum(axis=1)
    low, high = max(int(starts.min()) - begin, 0), min(int(starts.max()) + window - begin, len(cosines))
    worst = cosines[low:high].min()
    while low > 0 and cosines[low - 1] >= worst:
        low -= 1
    while high < len(cosines) and cosines[high] >= worst:
        high += 1
    return begin + low, begin + high - 1, float(cosines[low:high].mean())
