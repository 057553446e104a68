"""The frame cache: footage decoded once to uint8, and the order in which training sees it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lookalike import pixels
from lookalike.errors import TrainingError
from lookalike.footage import Frame

PATCHES = 8  # a side, for telling whether something happens
IDLE, BUSY = 0.25, 2.0  # what a frame without change counts, and the most that one adds, where the mean change is 1


@dataclass(frozen=True)
class FrameCache:
    """Frames on disk, memory-mapped.

    frames: uint8 (N, C, C, 3), C a little larger than the input. camera: int64 (N,), index into `cameras`.
    source: int64 (N,), index into `sources`. time_s: float64 (N,), seconds into the source.
    """

    frames: np.ndarray
    camera: np.ndarray
    source: np.ndarray
    time_s: np.ndarray
    cameras: list[str]
    sources: list[str]

    def __len__(self) -> int:
        return len(self.frames)


def build_cache(folder: Path, frames: Iterable[Frame], side_px: int, on_frame: Callable[[Frame], None]) -> FrameCache:
    """Decode footage into a cache; the index is written last, so that a half-built cache is never taken for one.

    side_px: of the cached frames, see TrainConfig.cache_px.
    Raises: TrainingError if the footage has fewer than two frames.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.json").unlink(missing_ok=True)
    rows: list[tuple[str, str, float]] = []
    with (folder / "frames.u8").open("wb") as file:
        for frame in frames:
            file.write(pixels.fit(frame.image, side_px).tobytes())
            rows.append((frame.camera, frame.source, frame.time_s))
            on_frame(frame)
    if len(rows) < 2:
        raise TrainingError(f"{len(rows)} readable frame(s), expected at least 2; add footage or raise --fps")
    partial = folder / "index.json.partial"
    partial.write_text(json.dumps({"side_px": side_px, "rows": rows}))
    partial.replace(folder / "index.json")
    return load_cache(folder)


def load_cache(folder: Path) -> FrameCache:
    """Open a cache. Raises: TrainingError if it is missing or incomplete."""
    try:
        index = json.loads((folder / "index.json").read_text())
        side, rows = index["side_px"], index["rows"]
        frames = np.memmap(folder / "frames.u8", np.uint8, "r", shape=(len(rows), side, side, 3))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{folder}: no complete frame cache ({error}); start the run again") from error
    cameras, camera = _numbered([row[0] for row in rows])
    sources, source = _numbered([row[1] for row in rows])
    return FrameCache(frames, camera, source, np.array([row[2] for row in rows]), cameras, sources)


def _numbered(names: list[str]) -> tuple[list[str], np.ndarray]:
    """The different names in order of their first appearance, and the number of each row's, int64 (N,)."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return list(numbers), np.array([numbers[name] for name in names])


def novelty(cache: FrameCache) -> np.ndarray:
    """How often each frame is worth showing, relative to others: float64 (N,).

    How far it is from the frame before it (mean absolute difference of PATCHES x PATCHES mean colours), as a share of
    the mean of all frames, up to BUSY; plus IDLE. So hours in which nothing happens do not fill the epoch, and neither
    does a road on which something always moves.
    """
    side = cache.frames.shape[1] // PATCHES * PATCHES
    cells = cache.frames[:, :side, :side].reshape(len(cache), PATCHES, side // PATCHES, PATCHES, -1, 3)
    means = np.stack([part.mean((1, 3), dtype=np.float32) for part in cells])  # (N, PATCHES, PATCHES, 3)
    change = np.abs(np.diff(means, axis=0, prepend=means[:1])).mean((1, 2, 3)).astype(np.float64)
    change[np.diff(cache.source, prepend=-1) != 0] = 0  # the first of a source has none before it
    return (change / (change.mean() or 1)).clip(max=BUSY) + IDLE


def batch_indices(
    camera: np.ndarray, batch: int, by_camera: bool, seed: int, first: int = 0, weight: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield int64 (batch,) row numbers for ever, from batch number `first` on.

    Each epoch is a permutation; a group smaller than a batch is repeated in new orders until one is full.
    by_camera: each batch comes from one camera, cameras in shuffled order, as often as their frames fill batches.
    weight: float (N,), how often each row is taken in an epoch, on average and as a share of the mean; else once.
    The order depends on the seed and the epoch alone, so a resumed run goes on exactly where it was.
    """
    weight = np.ones(len(camera)) if weight is None else weight
    groups = [np.flatnonzero(camera == one) for one in np.unique(camera)] if by_camera else [np.arange(len(camera))]
    epoch, number = 0, 0
    while True:
        rng = np.random.default_rng((seed, epoch))
        batches = [chunk for group in groups for chunk in _chunks(group, weight, batch, rng)]
        for chosen in rng.permutation(len(batches)):
            if number >= first:
                yield batches[chosen]
            number += 1
        epoch += 1


def _chunks(group: np.ndarray, weight: np.ndarray, batch: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Split a shuffled group into whole batches, topped up from a second shuffle."""
    count = -(-len(group) // batch)
    order = _shuffled(group, weight[group], rng)
    while len(order) < count * batch:
        order = np.concatenate([order, _shuffled(group, weight[group], rng)])
    return [order[start * batch : (start + 1) * batch] for start in range(count)]


def _shuffled(group: np.ndarray, weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many rows as the group has, in random order; each floor or ceil of its share of the weight times.

    Source: systematic resampling, Carpenter, Clifford and Fearnhead, IEE Proceedings 1999.
    """
    upto = np.cumsum(weight) * (len(group) / weight.sum())
    counts = np.diff(np.floor(upto + rng.random()).astype(int), prepend=0)
    return rng.permutation(np.repeat(group, counts)[: len(group)])


def partners(cache: FrameCache, rows: np.ndarray, gap_s: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Another moment for half of the rows, drawn at random; the others stay themselves.

    gap_s: how far away, drawn log-uniformly, before or after; the nearest frame of the same source is taken.
    Returns: int64, the shape of `rows`.
    """
    # Rows are in order of source, then time: so one sorted key finds the nearest frame of the same source.
    span = float(cache.time_s.max()) + 1
    keys = cache.source * span + cache.time_s
    low, high = np.log(gap_s)
    away = np.exp(rng.uniform(low, high, len(rows))) * rng.choice([-1, 1], len(rows))
    wanted = keys[rows] + away
    after = np.searchsorted(keys, wanted).clip(1, len(keys) - 1)
    nearest = np.where(wanted - keys[after - 1] < keys[after] - wanted, after - 1, after)
    same = cache.source[nearest] == cache.source[rows]
    return np.where(same & (rng.random(len(rows)) < 0.5), nearest, rows)
