"""The frame cache, footage decoded once to uint8, and the order in which training reads it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lookalike import pixels
from lookalike.errors import TrainingError
from lookalike.files import durable
from lookalike.footage import Frame
from training.config import TEMPORAL_MIN_S
from training.tracks import link_regions

PATCHES = 8  # a side, to detect change
INDEX, FRAMES, REGIONS = "index.json", "frames.u8", "regions.u8"
IDLE, BUSY = 0.25, 2.0  # weight of a frame without change, and the largest change that counts; the mean change is 1


@dataclass(frozen=True)
class RegionCache:
    """Regions of cached frames in which something moves, on disk, memory-mapped.

    pictures: uint8 (R, C, C, 3). frame: int64 (R,), row of the frame that each is from. box: float64 (R, 4),
    x, y, w, h in shares of that. track: int64 (R,), which regions show the same thing, see tracks.link_regions; -1 for
    no track.
    """

    pictures: np.ndarray
    frame: np.ndarray
    box: np.ndarray
    track: np.ndarray

    def __len__(self) -> int:
        return len(self.pictures)


def untracked(pictures: np.ndarray) -> RegionCache:
    """Make regions, uint8 (R, C, C, 3), without frame, box and track."""
    count = len(pictures)
    return RegionCache(pictures, np.zeros(count, np.int64), np.zeros((count, 4)), np.full(count, -1))


NO_REGIONS = untracked(np.empty((0, 1, 1, 3), np.uint8))


@dataclass(frozen=True)
class FrameCache:
    """Frames on disk, memory-mapped, and their regions.

    frames: uint8 (N, C, C, 3), C a little larger than the input. camera: int64 (N,), index into `cameras`.
    source: int64 (N,), index into `sources`. time_s: float64 (N,), seconds into the source.
    """

    frames: np.ndarray
    camera: np.ndarray
    source: np.ndarray
    time_s: np.ndarray
    cameras: list[str]
    sources: list[str]
    regions: RegionCache = NO_REGIONS

    def __len__(self) -> int:
        return len(self.frames)


def build_cache(folder: Path, frames: Iterable[Frame], side_px: int, on_frame: Callable[[Frame], None]) -> FrameCache:
    """Decode footage into a cache. The index is written last, so that a partial cache is never opened.

    frames: each followed by its regions, if it has any. side_px: of what is cached, see TrainConfig.cache_px.
    on_frame: called after each frame that is not a region.
    Raises: TrainingError if the footage has fewer than two frames.
    """
    durable.make_folder(folder)
    (folder / INDEX).unlink(missing_ok=True)
    durable.sync(folder)
    rows: list[tuple[str, str, float]] = []
    regions: list[tuple[int, float, float, float, float]] = []
    with (folder / FRAMES).open("wb") as file, (folder / REGIONS).open("wb") as region_file:
        for frame in frames:
            small = pixels.fit(frame.image, side_px).tobytes()
            if frame.region:
                region_file.write(small)
                regions.append((len(rows) - 1, frame.region.x, frame.region.y, frame.region.w, frame.region.h))
                continue
            file.write(small)
            rows.append((frame.camera, frame.source, frame.time_s))
            on_frame(frame)
    if len(rows) < 2:
        raise TrainingError(
            f"too little footage: got {len(rows)} readable frame(s), expected at least 2; add footage or raise --fps"
        )
    for name in (FRAMES, REGIONS):
        durable.sync(folder / name)
    with durable.replacing(folder / INDEX) as partial:
        partial.write_text(json.dumps({"side_px": side_px, "rows": rows, "regions": regions}))
    return load_cache(folder)


@contextmanager
def temporary_cache(frames: Iterable[Frame], side_px: int, on_frame: Callable[[Frame], None]) -> Iterator[FrameCache]:
    """Build a cache in a temporary folder (TMPDIR), which is removed at the end. Arguments: as for `build_cache`.

    Raises: as `build_cache`; TrainingError if there is no such folder, or its disk is full.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            cache = build_cache(Path(folder), frames, side_px, on_frame)
        except OSError as error:
            named = tempfile.tempdir or "temporary folder"
            raise TrainingError(
                f"{named}: cannot keep frames there ({error.strerror}); set TMPDIR to a folder with room"
            ) from error
        yield cache


def load_cache(folder: Path) -> FrameCache:
    """Open a cache. Raises: TrainingError if it is missing or incomplete."""
    try:
        index = json.loads((folder / INDEX).read_text())
        side, rows, regions = index["side_px"], index["rows"], index["regions"]
        frames, pictures = _mapped(folder / FRAMES, len(rows), side), _mapped(folder / REGIONS, len(regions), side)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{folder}: no complete frame cache ({error}); start the run again without --resume"
        ) from error
    cameras, camera = _numbered([row[0] for row in rows])
    sources, source = _numbered([row[1] for row in rows])
    time_s = np.array([row[2] for row in rows])
    at = np.array(regions, np.float64).reshape(-1, 5)
    frame, box = at[:, 0].astype(np.int64), at[:, 1:]
    track = link_regions(box, source[frame], time_s[frame])
    return FrameCache(frames, camera, source, time_s, cameras, sources, RegionCache(pictures, frame, box, track))


def _mapped(path: Path, count: int, side_px: int) -> np.ndarray:
    shape = (count, side_px, side_px, 3)
    return (
        np.memmap(path, np.uint8, "r", shape=shape) if count else np.empty(shape, np.uint8)
    )  # an empty file cannot be mapped


