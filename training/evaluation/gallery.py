"""The gallery, which queries search: frames of footage, each with its regions in which something moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from lookalike.errors import FootageError
from lookalike.footage import Frame
from lookalike.footage.naming import clip_of

NO_BOX = (np.nan, np.nan, np.nan, np.nan)
MAX_SIDE_PX = 384  # pictures are kept at most this large: no encoder here looks closer


@dataclass(frozen=True, eq=False)
class Gallery:
    """N pictures. pictures: uint8 (H, W, 3) each. clip, time_s, camera: (N,), where and when each is from.

    frame: int64 (N,), the row of the frame that each is, or is a region of; rows of a frame come before its regions,
    and the largest region first. box: float (N, 4), x, y, w, h of a region in shares of its frame; nan for a frame.
    """

    pictures: list[np.ndarray]
    clip: np.ndarray
    time_s: np.ndarray
    camera: np.ndarray
    frame: np.ndarray
    box: np.ndarray

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def whole(self) -> np.ndarray:
        """Return bool (N,): which rows are frames; the others are regions."""
        return self.frame == np.arange(len(self.frame))


def whole_frames(pictures: list[np.ndarray], clip: np.ndarray, time_s: np.ndarray, camera: np.ndarray) -> Gallery:
    """Make a gallery without regions."""
    return Gallery(pictures, clip, time_s, camera, np.arange(len(pictures)), np.full((len(pictures), 4), np.nan))


def of_pictures(pictures: list[np.ndarray]) -> Gallery:
    """Make a gallery of pictures without place and time."""
    nowhere = np.full(len(pictures), "")
    return whole_frames(pictures, nowhere, np.zeros(len(pictures)), nowhere)


def gather(frames: Iterable[Frame], on_frame: Callable[[Frame], None] = lambda frame: None) -> Gallery:
    """Collect frames into a gallery, shrunk. frames: each followed by its regions, if it has any.

    on_frame: called with each frame that is not a region.
    Raises: FootageError if there are fewer than two frames.
    """
    pictures: list[np.ndarray] = []
    about: list[tuple[str, float, str]] = []
    frame_rows: list[int] = []
    boxes: list[tuple[float, float, float, float]] = []
    last = -1
    for one in frames:
        if one.region is None:
            last = len(pictures)
            on_frame(one)
        pictures.append(shrink(one.image))
        about.append((clip_of(one.source), one.time_s, one.camera))
        frame_rows.append(last)
        region = one.region
        boxes.append((region.x, region.y, region.w, region.h) if region else NO_BOX)
    count = len(set(frame_rows))
    if count < 2:
        raise FootageError(f"too little footage: got {count} readable frame(s), expected at least 2 to search")
    clips, times, cameras = zip(*about, strict=True)
    return Gallery(
        pictures, np.array(clips), np.array(times), np.array(cameras), np.array(frame_rows), np.array(boxes, float)
    )


def shrink(image: np.ndarray) -> np.ndarray:
    """Shrink uint8 (H, W, 3) to at most MAX_SIDE_PX on its longer side."""
    height, width = image.shape[:2]
    scale = MAX_SIDE_PX / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
