"""What changes in a video: where a scene begins, and how much of the picture moves. Needs the extra `explore`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lookalike.errors import FootageError

SCENE_THRESHOLD = 27.0  # mean change in hue, saturation and brightness, 0 to 255; PySceneDetect's own default
SHORTEST_SCENE_MS = 600
SMALL_PX = (160, 90)  # what is looked at: a change that cannot be seen there is none

Small = np.ndarray  # uint8 (90, 160, 3), BGR


def scene_starts() -> Callable[[Small, int], bool]:
    """Whether a scene begins with a frame; told of every frame of one video, in order, with its microseconds.

    The first frame begins one. Source: PySceneDetect, ContentDetector.
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


def moving_share() -> Callable[[Small], float]:
    """The share of the picture that differs from what it usually shows; told of every frame of one video, in order.

    0 for the first. Source: OpenCV, BackgroundSubtractorMOG2.
    Raises: FootageError if the library is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise _missing("--motion") from error
    subtractor = cv2.createBackgroundSubtractorMOG2(detectShadows=False)
    first = True

    def share(small: Small) -> float:
        nonlocal first
        # The median takes out single pixels of noise.
        mask = cv2.medianBlur(subtractor.apply(small), 3)
        moving, first = 0.0 if first else float(np.count_nonzero(mask)) / mask.size, False
        return moving

    return share


def _missing(flag: str) -> FootageError:
    return FootageError(f'{flag} needs OpenCV and PySceneDetect, which are not here; pip install "lookalike[explore]"')