def _numbered(names: list[str]) -> tuple[list[str], np.ndarray]:
    """Number names. Returns: distinct names in order of appearance, and the number of each row's, int64 (N,)."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return list(numbers), np.array([numbers[name] for name in names])


@dataclass(frozen=True)
class Pictures:
    """The pictures of a run: frames, then their regions, as rows of one table.

    camera: int64 (N + R,). weight: float64 (N + R,), how often each is shown, relative to others.
    """

    cache: FrameCache
    camera: np.ndarray
    weight: np.ndarray

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Read uint8 (B, C, C, 3), in the order of the files."""
        count, order = len(self.cache), rows.argsort()
        split = np.searchsorted(rows[order], count)
        frames = self.cache.frames[rows[order][:split]]
        regions = self.cache.regions.pictures[rows[order][split:] - count] if split < len(rows) else frames[:0]
        return np.concatenate([frames, regions])[order.argsort()]

    def everything(self) -> np.ndarray:
        """Read all pictures into memory."""
        regions = self.cache.regions.pictures
        return np.concatenate([self.cache.frames, regions]) if len(regions) else np.array(self.cache.frames)

    @property
    def nbytes(self) -> int:
        return self.cache.frames.nbytes + self.cache.regions.pictures.nbytes


def pictures_of(cache: FrameCache, by_novelty: bool, region_share: float) -> Pictures:
    """Make the table of frames and regions. region_share: of the pictures shown, if there are any regions."""
    frames, regions = len(cache), len(cache.regions) if region_share else 0
    weight = novelty(cache) if by_novelty else np.ones(frames)
    if not regions:
        return Pictures(cache, cache.camera, weight)
    weight = weight / weight.mean() * (1 - region_share) / frames
    weight = np.concatenate([weight, np.full(regions, region_share / regions)])
    return Pictures(cache, np.concatenate([cache.camera, cache.camera[cache.regions.frame]]), weight)


def novelty(cache: FrameCache) -> np.ndarray:
    """Weigh frames by how much changes in them: float64 (N,).

    A weight is the difference from the previous frame (mean absolute difference of PATCHES x PATCHES mean colours),
    divided by the mean over all frames, at most BUSY; plus IDLE. So neither idle hours nor a busy road fill the epoch.
    """
    side = cache.frames.shape[1] // PATCHES * PATCHES
    cells = cache.frames[:, :side, :side].reshape(len(cache), PATCHES, side // PATCHES, PATCHES, -1, 3)
    means = np.stack([part.mean((1, 3), dtype=np.float32) for part in cells])  # (N, PATCHES, PATCHES, 3)
    change = np.abs(np.diff(means, axis=0, prepend=means[:1])).mean((1, 2, 3)).astype(np.float64)
    change[np.diff(cache.source, prepend=-1) != 0] = 0  # the first of a source has no previous frame
    return (change / (change.mean() or 1)).clip(max=BUSY) + IDLE


def batch_indices(
    camera: np.ndarray, batch: int, by_camera: bool, seed: int, first: int = 0, weight: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield int64 (batch,) row numbers for ever, from batch number `first` on.

    Each epoch is a permutation; a group smaller than a batch is repeated in new orders until one is full.
    by_camera: each batch comes from one camera, cameras in shuffled order, as often as their frames fill batches.
    weight: float (N,), how often each row is taken in an epoch, on average, relative to the mean; None for once.
    The order depends only on seed and epoch, so a resumed run continues exactly where it stopped.
    """
    weight = np.ones(len(camera)) if weight is None else weight
    groups = (
        [np.flatnonzero(camera == number) for number in np.unique(camera[weight > 0])]
        if by_camera
        else [np.arange(len(camera))]
    )
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
    """Draw as many rows as the group has, in random order; each as often as its weight says, rounded up or down.

    Source: systematic resampling, Carpenter, Clifford and Fearnhead, IEE Proceedings 1999.
    """
    upto = np.cumsum(weight) * (len(group) / weight.sum())
    counts = np.diff(np.floor(upto + rng.random()).astype(int), prepend=0)
    return rng.permutation(np.repeat(group, counts)[: len(group)])


def track_partners(cache: FrameCache, rows: np.ndarray, within_s: float, rng: np.random.Generator) -> np.ndarray:
    """Draw another region of the same track, at most `within_s` away; the region itself if there is no other.

    rows: int64, of the regions. Returns: int64, the shape of `rows`.
    """
    regions, chosen = cache.regions, rows.copy()
    time_s = cache.time_s[regions.frame]
    for place, row in enumerate(rows.tolist()):
        if regions.track[row] < 0:
            continue
        others = np.flatnonzero((regions.track == regions.track[row]) & (np.abs(time_s - time_s[row]) <= within_s))
        others = others[others != row]
        if len(others):
            chosen[place] = rng.choice(others)
    return chosen


def partners(cache: FrameCache, rows: np.ndarray, gap_s: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Draw another moment for a random half of the rows; the others are unchanged.

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


def second_rows(
    cache: FrameCache, rows: np.ndarray, temporal_s: float, track_s: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw the rows of Pictures for second views: the same picture, another moment, or another region of the track.

    temporal_s, track_s: as in TrainConfig. Returns: int64, the shape of `rows`.
    """
    moved, whole = rows.copy(), rows < len(cache)
    if temporal_s:
        moved[whole] = partners(cache, rows[whole], (TEMPORAL_MIN_S, temporal_s), rng)
    if track_s and not whole.all():
        moved[~whole] = track_partners(cache, rows[~whole] - len(cache), track_s, rng) + len(cache)
    return moved
