"""A decoded frame of a video -> its picture: upright RGB, whole or made small."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from lookalike import pixels
from lookalike.footage.faults import thinned

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue. Source: ITU-R BT.601


class Converter:
    """Converts the frames of one video: to set this up takes as long as to convert a small frame."""

    def __init__(self, fit_px: int | None = None) -> None:
        """fit_px: None for whole pictures; else they are made as small as `pixels.fit` makes them."""
        self._fit_px = fit_px
        self._average, self._convert = VideoReformatter(), VideoReformatter()

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """The picture with the display rotation applied: PyAV reports it, counter-clockwise, but does not apply it.

        Returns: uint8 (H, W, 3) or (fit_px, fit_px, 3).
        """
        upright = _upright(self._convert.reformat(self._averaged(frame), format="rgb24").to_ndarray(), frame)
        return pixels.fit(upright, self._fit_px) if self._fit_px else upright

    def _averaged(self, frame: VideoFrame) -> VideoFrame:
        """Averaged down as far as `pixels.fit` would go, before it is converted: a third of the work for 720p.

        Embeddings move by less than they do if the picture is saved as a JPEG of quality 95.
        """
        size = self._reduced(frame.width), self._reduced(frame.height)
        if size == (frame.width, frame.height) or not frame.format.name.startswith("yuv"):
            return frame
        return self._average.reformat(frame, *size, frame.format.name, interpolation=Interpolation.AREA)

    def _reduced(self, side_px: int) -> int:
        """By a whole number, as Pillow's `reducing_gap` does."""
        factor = side_px // (pixels.GAP * self._fit_px) if self._fit_px else 1
        return -(-side_px // max(factor, 1))


def within(frame: VideoFrame, longest_px: int) -> np.ndarray:
    """The upright picture, averaged down so that no side is longer. Returns: uint8 (H, W, 3)."""
    share = min(longest_px / max(frame.width, frame.height), 1.0)
    width, height = (max(round(side * share), 1) for side in (frame.width, frame.height))
    return _upright(frame.reformat(width, height, "rgb24", interpolation=Interpolation.AREA).to_ndarray(), frame)


def size_px(frame: VideoFrame) -> tuple[int, int]:
    """Width and height of the upright picture."""
    return (frame.height, frame.width) if round(frame.rotation / 90) % 2 else (frame.width, frame.height)


def luma(rgb: np.ndarray) -> float:
    """Mean brightness of a picture, uint8 (H, W, 3): 0 to 255."""
    return round(float(thinned(rgb).reshape(-1, 3).mean(0) @ LUMA), 2)


def _upright(rgb: np.ndarray, frame: VideoFrame) -> np.ndarray:
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(rgb, quarter_turns)) if quarter_turns else rgb
