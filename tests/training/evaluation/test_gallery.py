"""Frames and regions, collected with where and when they are from."""

from __future__ import annotations

import numpy as np
import pytest

from lookalike.errors import FootageError
from lookalike.footage import Frame
from lookalike.region import Region
from tests.training.evaluation.footage import plain
from training.evaluation.gallery import gather


def frame(
    image: np.ndarray, source: str = "videos/gate.mp4", time_s: float = 0.0, region: Region | None = None
) -> Frame:
    return Frame(image, source, "id", "gate", time_s, round(time_s * 1e6), region=region)


def test_frames_are_gathered_with_where_and_when_they_are_from() -> None:
    gallery = gather(iter([frame(plain(10), time_s=1.5), frame(plain(20), "other/road.mp4", 2.5)]))
    assert [int(picture[0, 0, 0]) for picture in gallery.pictures] == [10, 20]
    assert gallery.clip.tolist() == ["gate.mp4", "road.mp4"]
    assert gallery.time_s.tolist() == [1.5, 2.5]
    assert gallery.camera.tolist() == ["gate", "gate"]
    assert gallery.whole.all()


def test_regions_follow_their_frame() -> None:
    """Only frames are counted."""
    counted: list[float] = []
    region = Region(0.1, 0.2, 0.3, 0.4)
    frames = [
        frame(plain(1)),
        frame(plain(2), region=region),
        frame(plain(3), time_s=1),
        frame(plain(4), time_s=1, region=region),
    ]
    gallery = gather(frames, lambda one: counted.append(one.time_s))
    assert gallery.frame.tolist() == [0, 0, 2, 2]
    assert gallery.whole.tolist() == [True, False, True, False]
    assert gallery.box[1].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert np.isnan(gallery.box[0]).all()
    assert counted == [0, 1]


@pytest.mark.parametrize(
    ("shape", "kept"),
    [((400, 768), (200, 384)), ((768, 400), (384, 200)), ((384, 10), (384, 10)), ((1, 4000), (1, 384))],
)
def test_large_frames_are_made_smaller_and_small_ones_are_not_touched(
    shape: tuple[int, int], kept: tuple[int, int]
) -> None:
    image = np.full((*shape, 3), 77, np.uint8)
    [picture, _] = gather([frame(image), frame(plain(0))]).pictures
    assert picture.shape == (*kept, 3)
    assert np.all(picture == 77)


@pytest.mark.parametrize("count", [0, 1])
def test_there_must_be_something_to_search_among(count: int) -> None:
    with pytest.raises(
        FootageError, match=rf"^too little footage: got {count} readable frame\(s\), expected at least 2"
    ):
        gather([frame(plain(0))] * count)
