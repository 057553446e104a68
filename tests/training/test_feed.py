"""What each step trains on: the same for one process and for several, alone or resumed."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from lookalike.errors import TrainingError
from tests.training.small import small_cache, small_config
from training.augment import paper_policies
from training.config import TrainConfig
from training.data import FrameCache, batch_indices
from training.distributed import World
from training.feed import Batch, batches

CPU = torch.device("cpu")
POLICIES = paper_policies(0.6)
CONFIG = small_config(temporal_s=2.0)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FrameCache:
    return small_cache(tmp_path_factory.mktemp("cache"))


def taken(cache: FrameCache, count: int, config: TrainConfig = CONFIG, world: World | None = None, first: int = 0):
    with closing(batches(cache, config, POLICIES, CPU, world or World(), first)) as feed:
        return list(islice(feed, count))


def tensors(batch: Batch) -> list[torch.Tensor]:
    return [batch.frames, batch.other_frames, *vars(batch.draws[0]).values(), *vars(batch.draws[1]).values()]


def test_a_step_has_the_frames_of_its_rows_in_their_drawn_order(cache: FrameCache) -> None:
    order = batch_indices(cache.camera, 8, False, CONFIG.seed)
    for batch, rows in zip(taken(cache, 5), order, strict=False):
        assert np.array_equal(batch.frames.numpy(), cache.frames[rows])


def test_parts_of_a_step_are_not_in_file_order(cache: FrameCache) -> None:
    """Else a part, which batch norm sees by itself, would be one camera, or one hour."""
    rows = [batch.frames.flatten(1).float().mean(1) for batch in taken(cache, 20)]
    wanted = np.asarray(cache.frames).reshape(24, -1).mean(1)
    found = [[int(np.abs(wanted - float(one)).argmin()) for one in means] for means in rows]
    assert any(step != sorted(step) for step in found)


def test_without_temporal_positives_both_views_are_of_the_same_frames(cache: FrameCache) -> None:
    batch = taken(cache, 1, small_config(temporal_s=0.0))[0]
    assert batch.other_frames is batch.frames
    assert not torch.equal(taken(cache, 1)[0].other_frames, batch.frames)


def test_a_feed_that_starts_later_gives_what_it_would_have_given(cache: FrameCache) -> None:
    for whole, resumed in zip(taken(cache, 7)[4:], taken(cache, 3, first=4), strict=True):
        assert all(torch.equal(*pair) for pair in zip(tensors(whole), tensors(resumed), strict=True))


def test_processes_share_out_what_one_alone_would_have(cache: FrameCache) -> None:
    shares = [taken(cache, 3, world=World(rank, 4)) for rank in range(4)]
    for whole, *parts in zip(taken(cache, 3), *shares, strict=True):
        joined = [torch.cat(same) for same in zip(*map(tensors, parts), strict=True)]
        assert all(torch.equal(*pair) for pair in zip(tensors(whole), joined, strict=True))


def test_a_batch_that_cannot_be_shared_out_is_refused(cache: FrameCache) -> None:
    with pytest.raises(TrainingError, match="--batch is 8, expected a multiple of 3 processes x --accumulate 1"):
        taken(cache, 1, world=World(0, 3))


def test_views_in_parts_are_the_views_of_the_whole(cache: FrameCache) -> None:
    batch = taken(cache, 1)[0]
    whole, parts = next(batch.views(32)), list(batch.views(32, 4))
    assert len(parts) == 4
    for number in (0, 1):
        together = torch.cat([part[number] for part in parts])
        assert together.shape == (8, 3, 32, 32)
        assert torch.allclose(together, whole[number], atol=1e-6)


def test_a_reader_that_fails_fails_the_feed(tmp_path: Path) -> None:
    class Broken(np.ndarray):
        def __getitem__(self, rows):
            raise OSError("the disk is gone")

    cache = small_cache(tmp_path)
    broken = FrameCache(np.zeros((24, 4, 4, 3), np.uint8).view(Broken), *list(vars(cache).values())[1:])
    with pytest.raises(OSError, match="the disk is gone"):
        taken(broken, 1)
