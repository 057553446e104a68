"""Compare a score with those of the camera's other frames: the percentile of a hit, and a camera's usual view."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lookalike.index.engine import Engine
from lookalike.index.filters import Filters
from lookalike.index.moments import MOMENT_S
from lookalike.index.schema import Hit
from lookalike.parts import SMALLEST
from lookalike.region import Region

logger = logging.getLogger("lookalike.index")

SAMPLE = 1000  # frames of each camera, at most
CAMERAS = 64  # whose samples are kept: 1 MB each, for vectors of 256
REFRESH_S = 60.0  # then a camera's frames are sampled again, since an index may grow
FULL_REFRESH_S = 600.0  # the same for a full sample, which more frames do not improve
LEAST_USUAL = 8  # whole frames that define a usual view
# A frame is unusual if it is farther from the usual view than the share MOST of the frames, and than TIMES the distance
# of the share QUIET. The latter is for cameras where little happens and frames differ by noise (docs/regions.md).
MOST, QUIET, TIMES = 0.6, 0.2, 4.0
ALWAYS, SAME_PLACE = 0.2, 0.5  # share of frames; intersection over union of boxes
NOISE = 0.01  # cosine distance that compressing a picture again may cause
ROUNDING = 1e-6  # the engine's cosine and ours differ by less


@dataclass(frozen=True, eq=False)
class _Sample:
    """N frames of a camera. vectors: float32 (N, D). sources: (N,), numbered by `numbers`. The rest: (N,) each.

    usual: the median of the whole frames, float32 (D,), of length 1; None for fewer than LEAST_USUAL.
    """

    vectors: np.ndarray
    sources: np.ndarray
    numbers: dict[str, int]
    times_s: np.ndarray
    ends_s: np.ndarray
    stand_for: np.ndarray  # how many frames each stands for
    boxes: np.ndarray  # (N, 4), regions as x, y, w, h in shares; NaN for a whole frame
    usual: np.ndarray | None


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A sample and when it was drawn. at_s: by the monotonic clock."""

    sample: _Sample
    at_s: float

    def is_old(self) -> bool:
        full = len(self.sample.times_s) == SAMPLE
        return time.monotonic() - self.at_s > (FULL_REFRESH_S if full else REFRESH_S)


