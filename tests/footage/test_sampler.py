"""Which frames of a video a sampling takes."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.footage import Ended, Frame, find_sources, read_source
from lookalike.footage.sampling import Sampling
from tests.clips import SIZE_PX, noise, picture, write_clip


def taken(path: Path, sampling: Sampling) -> list[Frame]:
    """Of whole frames."""
    (source,) = find_sources([path])
    *frames, ended = list(read_source(source, replace(sampling, regions=None)))
    assert isinstance(ended, Ended)
    assert (ended.frames, ended.reason) == (len(frames), None)
    return [frame for frame in frames if isinstance(frame, Frame)]


def times(frames: list[Frame]) -> list[float]:
    return [frame.time_s for frame in frames]


def test_key_frames_are_those_that_the_recording_holds_whole(tmp_path: Path) -> None:
    """One in ten of 40, 40 ms apart, and of those the first in each half second; what comes last is no cut-off."""
    clip = write_clip(tmp_path / "clip.mp4", range(0, 40 * 40, 40), codec_options={"g": "10", "sc_threshold": "0"})
    assert times(taken(clip, Sampling(keyframes=True))) == [0, 0.4, 0.8, 1.2]
    assert times(taken(clip, Sampling(2, keyframes=True))) == [0, 0.8, 1.2]


def test_a_scene_begins_with_a_cut(tmp_path: Path) -> None:
    """Noise, which differs from frame to frame but is of one brightness, against pictures; a flash of one frame is less
    than a scene."""
    bright, dark = (
        np.full((SIZE_PX[1], SIZE_PX[0], 3), 230, np.uint8),
        np.full((SIZE_PX[1], SIZE_PX[0], 3), 20, np.uint8),
    )
    pictures = [picture(0)] * 30 + [bright] * 30 + [dark] * 20
    clip = write_clip(tmp_path / "clip.mp4", range(0, 40 * 80, 40), pictures)
    frames = taken(clip, Sampling(scene_cuts=True))
    assert [(frame.time_s, frame.scene) for frame in frames] == [(0, 0), (1.2, 1), (2.4, 2)]
    both = taken(clip, Sampling(1, scene_cuts=True))
    assert [(frame.time_s, frame.scene) for frame in both] == [(0, 0), (1, 0), (1.2, 1), (2, 1), (2.4, 2), (3, 2)]
    flash = [picture(0)] * 5 + [bright] + [picture(0)] * 30
    flashed = write_clip(tmp_path / "flash.mp4", range(0, 40 * 36, 40), flash)
    assert times(taken(flashed, Sampling(scene_cuts=True))) == [0]


def test_without_motion_nothing_is_taken(tmp_path: Path) -> None:
    """A square of a sixteenth of the picture is there from 2 s to 3 s."""
    still, moving = picture(10), []
    for number in range(100):
        rgb = still.copy()
        if 50 <= number < 75:
            left = number - 50
            rgb[8:20, left : left + 16] = (20, 200, 230)
        moving.append(rgb)
    clip = write_clip(tmp_path / "clip.mp4", range(0, 40 * 100, 40), moving)
    seconds = times(taken(clip, Sampling(motion=0.02)))
    assert seconds == [number / 25 for number in range(50, 75)]
    assert times(taken(clip, Sampling(5, motion=0.02))) == [2, 2.2, 2.4, 2.6, 2.8]
    assert taken_nothing(write_clip(tmp_path / "still.mp4", range(0, 4000, 40), [still] * 100))


def taken_nothing(path: Path) -> bool:
    """A source of which nothing is taken has ended well: it is not a broken one."""
    (source,) = find_sources([path])
    (ended,) = list(read_source(source, Sampling(motion=0.02, regions=None)))
    return isinstance(ended, Ended) and (ended.frames, ended.reason) == (0, None)


def test_a_picture_that_is_repeated_is_frozen_after_two_seconds(tmp_path: Path) -> None:
    """Noise to 2 s, then one picture of it to 6 s. Looked at every 0.52 s: from 2.08 s on nothing has changed."""
    pictures = noise(50) + [noise(51)[-1]] * 100
    clip = write_clip(tmp_path / "clip.mp4", range(0, 40 * 150, 40), pictures, codec_options={"qp": "0"})
    frames = taken(clip, Sampling(5))
    faults = {frame.time_s: frame.fault for frame in frames}
    assert {time_s for time_s, fault in faults.items() if fault == "frozen"} == {t for t in faults if t >= 2.08 + 2}
    black = write_clip(tmp_path / "black.mp4", range(0, 400, 40), [np.zeros_like(picture(0))] * 10)
    assert {frame.fault for frame in taken(black, Sampling())} == {"black"}


def test_regions_are_cut_from_the_whole_picture(tmp_path: Path) -> None:
    """A bright square moves over grey; the region around it is mostly of its colour. Nine of a grid overlap by half."""
    pictures = []
    for number in range(60):
        rgb = np.full((SIZE_PX[1], SIZE_PX[0], 3), 60, np.uint8)
        if number >= 30:
            rgb[16:32, number - 20 : number - 4] = (230, 210, 40)
        pictures.append(rgb)
    clip = write_clip(tmp_path / "clip.mp4", range(0, 40 * 60, 40), pictures)
    (source,) = find_sources([clip])
    *moving, ended = read_source(source, Sampling(5, regions="motion"))
    frames = [one for one in moving if isinstance(one, Frame)]
    parts = [one for one in frames if one.region]
    assert isinstance(ended, Ended)
    assert (ended.frames, ended.regions) == (12, len(parts)) == (len(frames) - len(parts), len(parts))
    assert {part.time_s for part in parts} == {one.time_s for one in frames if one.time_s >= 1.2}
    first = next(part for part in parts if part.time_s == 1.2)
    assert first.region is not None
    left, right = first.region.x * SIZE_PX[0], (first.region.x + first.region.w) * SIZE_PX[0]
    assert 4 <= left <= 10  # the square is from 10 to 26
    assert 26 <= right <= 33
    red, _, blue = first.image.mean((0, 1))
    assert blue < 60  # a quarter of it or more is the square, the rest is grey
    assert red > 100
    assert len({one.id for one in frames}) == len(frames)
    grid = [one for one in read_source(source, Sampling(1, regions="grid")) if isinstance(one, Frame)]
    assert [str(one.region) for one in grid[:4]] == ["None", "0,0,0.5,0.5", "0.25,0,0.5,0.5", "0.5,0,0.5,0.5"]
    assert (len(grid), grid[1].image.shape) == (3 * 10, (24, 32, 3))


def square_at(left: int, top: int, ground: np.ndarray) -> np.ndarray:
    """A square of a thirteenth of the picture."""
    rgb = ground.copy()
    rgb[top : top + 16, left : left + 16] = (230, 210, 40)
    return rgb


def regions_at(path: Path, sampling: Sampling) -> dict[float, int]:
    """How many regions each frame has that has any."""
    (source,) = find_sources([path])
    parts = [one for one in read_source(source, sampling) if isinstance(one, Frame) and one.region]
    return dict(Counter(part.time_s for part in parts))


def test_auto_takes_regions_where_the_camera_stands_still(tmp_path: Path) -> None:
    """A square comes after a second, and moves."""
    ground = noise(1, seed=3)[0]
    pictures = [square_at(number - 20, 16, ground) if number >= 25 else ground for number in range(60)]
    clip = write_clip(tmp_path / "still.mp4", range(0, 40 * 60, 40), pictures, codec_options={"qp": "10"})
    assert set(regions_at(clip, Sampling(5))) == {1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2}
    assert regions_at(clip, Sampling(5, regions=None)) == {}
    assert regions_at(clip, Sampling(5, keyframes=True)) == {}


def test_auto_takes_none_where_the_camera_is_moved(tmp_path: Path) -> None:
    """The same square, over ground that shifts by some pixels from frame to frame, as in a hand."""
    wide, steps = noise_wider(), np.random.default_rng(8).integers(0, 9, (60, 2))
    pictures = [
        square_at(max(number - 20, 0), 16, wide[y : y + SIZE_PX[1], x : x + SIZE_PX[0]])
        for number, (y, x) in enumerate(steps)
    ]
    clip = write_clip(tmp_path / "hand.mp4", range(0, 40 * 60, 40), pictures, codec_options={"qp": "10"})
    assert regions_at(clip, Sampling(5)) == {}
    assert regions_at(clip, Sampling(5, regions="motion"))


def test_auto_takes_none_while_the_light_changes(tmp_path: Path) -> None:
    """From a second on all of the picture is brighter: for that nothing has moved."""
    ground = np.minimum(noise(1, seed=3)[0], 150)
    pictures = [ground + np.uint8(80) if number >= 25 else ground for number in range(35)]
    clip = write_clip(tmp_path / "light.mp4", range(0, 40 * 35, 40), pictures, codec_options={"qp": "10"})
    assert regions_at(clip, Sampling(5)) == {}
    assert set(regions_at(clip, Sampling(5, regions="motion"))) == {1.0, 1.2}


def test_auto_takes_none_of_pictures_and_none_without_opencv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(picture(3)).save(tmp_path / "one.png")
    assert regions_at(tmp_path / "one.png", Sampling()) == {}
    clip = write_clip(
        tmp_path / "clip.mp4", range(0, 40 * 60, 40), [square_at(n % 40, 16, picture(0)) for n in range(60)]
    )
    assert regions_at(clip, Sampling(5))
    monkeypatch.setitem(sys.modules, "cv2", None)  # to import it is an ImportError now
    assert regions_at(clip, Sampling(5)) == {}


def noise_wider() -> np.ndarray:
    """uint8 (H + 8, W + 8, 3): blocks of colour, 8 pixels wide, that a window moves over."""
    blocks = np.random.default_rng(7).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return np.kron(blocks, np.ones((8, 8, 1), np.uint8))
