"""Detect where a scene begins in a video, and what moves. Needs the extra `explore`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lookalike.errors import FootageError
from lookalike.region import Region

SCENE_THRESHOLD = 27.0  # mean change in hue, saturation and brightness, 0 to 255; PySceneDetect's own default
SHORTEST_SCENE_MS = 600
SMALL_PX = (160, 90)  # size at which frames are compared

LEAST, MOST = 0.002, 3  # least share of the picture of a moving region, and most regions of a frame
# A camera moves while more than the share UNSTEADY of the picture is within NEAR_PX of motion, over the last seconds.
# Measured on five fixed cameras and on the same clips cut from a shaking window (docs/regions.md).
UNSTEADY, NEAR_PX, STEADY_S = 1 / 3, 9, 5.0
MARGIN, NARROWEST = 0.25, 0.1  # added around motion, as a share of it; and the least side, as a share of the picture

Small = np.ndarray  # uint8 (90, 160, 3), BGR


def has_opencv() -> bool:
    """Whether OpenCV is installed."""
    try:
        import cv2  # noqa: F401
    except ImportError:
        return False
    return True


def scene_starts() -> Callable[[Small, int], bool]:
    """Return a function that tells whether a scene begins with a frame.

    It is called with every frame of one video, in order, and its microseconds. The first frame begins a scene.
    Source: PySceneDetect, ContentDetector.
    Raises: FootageError if the library is not installed.
    """
    try:
        from scenedetect import FrameTimecode
        from scenedetect.detector import FlashFilter
        from scenedetect.detectors import ContentDetector
    except ImportError as error:
        raise _missing("--scene-cuts") from error
    detector = ContentDetector(SCENE_THRESHOLD, SHORTEST_SCENE_MS, filter_mode=FlashFilter.Mode.SUPPRESS)
    first = True

    def starts(small: Small, pts_us: int) -> bool:
        nonlocal first
        cuts = detector.process_frame(FrameTimecode(max(pts_us // 1000, 0), fps=1000.0), small)
        begins, first = first or bool(cuts), False
        return begins

    return starts


class Motion:
    """Detects what differs from the background of a video. Source: OpenCV, BackgroundSubtractorMOG2."""

    def __init__(self) -> None:
        """Raises: FootageError if the library is not installed."""
        try:
            import cv2
        except ImportError as error:
            raise _missing("--motion") from error
        self._cv2 = cv2
        self._subtractor = cv2.createBackgroundSubtractorMOG2(detectShadows=False)
        self._mask: np.ndarray | None = None
        self._near, self._looks, self._last_us = 0.0, 0, 0  # near: mean share close to motion, over the last seconds

    def look(self, small: Small, pts_us: int) -> None:
        """Look at the next frame of one video, with its microseconds. Nothing moves in the first."""
        # The median removes single pixels of noise.
        mask = self._cv2.medianBlur(self._subtractor.apply(small), 3)
        self._mask = np.zeros_like(mask) if self._mask is None else mask
        if self.share() <= UNSTEADY:  # else the light changes, or something passes close to the camera
            near = self._cv2.dilate(self._mask, np.ones((NEAR_PX, NEAR_PX), np.uint8))
            self._looks += 1
            newest = max(1 / self._looks, min((pts_us - self._last_us) / 1e6 / STEADY_S, 1.0))
            self._near += newest * (float(np.count_nonzero(near)) / near.size - self._near)
        self._last_us = pts_us

    def stands_still(self) -> bool:
        """Whether the camera stands still: at most UNSTEADY of the picture moves now, or was close to motion recently.

        In a hand-held recording, every edge moves.
        """
        return self.share() <= UNSTEADY and self._near <= UNSTEADY

    def share(self) -> float:
        """Return the share of the picture that moves in the last frame."""
        return 0.0 if self._mask is None else float(np.count_nonzero(self._mask)) / self._mask.size

    def regions(self) -> list[Region]:
        """Return up to MOST moving regions of the last frame with a margin, the largest first."""
        if self._mask is None:
            return []
        joined = self._cv2.dilate(self._mask, np.ones((5, 5), np.uint8))  # parts of one thing
        _, _, boxes, _ = self._cv2.connectedComponentsWithStats(joined)
        large = sorted((box for box in boxes[1:].tolist() if box[4] >= LEAST * joined.size), key=lambda box: -box[4])
        return [_framed(box[:4], joined.shape) for box in large[:MOST]]


def _framed(box: Sequence[int], shape: Sequence[int]) -> Region:
    """Add a margin to a box. box: x, y, width, height in pixels of a picture of that shape. Returns: in shares."""
    sides = []
    for at, length, whole in zip(box[:2], box[2:], (shape[1], shape[0]), strict=True):
        wide = max(length / whole * (1 + MARGIN), NARROWEST)
        start = max((at + length / 2) / whole - wide / 2, 0.0)
        sides.append((round(start, 3), round(min(start + wide, 1.0) - start, 3)))
    (x, w), (y, h) = sides
    return Region(x, y, w, h)


def _missing(flag: str) -> FootageError:
    return FootageError(f'{flag} needs OpenCV and PySceneDetect; pip install "lookalike[explore]"')
