"""What the frame cache holds, and in which order training sees it."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lookalike import pixels
from lookalike.errors import TrainingError
from lookalike.footage import Frame
from lookalike.region import Region
from tests.training.small import noise_frames, small_config
from training.data import FrameCache, batch_indices, build_cache, load_cache, novelty, partners


def ignore(frame: Frame) -> None:
    pass


def epochs_of(cameras: np.ndarray, batch: int, by_camera: bool, count: int) -> list[list[np.ndarray]]:
    """The first batches, `count` epochs of them: as many per epoch as it takes to hold every frame once."""
    groups = Counter(cameras.tolist()).values() if by_camera else [len(cameras)]
    batches = sum(-(-group // batch) for group in groups)
    order = batch_indices(cameras, batch, by_camera, seed=0)
    return [list(itertools.islice(order, batches)) for _ in range(count)]


def test_the_cache_gives_back_each_frame_as_the_only_resize_makes_it(tmp_path: Path) -> None:
    frames, told = noise_frames(6, cameras=("gate", "road"), side_px=40), []
    built = build_cache(tmp_path / "cache", iter(frames), 37, told.append)
    loaded = load_cache(tmp_path / "cache")
    assert told == frames
    for cache in (built, loaded):
        assert (len(cache), cache.frames.dtype, cache.frames.shape) == (6, np.uint8, (6, 37, 37, 3))
        for row, frame in enumerate(frames):
            assert np.array_equal(cache.frames[row], pixels.fit(frame.image, 37))
        assert cache.cameras == ["gate", "road"]
        assert cache.sources == ["gate.mp4", "road.mp4"]
        assert cache.camera.tolist() == cache.source.tolist() == [0, 1, 0, 1, 0, 1]
        assert cache.time_s.tolist() == [0, 0.25, 0.5, 0.75, 1, 1.25]


def test_regions_are_kept_apart_from_frames_with_their_boxes_and_tracks(tmp_path: Path) -> None:
    """A thing moves from left to right through three frames; in the second, something else is seen once."""
    frames = noise_frames(3)
    boxes = [[Region(0.1, 0.4, 0.2, 0.2)], [Region(0.3, 0.4, 0.2, 0.2), Region(0.7, 0.0, 0.1, 0.1)]]
    boxes.append([Region(0.5, 0.4, 0.2, 0.2)])
    given: list[Frame] = []
    for frame, parts in zip(frames, boxes, strict=True):
        given += [frame, *(dataclasses.replace(frame, image=part.crop(frame.image), region=part) for part in parts)]
    told: list[Frame] = []
    build_cache(tmp_path, given, 37, told.append)
    cache = load_cache(tmp_path)
    assert (len(cache), told) == (3, frames)
    assert cache.regions.frame.tolist() == [0, 1, 1, 2]
    assert cache.regions.box[2].tolist() == [0.7, 0.0, 0.1, 0.1]
    assert cache.regions.track.tolist() == [0, 0, -1, 0]
    assert np.array_equal(cache.regions.pictures[3], pixels.fit(boxes[2][0].crop(frames[2].image), 37))


def test_sources_of_one_camera_are_told_apart(tmp_path: Path) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    given = [("b.mp4", "gate"), ("a.mp4", "gate"), ("b.mp4", "gate"), ("c.mp4", "road")]
    frames = [Frame(image, source, source, camera, 0.0, 0) for source, camera in given]
    cache = build_cache(tmp_path, frames, 8, ignore)
    assert cache.source.tolist() == [0, 1, 0, 2]
    assert cache.camera.tolist() == [0, 0, 0, 1]
    assert (cache.sources, cache.cameras) == (["b.mp4", "a.mp4", "c.mp4"], ["gate", "road"])


@pytest.mark.parametrize(("input_px", "side"), [(32, 37), (96, 110), (224, 258)])
def test_cached_frames_are_fifteen_percent_larger_than_the_input(input_px: int, side: int) -> None:
    assert small_config(input_px=input_px, cache_scale=1.15).cache_px == side


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_frames_are_too_few(tmp_path: Path, count: int) -> None:
    with pytest.raises(
        TrainingError, match=rf"^too little footage: got {count} readable frame\(s\), expected at least 2"
    ):
        build_cache(tmp_path / "cache", noise_frames(count), 32, ignore)
    with pytest.raises(TrainingError, match="no complete frame cache"):
        load_cache(tmp_path / "cache")


def test_a_cache_that_was_cut_off_is_not_taken_for_one(tmp_path: Path) -> None:
    def cut_off() -> Iterator[Frame]:
        yield from noise_frames(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_cache(tmp_path / "cache", cut_off(), 32, ignore)
    assert (tmp_path / "cache" / "frames.u8").exists()
    with pytest.raises(TrainingError, match=r"no complete frame cache .*start the run again"):
        load_cache(tmp_path / "cache")


def test_a_cache_cut_off_over_an_earlier_one_is_not_taken_for_the_earlier_one(tmp_path: Path) -> None:
    """The old index would name the new footage's frames."""

    def cut_off() -> Iterator[Frame]:
        yield from noise_frames(9, cameras=("road",))
        raise KeyboardInterrupt

    build_cache(tmp_path / "cache", noise_frames(5), 32, ignore)
    with pytest.raises(KeyboardInterrupt):
        build_cache(tmp_path / "cache", cut_off(), 32, ignore)
    with pytest.raises(TrainingError, match="no complete frame cache"):
        load_cache(tmp_path / "cache")


