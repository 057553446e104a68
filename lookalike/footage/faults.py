"""Detect frames that show nothing: black ones, and those of a camera that repeats its last picture."""

from __future__ import annotations

from typing import Literal

import numpy as np
from av.video.frame import VideoFrame

Fault = Literal["black", "frozen"]

DARK, DARK_SHARE = 0.1 * 255, 0.98  # at least this share of the pixels is this dark. Source: FFmpeg, blackdetect
LOOK_EVERY_US, FROZEN_US = 500_000, 2_000_000
STILL = 0.03  # mean levels: a repeated picture that was encoded again differs by .01, a live camera by .05 and more
ENOUGH_PX = 32
STEP = 4  # every STEP-th pixel is compared


class Stillness:
    """Tells whether the picture has not changed for 2 s. Called with each frame of one video, in order."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._looked_us = self._moved_us = 0

    def __call__(self, frame: VideoFrame, pts_us: int) -> bool:
        if self._last is None or pts_us - self._looked_us >= LOOK_EVERY_US:
            seen, last = _luma_plane(frame), self._last
            if last is None or last.shape != seen.shape or np.abs(seen - last).mean() > STILL:
                self._moved_us = pts_us
            self._last, self._looked_us = seen, pts_us
        return pts_us - self._moved_us >= FROZEN_US


def is_black(rgb: np.ndarray) -> bool:
    """Whether a picture is black. rgb: uint8 (H, W, 3), of any size."""
    return float((thinned(rgb).max(2) <= DARK).mean()) >= DARK_SHARE


def thinned(rgb: np.ndarray) -> np.ndarray:
    """Skip pixels of a large picture, down to at least ENOUGH_PX a side: reading all takes longer than decoding them.

    rgb: uint8 (H, W, 3). Returns: a view.
    """
    down, across = (max(side // ENOUGH_PX, 1) for side in rgb.shape[:2])
    return rgb[::down, ::across]


def _luma_plane(frame: VideoFrame) -> np.ndarray:
    """Return int16, every STEP-th pixel of the first plane: luma, or for RGB one colour."""
    plane = frame.planes[0]
    size = plane.height, plane.line_size
    rows = np.frombuffer(memoryview(plane), np.uint8, size[0] * size[1]).reshape(size)
    return rows[::STEP, ::STEP].astype(np.int16)
