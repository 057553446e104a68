"""Frames made small where they are decoded look to an encoder as if they were decoded whole."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from lookalike import pixels
from lookalike.footage.picture import Converter, luma, size_px
from tests.conftest import SHARED_DATA

SIDE_PX = 64


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="NO RECORDINGS: the shared footage is not beside the checkout")
@pytest.mark.parametrize("name", ["traffic_camera.mp4", "car-detection.mp4", "asl-book.mkv", "chimp.mp4"])
def test_small_frames_differ_from_whole_ones_by_less_than_a_level(name: str) -> None:
    whole, small = Converter(), Converter(SIDE_PX)
    with av.open(str(SHARED_DATA / "footage" / name)) as container:
        for number, frame in zip(range(20), container.decode(video=0), strict=False):
            expected = pixels.fit(whole(frame), SIDE_PX).astype(float)
            got = small(frame).astype(float)
            assert np.abs(got - expected).mean() < 1, number
            assert np.abs((got - expected).mean((0, 1))).max() < 0.2  # no colour is shifted


def test_a_frame_no_larger_than_what_is_looked_at_is_left_as_it_is() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (100, 150, 3), np.uint8)
    frame = VideoFrame.from_ndarray(rgb, "rgb24")
    np.testing.assert_array_equal(Converter(SIDE_PX)(frame), pixels.fit(rgb, SIDE_PX))
    assert size_px(frame) == (150, 100)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "yuv444p", "yuvj422p", "gray", "nv12", "rgb8"])
def test_every_pixel_format_keeps_its_colours(pixel_format: str) -> None:
    """Left half red, right half blue, and large; grey has one brightness for each."""
    rgb = np.zeros((480, 640, 3), np.uint8)
    rgb[:, :320], rgb[:, 320:] = (200, 30, 30), (30, 30, 200)
    source = VideoFrame.from_ndarray(rgb, "rgb24")
    frame = source.reformat(format=pixel_format)
    got = Converter(SIDE_PX)(frame).astype(int)
    expected = Converter()(frame).astype(int)
    assert got.shape == (SIDE_PX, SIDE_PX, 3)
    for here, there in ((got[:, 4], expected[:, 40]), (got[:, -4], expected[:, -40])):
        assert np.abs(here.mean(0) - there.mean(0)).max() < 4


def test_luma_weighs_the_colours_as_the_eye_does() -> None:
    rgb = np.zeros((2, 2, 3), np.uint8)
    rgb[0, 0], rgb[0, 1] = (100, 0, 0), (0, 200, 40)
    assert luma(rgb) == pytest.approx((29.9 + 117.4 + 4.56) / 4, abs=0.01)
