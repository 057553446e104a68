"""Pass views through an encoder's frozen stages once, before training, so that a step computes only the other stages.

On CPUs this saves most of a step. In return, each picture has a fixed number of views instead of new ones each time.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.console import step_bar
from lookalike.runtime import open_session
from training.augment import ViewPolicy, draw_view, make_view, policies
from training.config import TrainConfig
from training.data import FrameCache, Pictures, batch_indices, pictures_of, second_rows
from training.fused import fused
from training.graph import trace
from training.teacher import targets_of
from training.tracks import sample_whole_tracks

VIEWS = "views.f16"  # of a run, deleted after training
MOST_BYTES = 768 << 20  # on disk; longer footage is sampled
BATCH = 16  # pictures at a time


@dataclass(frozen=True)
class ViewPool:
    """features: float16 (P, V, C, H, W), V views of each picture. place: int64 (N + R,), row in `features` of each
    row of Pictures; -1 for one without views.
    """

    features: np.ndarray
    place: np.ndarray

    def draw(self, rows: np.ndarray, others: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Draw a view for each of two lists of rows, int64 (B,), never the same view twice: float32 (B, C, H, W)."""
        count = self.features.shape[1]
        one = rng.integers(count, size=len(rows))
        other = (one + rng.integers(1, count, size=len(rows))) % count
        return self._read(rows, one), self._read(others, other)

    def _read(self, rows: np.ndarray, views: np.ndarray) -> Tensor:
        features = torch.from_numpy(self.features[self.place[rows], views]).float()
        return features.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class ViewBatch:
    """A step's views, float32 (B, C, H, W) each, and their targets, as in feed.Batch."""

    view: Tensor
    other: Tensor
    targets: tuple[Tensor, ...] = ()

    def views(self, size_px: int, parts: int = 1) -> Iterator[tuple[Tensor, ...]]:
        """Yield as feed.Batch.views does, but outputs of the frozen stages."""
        return zip(*(one.chunk(parts) for one in (self.view, self.other, *self.targets)), strict=True)


def build_pool(cache: FrameCache, config: TrainConfig, frozen: nn.Module, run: Path) -> ViewPool | None:
    """Make `config.frozen_views` views of each picture, or of an even sample of many; an interrupted call resumes.

    frozen: the normalisation and the frozen stages. Returns: None if no view would be used twice, if the two views of a
    picture have different distributions, or if the frozen stages' batch norm is updated.
    """
    pictures, each = pictures_of(cache, config.novelty, config.region_share), config.frozen_views
    policy, other = policies(config.views, config.crop_area_min, config.blur)
    if policy != other or each < 2 or not config.freeze_norms:
        return None
    with torch.no_grad():
        shape = (each, *frozen(torch.zeros(1, 3, config.input_px, config.input_px)).shape[1:])  # of a picture's views
    picture_bytes = int(np.prod(shape)) * 2
    rows = _sample(pictures, MOST_BYTES // picture_bytes, config.region_share)
    if len(rows) * each >= config.steps * config.batch * 2:
        return None
    write_views(run / VIEWS, pictures, rows, policy, config, _as_function(frozen, config.input_px), picture_bytes)
    place = np.full(len(pictures.camera), -1)
    place[rows] = np.arange(len(rows))
    return ViewPool(np.memmap(run / VIEWS, np.float16, "r", shape=(len(rows), *shape)), place)


def write_views(
    path: Path,
    pictures: Pictures,
    rows: np.ndarray,
    policy: ViewPolicy,
    config: TrainConfig,
    encode: Callable[[Tensor], np.ndarray],
    picture_bytes: int,
) -> None:
    """Write the encoded views of these rows, float16, after the whole batches that the file already has.

    The last of these is written again: a power loss may leave the length of a file without its content.
    rows: int64 (P,), of `pictures`. picture_bytes: of all views of a picture. A batch's draws depend only on its place.
    """
    path.touch()
    done = max(path.stat().st_size // (BATCH * picture_bytes) - 1, 0)
    with path.open("r+b") as file, step_bar("views of pictures", len(rows)) as update:
        file.truncate(done * BATCH * picture_bytes)
        file.seek(done * BATCH * picture_bytes)
        for start in range(done * BATCH, len(rows), BATCH):
            part = torch.from_numpy(pictures.read(rows[start : start + BATCH]))
            frames = part.repeat_interleave(config.frozen_views, 0)
            generator = torch.Generator().manual_seed(config.seed * 1_000_003 + start)
            views = make_view(frames, draw_view(len(frames), policy, generator), config.input_px)
            file.write(encode(views).astype(np.float16).tobytes())
            file.flush()
            os.fsync(file.fileno())
            update(min(start + BATCH, len(rows)), "")


def pool_batches(
    cache: FrameCache, config: TrainConfig, pool: ViewPool, first: int = 0, teacher: Tensor | None = None
) -> Generator[ViewBatch]:
    """Yield every step from number `first` on, for ever, as feed.batches does, of pictures that have views."""
    pictures = pictures_of(cache, config.novelty, config.region_share)
    weight = np.where(pool.place < 0, 0.0, pictures.weight)
    order = batch_indices(pictures.camera, config.batch, config.camera_batches, config.seed, first, weight)
    for step, rows in enumerate(order, first):
        rng = np.random.default_rng((config.seed, step))
        others = second_rows(cache, rows, config.temporal_s, config.track_s, rng)
        others = np.where(pool.place[others] < 0, rows, others)
        yield ViewBatch(*pool.draw(rows, others, rng), tuple(targets_of(teacher, rows, others)))


def _sample(pictures: Pictures, most: int, region_share: float) -> np.ndarray:
    """Sample up to `most` rows, ascending: frames in proportion to their weight, regions by whole tracks."""
    frames, regions = len(pictures.cache), len(pictures.camera) - len(pictures.cache)
    if frames + regions <= most:
        return np.arange(frames + regions)
    of_regions = min(regions, round(most * region_share))
    upto = np.cumsum(pictures.weight[:frames])
    of_frames = np.unique(np.searchsorted(upto, np.linspace(0, upto[-1], min(most - of_regions, frames))))
    return np.concatenate([of_frames, frames + sample_whole_tracks(pictures.cache.regions.track, of_regions)])


def _as_function(frozen: nn.Module, input_px: int) -> Callable[[Tensor], np.ndarray]:
    """Compile to a function of float (B, 3, S, S) by onnxruntime, three times as fast as torch on a CPU."""
    example = torch.rand(2, 3, input_px, input_px, generator=torch.Generator().manual_seed(0))
    network = fused(copy.deepcopy(frozen).cpu().eval(), example)
    model = trace(network, example, "pictures", "features")
    session = open_session(model.SerializeToString(), "cpu", torch.get_num_threads())
    return lambda pictures: np.asarray(session.run(None, {"pictures": pictures.contiguous().numpy()})[0])