def test_frames_that_were_cut_short_are_no_cache(tmp_path: Path) -> None:
    build_cache(tmp_path, noise_frames(5), 37, ignore)
    stored = (tmp_path / "frames.u8").read_bytes()
    assert len(stored) == 5 * 37 * 37 * 3
    (tmp_path / "frames.u8").write_bytes(stored[:-1])
    with pytest.raises(TrainingError, match="no complete frame cache"):
        load_cache(tmp_path)


@pytest.mark.parametrize("index", ["", "{", "[]", "{}", json.dumps({"side_px": 37})])
def test_a_broken_index_is_no_cache(tmp_path: Path, index: str) -> None:
    build_cache(tmp_path, noise_frames(2), 32, ignore)
    (tmp_path / "index.json").write_text(index)
    with pytest.raises(TrainingError, match="no complete frame cache"):
        load_cache(tmp_path)


@pytest.mark.parametrize("by_camera", [False, True])
def test_each_epoch_uses_every_frame(by_camera: bool) -> None:
    cameras = np.array([0] * 20 + [1] * 9 + [2] * 3)
    for epoch in epochs_of(cameras, 8, by_camera, 3):
        assert all(chosen.shape == (8,) for chosen in epoch)
        seen = Counter(np.concatenate(epoch).tolist())
        assert set(seen) == set(range(32))
        assert sum(seen.values()) - 32 == (24 + 16 + 8 - 32 if by_camera else 0)  # what tops up the last batches
        assert max(seen[row] for row in range(20)) <= 2


def test_an_epoch_of_whole_batches_is_a_permutation() -> None:
    first, second = epochs_of(np.zeros(24, int), 8, False, 2)
    for epoch in (first, second):
        assert sorted(np.concatenate(epoch).tolist()) == list(range(24))
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))
    assert np.concatenate(first).tolist() != list(range(24))


def test_a_batch_by_camera_holds_one_camera_and_cameras_take_turns() -> None:
    cameras = np.array([0, 1] * 32)
    [epoch] = epochs_of(cameras, 8, True, 1)
    of = [set(cameras[chosen].tolist()) for chosen in epoch]
    assert all(len(one) == 1 for one in of)
    assert sorted(one.pop() for one in of) == [0] * 4 + [1] * 4
    [mixed] = epochs_of(cameras, 8, False, 1)
    assert all(len(set(cameras[chosen].tolist())) == 2 for chosen in mixed)


def test_cameras_are_shuffled_and_not_one_after_another() -> None:
    """Eight batches of each of two cameras: all orders that keep them apart are 2 of 12870."""
    cameras = np.array([0] * 64 + [1] * 64)
    [epoch] = epochs_of(cameras, 8, True, 1)
    of = [int(cameras[chosen[0]]) for chosen in epoch]
    assert of not in ([0] * 8 + [1] * 8, [1] * 8 + [0] * 8)


def test_a_group_smaller_than_a_batch_is_repeated_evenly_until_it_is_full() -> None:
    """Three frames in a batch of eight: each twice, and two of them a third time."""
    for chosen in itertools.islice(batch_indices(np.zeros(3, int), 8, True, seed=0), 5):
        assert sorted(Counter(chosen.tolist()).values()) == [2, 3, 3]


@pytest.mark.parametrize("by_camera", [False, True])
@pytest.mark.parametrize("first", [0, 1, 4, 5, 17])
def test_starting_at_a_later_batch_gives_exactly_the_continuation(by_camera: bool, first: int) -> None:
    """An epoch has 3 or 4 batches here, so that 17 is well inside a later one."""
    cameras = np.array([0] * 13 + [1] * 7)
    whole = list(itertools.islice(batch_indices(cameras, 8, by_camera, seed=3), 25))
    rest = list(itertools.islice(batch_indices(cameras, 8, by_camera, seed=3, first=first), 25 - first))
    assert all(np.array_equal(one, two) for one, two in zip(whole[first:], rest, strict=True))