class ScoreCalibrator:
    """Compares hits with a random sample of their camera's frames. May be used from any thread.

    An old sample is used until the new one is drawn: only the first search that finds a camera waits.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = threading.Lock()  # guards both below
        self._drawn: OrderedDict[str, _Drawn] = OrderedDict()  # by camera, the least recently used first
        self._drawing = False  # one at a time: each keeps the engine busy

    def usual(self, camera: str) -> np.ndarray | None:
        """Return a camera's usual view, float32 (D,), of length 1; None if too few of its frames are stored."""
        return self._sample(camera).usual

    def usual_beyond(self, camera: str, vector: np.ndarray, part: slice) -> np.ndarray | None:
        """Return a camera's usual view, float32 (D,), if a picture of this camera is far from it; else None.

        vector: float32 (D,), of the picture. part: of an embedding that is compared.
        """
        sample = self._sample(camera)
        if sample.usual is None:
            return None
        whole = sample.vectors[np.isnan(sample.boxes[:, 0])]
        distance, *stored = 1 - _cosines(np.vstack([vector, whole])[:, part], sample.usual[part])
        quiet, most = np.quantile(stored, [QUIET, MOST])
        return sample.usual if distance >= max(most, TIMES * quiet, NOISE) else None

    def moves_always(self, camera: str, region: Region) -> bool:
        """Whether more than ALWAYS of the camera's frames have a region at this place, such as a burned-in clock."""
        boxes = self._sample(camera).boxes
        regions = boxes[~np.isnan(boxes[:, 0])]
        frames = len(boxes) - len(regions)
        return frames >= LEAST_USUAL and int((_overlap(region, regions) >= SAME_PLACE).sum()) > ALWAYS * frames

    def calibrate(self, vectors: np.ndarray, hits: Sequence[Hit]) -> list[Hit]:
        """Return the hits of a search with their percentiles.

        vectors: float32 (D,), or (Q, D) if the best of several scores counts; the score is the dot product.

        The percentile is 100 (N - n) / (N + 1). N whole frames of the hit's camera were sampled, without those of the
        hit's own moment. n of them, or n regions if the hit is a region, are as similar to the query as the hit. So 100
        minus the percentile is the chance that another frame of the camera is as similar. A frame that stands for a
        segment counts as all of its frames. If there are no frames, or more similar regions than frames, it is 0.
        Source: conformal p-values; (k + 1) / (N + 1) as in Phipson and Smyth, "Permutation P-values Should Never Be
        Zero", 2010.
        """
        samples = {camera: self._sample(camera) for camera in {hit.camera for hit in hits}}
        asked = np.atleast_2d(vectors).T
        scores = {camera: (sample.vectors @ asked).max(1) for camera, sample in samples.items() if len(sample.vectors)}
        return [
            dataclasses.replace(hit, percentile=_percentile(hit, samples[hit.camera], scores[hit.camera]))
            for hit in hits
            if hit.camera in scores  # else it was forgotten in the meantime
        ]

    def above(self, percentile: float, vectors: np.ndarray, hits: Sequence[Hit]) -> list[Hit]:
        """Return the hits with at least this percentile. vectors: as for `calibrate`."""
        return [hit for hit in self.calibrate(vectors, hits) if hit.percentile >= percentile]

    def _sample(self, camera: str) -> _Sample:
        with self._turn:
            drawn = self._drawn.get(camera)
            if drawn:
                self._drawn.move_to_end(camera)
            again = drawn is not None and drawn.is_old() and not self._drawing
            self._drawing = self._drawing or again
        if again:
            threading.Thread(target=self._draw_again, args=(camera,), name="calibration", daemon=True).start()
        return drawn.sample if drawn else self._keep(camera)

    def _draw_again(self, camera: str) -> None:
        try:
            self._keep(camera)
        except Exception:  # the index may have been closed; the next search reports it
            logger.debug("the sample of camera %s was not drawn again", camera, exc_info=True)
        finally:
            with self._turn:
                self._drawing = False

    def _keep(self, camera: str) -> _Sample:
        sample = self._draw(camera)
        with self._turn:
            self._drawn[camera] = _Drawn(sample, time.monotonic())
            self._drawn.move_to_end(camera)
            while len(self._drawn) > CAMERAS:
                self._drawn.popitem(last=False)
        return sample

    def _draw(self, camera: str) -> _Sample:
        """Return the frames with the first ids: ids are hashes, so they are a random sample, and always the same."""
        frames, vectors = next(self._engine.vectors(Filters((camera,)), SAMPLE), ([], np.empty((0, 0), np.float32)))
        numbers = {source: number for number, source in enumerate({frame.source for frame in frames})}
        sources = np.array([numbers[frame.source] for frame in frames], int)
        times_s = np.array([frame.time_s for frame in frames], float)
        ends_s = np.array([frame.end_s for frame in frames], float)
        stand_for = np.array([frame.stands_for for frame in frames], float)
        boxes = np.array([_box(frame.region) for frame in frames]).reshape(-1, 4)
        usual = _usual(vectors[np.isnan(boxes[:, 0])])
        return _Sample(vectors, sources, numbers, times_s, ends_s, stand_for, boxes, usual)


def _box(region: str | None) -> tuple[float, float, float, float]:
    box = Region.parse(region) if region else Region(np.nan, np.nan, np.nan, np.nan)
    return box.x, box.y, box.w, box.h


def _overlap(region: Region, boxes: np.ndarray) -> np.ndarray:
    """Return the intersection over union of a region with each box, (N,). boxes: (N, 4)."""
    start = np.maximum(boxes[:, :2], (region.x, region.y))
    end = np.minimum(boxes[:, :2] + boxes[:, 2:], (region.x + region.w, region.y + region.h))
    shared = np.maximum(end - start, 0).prod(1)
    return shared / (boxes[:, 2:].prod(1) + region.w * region.h - shared)


def _cosines(vectors: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the cosine of each vector with another, (N,); 0 for a vector of length 0. vectors: (N, D). other: (D,)."""
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(other)
    return vectors @ other / np.maximum(lengths, SMALLEST)


def _usual(vectors: np.ndarray) -> np.ndarray | None:
    """Return the normalised median, or None for too few frames. vectors: float32 (N, D), of whole frames."""
    if len(vectors) < LEAST_USUAL:
        return None
    median = np.median(vectors, axis=0)
    length = float(np.linalg.norm(median))
    return (median / length).astype(np.float32) if length > 0 else None


def _percentile(hit: Hit, sample: _Sample, scores: np.ndarray) -> float:
    apart_s = np.maximum(sample.times_s - hit.time_s, hit.time_s - sample.ends_s)
    own = (sample.sources == sample.numbers.get(hit.source, -1)) & (apart_s <= MOMENT_S)
    others, whole = np.where(own, 0, sample.stand_for), np.isnan(sample.boxes[:, 0])
    as_near = others[(whole == (hit.region is None)) & (scores >= hit.score - ROUNDING)].sum()
    frames = others[whole].sum()
    return 100 * float(max(frames - as_near, 0)) / (float(frames) + 1)
