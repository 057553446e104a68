"""Recordings as vectors at even steps of time, and where two of them go through the same changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

STEP_S = 0.25  # finer than most indexes; where frames lie further apart, their spacing counts
WINDOW_S = 5.0  # that long the changes must agree
LEAST_STEPS = 8  # of a window
AGREEMENT = 0.7  # correlation of the changes, from -1 to 1; of copies .8 to 1, where something moves
MARGIN = 0.1  # how much better than at any other time
STILL = 1e-4  # less change than that, mean squared distance from the window's mean, is none
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
        """Between neighbouring frames, usually."""
        return float(np.median(np.diff(self.times_s))) if len(self.times_s) > 1 else 0.0

    def at_steps(self, step_s: float) -> np.ndarray:
        """float32 (M, D): what is seen each `step_s` from the first frame on, by the frame nearest in time."""
        moments = np.arange(self.times_s[0], self.ends_s[-1] + step_s / 2, step_s)
        before = np.maximum(np.searchsorted(self.times_s, moments + 1e-6, side="right") - 1, 0)
        after = np.minimum(before + 1, len(self.times_s) - 1)
        nearer = self.times_s[after] - moments < moments - self.ends_s[before]
        return self.vectors[np.where(nearer, after, before)]


@dataclass(frozen=True)
class Match:
    """Two spans that show the same. similarity: mean cosine of their frames. agreement: of their changes, at best."""

    span_s: tuple[float, float]
    other_span_s: tuple[float, float]
    similarity: float
    agreement: float

    @property
    def measures(self) -> tuple[float, float]:
        return self.similarity, self.agreement

    @property
    def offset_s(self) -> float:
        """What to add to a time of the first to have that of the other."""
        return self.other_span_s[0] - self.span_s[0]


def matches(one: Track, other: Track) -> list[Match]:
    """Find spans of at least WINDOW_S in which two recordings change in the same way at the same time.

    What stands still says nothing: one background in two recordings is no match, and neither is a still copy. Only the
    changes within a window are compared, so that light, compression and scale, which are the same throughout, do not
    count; and a window must agree with one time far better than with any other: windows of the shorter are looked for
    in the longer, so that there are others.
    """
    if len(one.times_s) > len(other.times_s):
        return [Match(match.other_span_s, match.span_s, *match.measures) for match in matches(other, one)]
    step_s = max(STEP_S, one.spacing_s, other.spacing_s)
    window = max(round(WINDOW_S / step_s), LEAST_STEPS)
    first, second = one.at_steps(step_s), other.at_steps(step_s)
    if min(len(first), len(second)) < window:
        return []
    starts, offsets, agreements = _agreeing(first, second, window)
    found: list[Match] = []
    while len(starts):
        offset = int(np.bincount(offsets - offsets.min()).argmax() + offsets.min())
        same = np.abs(offsets - offset) <= 1
        if same.sum() * step_s >= WINDOW_S / 5:
            low, high, similarity = _extent(first, second, starts[same], offset, window)
            spans = [
                (float(track.times_s[0] + low * step_s + shift), float(track.times_s[0] + high * step_s + shift))
                for track, shift in ((one, 0.0), (other, offset * step_s))
            ]
            found.append(Match(spans[0], spans[1], similarity, min(float(agreements[same].max()), 1.0)))
        starts, offsets, agreements = starts[~same], offsets[~same], agreements[~same]
    return found


def _agreeing(first: np.ndarray, second: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows of the first that agree with one of the second: their starts, how much later that one starts, how well.

    first, second: float32 (N, D) and (M, D), steps of time.
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
    """The correlation over time of each window of the first with each of the second, in blocks of rows.

    Zero-normalised: the windows' means are taken off, and their lengths divided by.
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
    """Of each window of `vectors`, float32 (N, D), of length 1: mean, (M, D), and squared change in all, (M,)."""
    sums = np.cumsum(
        np.vstack([np.zeros((1, vectors.shape[1])), vectors]), axis=0
    )  # float64: differences of large sums
    means = ((sums[window:] - sums[:-window]) / window).astype(np.float32)
    return means, np.maximum(window * (1 - (means**2).sum(axis=1)), 0)


def _extent(
    first: np.ndarray, second: np.ndarray, starts: np.ndarray, offset: int, window: int
) -> tuple[int, int, float]:
    """From the first to the last step that show the same, and how similar they are in the mean.

    Beyond the windows that agree it goes on for as long as the two are as similar as they are at worst within.
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
