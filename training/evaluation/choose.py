"""Which of two encoders finds things better on footage without labels: what a run began from, or what it trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from training.config import TrainConfig
from training.data import FrameCache, RegionCache
from training.evaluation.contenders import of_run
from training.evaluation.gallery import Gallery
from training.evaluation.later import same_track_later
from training.evaluation.perturb import Perturbation, perturb_rows
from training.evaluation.ranking import rank
from training.evaluation.task import Task
from training.head import REGIONS, OnFit, fit_head, no_progress
from training.pictures import sample_regions

SEED = 0


@dataclass(frozen=True)
class Choice:
    """start, trained: mAP of what each finds of the same track, later, in other light. queries, tracks: how many.

    reason: why there is no query, if there is none.
    """

    start: float
    trained: float
    queries: int
    tracks: int
    reason: str = ""

    @property
    def keep_start(self) -> bool:
        """Whether training has made it worse. If nothing can tell, what was trained is kept."""
        return self.queries > 0 and self.start > self.trained

    def __str__(self) -> str:
        """For people, as a sentence or two."""
        if not self.queries:
            return f"Nothing tells whether training helped: {self.reason}. The trained encoder is kept."
        counts = f"mAP of {self.queries} queries of {self.tracks} tracks that its head was not fitted to"
        kept = "the weights that it started from are kept" if self.keep_start else "the trained encoder is kept"
        return (
            f"The same thing later in other light is found with {self.trained:.3f} after training, {self.start:.3f}"
            f" before ({counts}): {kept}."
        )


def choose(
    start: nn.Module,
    trained: nn.Module,
    config: TrainConfig,
    cache: FrameCache,
    sample: Gallery,
    track: np.ndarray,
    on_fit: OnFit = no_progress,
) -> Choice:
    """Compare both on every second track; heads are fitted to the others.

    start, trained: as encoders.build_encoder makes them. sample, track: of the cache, see summary.sample_gallery.
    on_fit: see head.OnFit.
    """
    task = same_track_later(sample, track, "odd")
    if not len(task):
        return Choice(0.0, 0.0, 0, 0, task.reason)
    regions = _of_other_tracks(cache.regions)
    found = [_mean_ap(one, config, cache, regions, sample, task, on_fit) for one in (start, trained)]
    return Choice(found[0], found[1], len(task), len(np.unique(task.unit)))


def _of_other_tracks(regions: RegionCache) -> RegionCache:
    """A sample of the regions of even tracks, and of those in none."""
    rows = np.flatnonzero((regions.track < 0) | (regions.track % 2 == 0))
    rows = rows[sample_regions(regions.track[rows], REGIONS)]
    return RegionCache(regions.pictures[rows], regions.frame[rows], regions.box[rows], regions.track[rows])


def _mean_ap(
    encoder: nn.Module,
    config: TrainConfig,
    cache: FrameCache,
    regions: RegionCache,
    sample: Gallery,
    task: Task,
    on_fit: OnFit,
) -> float:
    fitted = fit_head(encoder, cache.frames, config, regions, camera=cache.camera, on_fit=on_fit)
    contender = of_run(fitted, config, "cpu")
    rows = np.flatnonzero(~sample.whole)  # what is searched is among them
    vectors = contender.embed([sample.pictures[row] for row in rows])
    asked = contender.embed(perturb_rows(sample.pictures, task.query, Perturbation(), SEED))
    scores = rank(contender.weighed(asked, True), vectors, task.relevant[:, rows], task.searched[:, rows])
    return float(scores.ap.mean())
