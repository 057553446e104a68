"""Choose between the initial and the trained encoder of a run, by what each finds on footage without labels."""

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
    """Whether training helped. initial, trained: mAP of each in finding the same track later.

    queries, tracks: how many. reason: of a task without queries.
    """

    initial: float
    trained: float
    queries: int
    tracks: int
    reason: str = ""

    @property
    def keep_initial(self) -> bool:
        """Return whether training made it worse. Without a query the trained encoder is kept."""
        return self.queries > 0 and self.initial > self.trained

    def __str__(self) -> str:
        """Describe it to a person, in a sentence or two."""
        if not self.queries:
            return f"Whether training helped is unknown: {self.reason}. The trained encoder is kept."
        counts = f"{self.queries} queries of {self.tracks} tracks that the head was not fitted to"
        kept = "The initial weights are kept" if self.keep_initial else "The trained encoder is kept"
        return (
            f"mAP of the same track later: {self.trained:.3f} after training, {self.initial:.3f} before"
            f" ({counts}). {kept}."
        )


def choose(
    initial: nn.Module,
    trained: nn.Module,
    config: TrainConfig,
    cache: FrameCache,
    sample: Gallery,
    track: np.ndarray,
    on_fit: OnFit = no_progress,
) -> Choice:
    """Compare both encoders on every second track; their heads are fitted to the others.

    initial, trained: as encoders.build_encoder makes them. sample, track: of the cache, see summary.sample_gallery.
    on_fit: see head.OnFit.
    """
    task = same_track_later(sample, track, "odd")
    if not len(task):
        return Choice(0.0, 0.0, 0, 0, task.reason)
    regions = _of_other_tracks(cache.regions)
    found = [_mean_ap(encoder, config, cache, regions, sample, task, on_fit) for encoder in (initial, trained)]
    return Choice(found[0], found[1], len(task), len(np.unique(task.unit)))


def _of_other_tracks(regions: RegionCache) -> RegionCache:
    """Sample the regions of even tracks, and those in no track."""
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
