"""Link regions of the same thing over time, without labels."""

from __future__ import annotations

import numpy as np

LOST_S = 1.0  # a track without regions for longer has ended
REACH = 1.0  # largest distance of the next region from the predicted position, in mean diagonals of both
GROWTH = 3.0  # largest ratio of areas

Box = np.ndarray  # float (4,), x, y, w, h in shares of the picture


class _Track:
    """A thing that is followed: its last position and its speed."""

    def __init__(self, number: int, box: Box, time_s: float) -> None:
        self.number, self.box, self.time_s = number, box, time_s
        self._speed = np.zeros(2)  # of its centre, shares of the picture a second

    def misfit(self, box: Box, time_s: float) -> float:
        """Return how far a region is from the expected position: above REACH it cannot be the same thing."""
        areas = self.box[2] * self.box[3], box[2] * box[3]
        if max(areas) > GROWTH * min(areas):
            return np.inf
        expected = _centre(self.box) + self._speed * (time_s - self.time_s)
        size = (np.hypot(*self.box[2:]) + np.hypot(*box[2:])) / 2
        return float(np.hypot(*(_centre(box) - expected)) / size)

    def extend(self, box: Box, time_s: float) -> None:
        self._speed = (_centre(box) - _centre(self.box)) / (time_s - self.time_s)
        self.box, self.time_s = box, time_s


def link_regions(boxes: np.ndarray, source: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Link regions of consecutive frames that probably show the same thing, the most probable pairs first.

    boxes: float (R, 4), x, y, w, h in shares of the picture. source: int (R,), which recording. time_s: float (R,).
    Regions of one frame have equal times; they need not be sorted.
    Returns: int64 (R,), a number for each track, from 0 in order of their first region; -1 for a region that is not
    linked.
    Source: greedy association by distance to the position predicted from constant speed, as in SORT, arXiv 1602.00763,
    with centres for overlaps, since a fast thing's boxes may not overlap at a few frames a second.
    """
    found = np.full(len(boxes), -1, np.int64)
    active: list[_Track] = []
    count, last_source = 0, None
    for rows in _frames(source, time_s):
        now_s = float(time_s[rows[0]])
        if source[rows[0]] != last_source:
            active, last_source = [], source[rows[0]]
        active = [track for track in active if now_s - track.time_s <= LOST_S]
        for row, track in _pairs(active, boxes, rows, now_s):
            track.extend(boxes[row], now_s)
            found[row] = track.number
        for row in rows[found[rows] < 0]:
            active.append(_Track(count, boxes[row], now_s))
            found[row], count = count, count + 1
    return _renumber(found)


def sample_whole_tracks(track: np.ndarray, most: int) -> np.ndarray:
    """Sample up to `most` rows, ascending: at most half from evenly spaced whole tracks, the rest an even sample.

    track: int64 (R,), as link_regions gives it. Returns: int64.
    """
    if len(track) <= most:
        return np.arange(len(track))
    numbers, counts = np.unique(track[track >= 0], return_counts=True)
    share = min(1.0, most / 2 / max(1, counts.sum()))
    kept = numbers[np.linspace(0, len(numbers) - 1, int(share * len(numbers))).round().astype(int)]
    inside = np.isin(track, kept) & (track >= 0)
    others = np.flatnonzero(~inside)
    spaced = np.linspace(0, len(others) - 1, min(len(others), max(0, most - int(inside.sum())))).round().astype(int)
    return np.union1d(np.flatnonzero(inside), others[spaced])


def _pairs(active: list[_Track], boxes: np.ndarray, rows: np.ndarray, now_s: float) -> list[tuple[int, _Track]]:
    misfits = sorted(
        ((track.misfit(boxes[row], now_s), int(row), track) for row in rows for track in active),
        key=lambda pair: pair[0],
    )
    taken: dict[int, _Track] = {}
    for misfit, row, track in misfits:
        if misfit <= REACH and row not in taken and track not in taken.values():
            taken[row] = track
    return list(taken.items())


def _frames(source: np.ndarray, time_s: np.ndarray) -> list[np.ndarray]:
    """Rows of each frame, in order of source and time."""
    order = np.lexsort((time_s, source))
    if not len(order):
        return []
    changed = (np.diff(source[order]) != 0) | (np.diff(time_s[order]) != 0)
    return np.split(order, np.flatnonzero(changed) + 1)


def _renumber(found: np.ndarray) -> np.ndarray:
    """Leave out tracks of one region, and number the others without gaps."""
    numbers, inverse, counts = np.unique(found, return_inverse=True, return_counts=True)
    kept = counts > 1
    return np.where(kept, np.cumsum(kept) - 1, -1)[inverse].astype(np.int64) if len(numbers) else found


def _centre(box: Box) -> np.ndarray:
    return box[:2] + box[2:] / 2
