"""Galleries that are written down: where and when each picture is from, and what it looks like."""

from __future__ import annotations

import numpy as np

from lookalike.demo.tracks import TrackedRegion
from lookalike.region import Region
from training.evaluation.contenders import HISTOGRAM, Contender
from training.evaluation.gallery import NO_BOX, Gallery

Box = tuple[float, float, float, float]


def plain(level: int) -> np.ndarray:
    return np.full((4, 4, 3), level, np.uint8)


def gallery_of(*rows: tuple, levels: list[int] | None = None) -> Gallery:
    """Clip and time of each frame; with a box, of a region of the frame before it. A clip is its own camera, unless it
    is "camera/clip". Pictures are plain, of the given levels."""
    boxes = [row[2] if len(row) > 2 else NO_BOX for row in rows]
    frame: list[int] = []
    for number, row in enumerate(rows):
        frame.append(number if len(row) == 2 else frame[-1])
    names = [row[0].split("/") for row in rows]
    return Gallery(
        [plain(level) for level in (levels or [0] * len(rows))],
        np.array([name[-1] for name in names]),
        np.array([row[1] for row in rows], float),
        np.array([name[0] for name in names]),
        np.array(frame),
        np.array(boxes, float),
    )


def seen(clip: str, time_s: float, pass_id: str, label: str, box: Box) -> TrackedRegion:
    return TrackedRegion(clip, time_s, pass_id, label, Region(*box), 1.0)


def one_hot(levels: list[int]) -> np.ndarray:
    """Level 10 n of a plain picture -> axis n."""
    return np.eye(26, dtype=np.float32)[np.array(levels) // 10]


def exact(pictures: list[np.ndarray]) -> np.ndarray:
    return one_hot([int(picture[0, 0, 0]) for picture in pictures])


def blind(pictures: list[np.ndarray]) -> np.ndarray:
    """Takes all pictures for the same."""
    return one_hot([0] * len(pictures))


def panel(own=exact, baseline=blind) -> list[Contender]:
    """The encoder in question, and one baseline, which is a histogram by name."""
    return [Contender("this encoder", own, "own"), Contender(HISTOGRAM, baseline)]
