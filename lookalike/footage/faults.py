"""Frames that show nothing: black ones, and those of a camera that repeats its last picture."""

from __future__ import annotations

from typing import Literal

import numpy as np
from av.video.frame import VideoFrame

Fault = Literal["black", "frozen"]

DARK, DARK_SHARE = 0.1 * 255, 0.98  # so many of the pixels are no brighter. Source: FFmpeg, blackdetect
LOOK_EVERY_US, FROZEN_US = 500_000, 2_000_000
STILL = 0.03  # mean levels: a repeated picture that was encoded again differs by .01, a live camera by .05 and more
ENOUGH_PX = 32
STEP = 4  # every so many pixels are compared


class Stillness:
    """Tells of each frame of one video, in order, whether the picture has stood still for 2 s or longer."""

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
    """rgb: uint8 (H, W, 3), whole or made small."""
    return float((thinned(rgb).max(2) <= DARK).mean()) >= DARK_SHARE


def thinned(rgb: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3): every so many pixels of a large picture, at least ENOUGH_PX a side: to look at all takes longer
    than to decode them."""
    down, across = (max(side // ENOUGH_PX, 1) for side in rgb.shape[:2])
    return rgb[::down, ::across]


def _luma_plane(frame: VideoFrame) -> np.ndarray:
    """int16, every STEP-th pixel of the first plane: luma, or for RGB a colour, which will do."""
    plane = frame.planes[0]
    size = plane.height, plane.line_size
    rows = np.frombuffer(memoryview(plane), np.uint8, size[0] * size[1]).reshape(size)
    return rows[::STEP, ::STEP].astype(np.int16)
