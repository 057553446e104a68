"""The display matrix, mirrors included: all eight ways to show a picture, of a landscape and a portrait."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from lookalike.footage import frame_at
from lookalike.footage.picture import size_px, within
from lookalike.footage.playable import judge, make_playable
from lookalike.footage.still import pictures_of
from tests.clips import turn, write_clip
from tests.conftest import SHARED_DATA

# a, b, c, d of the matrix, and what ffmpeg's autorotate does with it, which inserts these filters.
# Source: fftools/ffmpeg_filter.c, configure_input_video_filter; libavfilter, transpose.
SHOWN = {
    (1, 0, 0, 1): lambda rgb: rgb,
    (0, 1, -1, 0): lambda rgb: np.rot90(rgb, -1),  # clock
    (-1, 0, 0, -1): lambda rgb: np.rot90(rgb, 2),  # hflip, vflip
    (0, -1, 1, 0): np.rot90,  # cclock
    (-1, 0, 0, 1): lambda rgb: rgb[:, ::-1],  # hflip
    (1, 0, 0, -1): lambda rgb: rgb[::-1],  # vflip
    (0, 1, 1, 0): lambda rgb: rgb.transpose(1, 0, 2),  # cclock_flip
    (0, -1, -1, 0): lambda rgb: np.rot90(rgb, 2).transpose(1, 0, 2),  # clock_flip
}
MIRRORS = list(SHOWN)[4:]
CASES = SHARED_DATA / "cases"
CORNERS = (16, 90, 160, 235)  # brightness, from the top left, row by row


def corners(width: int, height: int) -> np.ndarray:
    """uint8 (H, W, 3): four quarters, no two alike."""
    levels = np.array(CORNERS, np.uint8).reshape(2, 2)
    grey = np.kron(levels, np.ones((height // 2, width // 2), np.uint8))
    return np.repeat(grey[:, :, None], 3, 2)


def write_corners(path: Path, size: tuple[int, int], matrix: tuple[int, int, int, int], late_ms: int = 0) -> Path:
    moments = [late_ms + 40 * number for number in range(5)]
    write_clip(path, moments, [corners(*size)] * 5, size_px=size)
    return turn(path, matrix)


def assert_looks_like(rgb: np.ndarray, expected: np.ndarray) -> None:
    assert rgb.shape == expected.shape
    np.testing.assert_allclose(rgb[::8, ::8].astype(int), expected[::8, ::8], atol=6)


@pytest.mark.parametrize("size", [(64, 48), (48, 64)], ids=["landscape", "portrait"])
@pytest.mark.parametrize("matrix", list(SHOWN))
def test_a_picture_is_shown_as_its_matrix_says(tmp_path: Path, matrix: tuple, size: tuple[int, int]) -> None:
    path = str(write_corners(tmp_path / "a.mp4", size, matrix))
    expected = SHOWN[matrix](corners(*size))
    assert_looks_like(frame_at(path, 0.1), expected)
    with pictures_of(path) as shown:
        assert_looks_like(shown(0.1, max(size)), expected)
    with av.open(path) as container:
        frame = next(container.decode(video=0))
    assert size_px(frame) == expected.shape[1::-1]
    assert_looks_like(within(frame, 32), expected[::2, ::2])


@pytest.mark.parametrize("late_ms", [0, 17_000])
@pytest.mark.parametrize("matrix", MIRRORS)
def test_mirrored_recordings_are_encoded_for_browsers(tmp_path: Path, matrix: tuple, late_ms: int) -> None:
    path = write_corners(tmp_path / "a.mp4", (48, 64), matrix, late_ms)
    assert judge(str(path)).how == "encoded"
    make_playable(str(path), tmp_path / "out.mp4", "encoded", lambda share: None)
    with av.open(str(tmp_path / "out.mp4")) as container:
        frame = next(container.decode(video=0))
    assert frame.rotation == 0
    assert_looks_like(frame.to_ndarray(format="rgb24"), SHOWN[matrix](corners(48, 64)))


@pytest.mark.parametrize("matrix", list(SHOWN)[:4])
def test_rotated_recordings_are_played_as_they_are(tmp_path: Path, matrix: tuple) -> None:
    assert judge(str(write_corners(tmp_path / "a.mp4", (48, 64), matrix))).how == "as it is"


def test_a_frame_without_a_matrix_is_as_it_is_stored() -> None:
    frame = VideoFrame.from_ndarray(corners(64, 48), "rgb24")
    assert size_px(frame) == (64, 48)


@pytest.mark.skipif(not CASES.is_dir(), reason="NO CASES: the shared inputs are not beside the checkout")
def test_the_collected_mirror_is_mirrored() -> None:
    """Frame 3 is marked by ten blocks, the last two white; mirrored these are the first two."""
    rgb = frame_at(str(CASES / "video" / "hflip.mp4"), 0.3)
    blocks = [rgb[12:30, 32 * block + 10 : 32 * block + 22].mean() > 128 for block in range(10)]
    assert blocks == [True, True] + [False] * 8
