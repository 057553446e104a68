"""Feed training steps: frames on the device, and the draws of their two views."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.augment import Draw, ViewPolicy, draw_view, make_view, send
from training.config import TrainConfig
from training.data import FrameCache, Pictures, batch_indices, pictures_of, second_rows
from training.distributed import ALONE, World
from training.teacher import targets_of

RESIDENT_BYTES = 4 << 30  # footage up to this size is kept on the GPU
PREFETCHED = 3  # steps whose frames are read in advance


@dataclass(frozen=True)
class Batch:
    """One process's share of a step.

    frames, other_frames: uint8 (B, C, C, 3) on the device. draws: of their views. targets: of the teacher, if there is
    one, float32 (B, T) for each.
    """

    frames: Tensor
    other_frames: Tensor
    draws: tuple[Draw, Draw]
    targets: tuple[Tensor, ...] = ()

    def views(self, size_px: int, parts: int = 1) -> Iterator[tuple[Tensor, ...]]:
        """Yield the arguments of Byol.forward, in equal parts: both views, float32 (B / parts, 3, size_px, size_px) in
        [0, 1], channels last, and their targets.
        """
        share = len(self.frames) // parts
        for rows in (slice(number * share, (number + 1) * share) for number in range(parts)):
            view = make_view(self.frames[rows], self.draws[0][rows], size_px)
            other = make_view(self.other_frames[rows], self.draws[1][rows], size_px)
            yield (
                view.contiguous(memory_format=torch.channels_last),
                other.contiguous(memory_format=torch.channels_last),
                *(target[rows] for target in self.targets),
            )


def batches(
    cache: FrameCache,
    config: TrainConfig,
    policies: tuple[ViewPolicy, ViewPolicy],
    device: torch.device,
    world: World = ALONE,
    first: int = 0,
    teacher: Tensor | None = None,
) -> Generator[Batch]:
    """Yield this process's share of every step from number `first` on, for ever; a thread prefetches frames.

    Order, partners and views depend only on seed and step: a resumed run continues identically, and several processes
    together train on the same pictures as one. teacher: as teacher.teacher_targets.
    """
    pictures = pictures_of(cache, config.novelty, config.region_share)
    share, read = world.part(config.batch, config.accumulate), _reader(pictures, device)
    order = batch_indices(pictures.camera, config.batch, config.camera_batches, config.seed, first, pictures.weight)
    pending: deque[tuple[int, Future[Tensor], Future[Tensor], tuple[Tensor, ...]]] = deque()
    with ThreadPoolExecutor(1, "feed") as thread:
        for step, rows in enumerate(order, first):
            frames = other_frames = thread.submit(read, rows[share])
            rng = np.random.default_rng((config.seed, step))
            moved = second_rows(cache, rows, config.temporal_s, config.track_s, rng)
            if not np.array_equal(moved, rows):
                other_frames = thread.submit(read, moved[share])
            targets = tuple(send(one, device) for one in targets_of(teacher, rows[share], moved[share]))
            pending.append((step, frames, other_frames, targets))
            if len(pending) == PREFETCHED:
                step, frames, other_frames, targets = pending.popleft()
                one, other = draw_views(step, config, policies)
                yield Batch(frames.result(), other_frames.result(), (one[share], other[share]), targets)


def draw_views(step: int, config: TrainConfig, policies: tuple[ViewPolicy, ViewPolicy]) -> tuple[Draw, Draw]:
    """Draw the views of the whole batch of a step, for all processes."""
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    return draw_view(config.batch, policies[0], generator), draw_view(config.batch, policies[1], generator)


def _reader(pictures: Pictures, device: torch.device) -> Callable[[np.ndarray], Tensor]:
    """Return a function that reads rows as uint8 (B, C, C, 3) on the device."""
    if device.type == "cuda" and pictures.nbytes <= RESIDENT_BYTES:
        resident = torch.from_numpy(pictures.everything()).to(device)
        return lambda rows: resident[send(torch.from_numpy(rows), device)]
    return lambda rows: send(torch.from_numpy(pictures.read(rows)), device)
