"""What a score means for its camera: how few of the camera's other frames come as near to the query."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lookalike.index.engine import Engine
from lookalike.index.moments import MOMENT_S
from lookalike.index.schema import Hit, Where

SAMPLE = 1000  # frames of each camera, at most
CAMERAS = 64  # whose samples are kept: 1 MB each, for vectors of 256
REFRESH_S = 60.0  # then frames are drawn again, since an index may grow
ROUNDING = 1e-6  # the engine's cosine and ours differ by less


@dataclass(frozen=True, eq=False)
class _Sample:
    """N frames of a camera. vectors: float32 (N, D). sources: (N,), numbered by `numbers`. The rest: (N,) each."""

    vectors: np.ndarray
    sources: np.ndarray
    numbers: dict[str, int]
    times_s: np.ndarray
    ends_s: np.ndarray
    stand_for: np.ndarray  # how many frames each of them is


class Background:
    """Compares hits with a random sample of their camera's frames. May be used from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._drawn = lru_cache(maxsize=CAMERAS)(self._draw)

    def calibrate(self, vector: np.ndarray, hits: Sequence[Hit]) -> list[Hit]:
        """The hits of a search by `vector`, float32 (D,), with their percentiles.

        100 k / (N + 1), where k of the N sampled frames of the hit's camera, those of its own moment aside, are less
        similar to the query than the hit: what is left to 100 is the chance that a frame which belongs to the rest
        comes as near. A frame that stands for a run counts as all of it. From few frames little can be said, and from
        none nothing: 0.
        Source: conformal p-values; (k + 1) / (N + 1) as in Phipson and Smyth, "Permutation P-values Should Never Be
        Zero", 2010.
        """
        samples = {camera: self._drawn(camera, _epoch(camera)) for camera in {hit.camera for hit in hits}}
        scores = {camera: sample.vectors @ vector for camera, sample in samples.items()}
        return [
            dataclasses.replace(hit, percentile=_percentile(hit, samples[hit.camera], scores[hit.camera]))
            for hit in hits
        ]

    def above(self, percentile: float, vector: np.ndarray, hits: Sequence[Hit]) -> list[Hit]:
        """Those of the hits that have at least this percentile."""
        return [hit for hit in self.calibrate(vector, hits) if hit.percentile >= percentile]

    def _draw(self, camera: str, _epoch: int) -> _Sample:
        """Ids are hashes: the first in their order are a random sample, and the same one whenever it is drawn."""
        fields, vectors = next(self._engine.vectors(Where((camera,)), SAMPLE), ([], np.empty((0, 0), np.float32)))
        numbers = {source: number for number, source in enumerate({one["source"] for one in fields})}
        sources = np.array([numbers[one["source"]] for one in fields], int)
        columns = [np.array([one[name] for one in fields], float) for name in ("time_s", "end_s", "stands_for")]
        return _Sample(vectors, sources, numbers, *columns)


def _epoch(camera: str) -> int:
    """Cameras take turns: to draw all of them anew at once would keep searches waiting for seconds."""
    turn = hash(camera) % 1000 / 1000
    return int(time.monotonic() / REFRESH_S + turn)


def _percentile(hit: Hit, sample: _Sample, scores: np.ndarray) -> float:
    apart_s = np.maximum(sample.times_s - hit.time_s, hit.time_s - sample.ends_s)
    own = (sample.sources == sample.numbers.get(hit.source, -1)) & (apart_s <= MOMENT_S)
    others = np.where(own, 0, sample.stand_for)
    return 100 * float(others[scores < hit.score - ROUNDING].sum()) / (float(others.sum()) + 1)