def test_another_seed_gives_another_order() -> None:
    one, two = (next(batch_indices(np.zeros(64, int), 32, False, seed)) for seed in (0, 1))
    assert not np.array_equal(one, two)


def test_partners_are_the_nearest_moments_of_the_same_source_within_the_gap() -> None:
    times = np.concatenate([np.arange(0, 20, 0.5), np.arange(0, 10, 0.5)])
    source = np.repeat([0, 1], [40, 20])
    cache = FrameCache(np.zeros((60, 1, 1, 3), np.uint8), source, source, times, ["a", "b"], ["a", "b"])
    rows = np.tile(np.arange(60), 200)
    moved = partners(cache, rows, (0.5, 4.0), np.random.default_rng(0))
    assert (source[moved] == source[rows]).all()
    gaps = np.abs(times[moved] - times[rows])
    away = gaps > 0
    assert gaps[away].min() == 0.5
    assert gaps.max() == 4.0
    # Half of the rows stay, and those near an end whose moment falls off it; inside, it is half but for chance.
    inside = (times[rows] >= 4) & (times[rows] <= np.where(source[rows] == 0, 15.5, 5.5))
    share = away[inside].mean()
    assert abs(share - 0.5) < 4 * np.sqrt(0.25 / inside.sum())
    # Log-uniform: as many between .5 and 1.41 s as between 1.41 and 4 s, to the nearest half second.
    near = (gaps[inside & away] <= 1.0).mean()
    assert abs(near - np.log(1.25 / 0.5) / np.log(8)) < 0.03
    again = partners(cache, rows, (0.5, 4.0), np.random.default_rng(0))
    assert (moved == again).all()


def cache_of(brightness: list[int], sources: list[int], cameras: list[int]) -> FrameCache:
    """Frames of one even brightness each, a second apart."""
    frames = np.broadcast_to(np.array(brightness, np.uint8)[:, None, None, None], (len(brightness), 16, 16, 3))
    times = np.arange(len(brightness), dtype=float)
    return FrameCache(frames, np.array(cameras), np.array(sources), times, ["a", "b"], ["a.mp4", "b.mp4", "c.mp4"])


def test_a_frame_counts_by_its_change_as_a_share_of_the_mean_up_to_a_most() -> None:
    """Changes of 0, 0, 40, 10, 0, 10 have a mean of 10: 4 counts 2, and .25 is added. A new source is no change."""
    found = novelty(cache_of([10, 10, 50, 60, 200, 210], [0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 1, 1]))
    assert found.tolist() == [0.25, 0.25, 2.25, 1.25, 0.25, 1.25]
    assert novelty(cache_of([10, 10], [0, 0], [0, 0])).tolist() == [0.25, 0.25]  # nothing happens anywhere


def test_a_small_change_in_one_corner_is_seen() -> None:
    """Patches of one of 64, changing by 32 and by 64: a third and two thirds of all change, of a mean of one third."""
    frames = np.zeros((3, 16, 16, 3), np.uint8)
    frames[1:, :2, :2] = 32
    frames[2, -2:, -2:] = 64
    cache = FrameCache(frames, np.zeros(3, int), np.zeros(3, int), np.arange(3.0), ["a"], ["a.mp4"])
    assert novelty(cache).tolist() == [0.25, 1.25, 2.25]


def test_a_camera_that_sees_nothing_for_an_hour_does_not_fill_the_epoch() -> None:
    """900 idle frames of one camera count .25 each, 100 busy ones of another 2.25, but its first.

    225 + .25 of 225 + .25 + 99 * 2.25 = 448: so 503 of 1000 rows of an epoch are idle, and a busy one comes 5 times.
    """
    cache = cache_of([10] * 900 + [10, 200] * 50, [0] * 900 + [1] * 100, [0] * 900 + [1] * 100)
    order = batch_indices(cache.camera, 100, False, seed=0, weight=novelty(cache))
    for _ in range(3):
        epoch = np.concatenate(list(itertools.islice(order, 10)))
        assert (epoch < 901).sum() == pytest.approx(1000 * 225.25 / 448, abs=2)
        assert set(np.bincount(epoch, minlength=1000)[901:].tolist()) <= {5, 6}  # 1000 * 2.25 / 448 = 5.02


def test_rows_of_equal_weight_are_taken_once_an_epoch() -> None:
    order = batch_indices(np.zeros(24, int), 8, False, seed=0, weight=np.full(24, 0.3))
    assert sorted(np.concatenate(list(itertools.islice(order, 3))).tolist()) == list(range(24))
