"""Convert a decoded frame of a video to its picture: upright RGB, whole or reduced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from lookalike import pixels
from lookalike.footage.faults import thinned

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue. Source: ITU-R BT.601


@dataclass(frozen=True)
class Display:
    """How a stored picture is displayed: rows and columns are exchanged first, then it is flipped.

    mirrored: left and right are exchanged. Each of the eight combinations is a rotation, or if it `reflects`, a
    rotation and a mirror.
    """

    transposed: bool = False
    mirrored: bool = False
    upside_down: bool = False

    @property
    def reflects(self) -> bool:
        """Whether the picture is mirrored, so that no rotation is the same."""
        return self.transposed ^ self.mirrored ^ self.upside_down


AS_STORED = Display()


def display_of(frame: VideoFrame) -> Display:
    """Read the display matrix: a stored point (x, y) is shown at (a x + c y, b x + d y), to the nearest quarter turn.

    `frame.rotation` is not enough: it is an angle, and turns a mirror into a half turn. Source: ISO/IEC 14496-12,
    6.2.2; libavutil/display.h.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return AS_STORED
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).tolist()
    transposed = abs(b) + abs(c) > abs(a) + abs(d)
    across, down = (c, b) if transposed else (a, d)
    return Display(transposed, mirrored=across < 0, upside_down=down < 0)


class Converter:
    """Converts the frames of one video; the set-up takes as long as converting a small frame."""

    def __init__(self, fit_px: int | None = None) -> None:
        """fit_px: side to reduce pictures to, as `pixels.fit` does; None for whole pictures."""
        self._fit_px = fit_px
        self._average, self._convert = VideoReformatter(), VideoReformatter()

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """Convert a frame, and apply the display matrix, which PyAV does not do.

        Returns: uint8 (H, W, 3) or (fit_px, fit_px, 3).
        """
        upright = _upright(self._convert.reformat(self._averaged(frame), format="rgb24").to_ndarray(), frame)
        return pixels.fit(upright, self._fit_px) if self._fit_px else upright

    def _averaged(self, frame: VideoFrame) -> VideoFrame:
        """Average a frame down as far as `pixels.fit` would, before it is converted: a third of the work for 720p.

        Embeddings change less than by saving the picture as a JPEG of quality 95.
        """
        size = self._reduced(frame.width), self._reduced(frame.height)
        if size == (frame.width, frame.height) or not frame.format.name.startswith("yuv"):
            return frame
        return self._average.reformat(frame, *size, frame.format.name, interpolation=Interpolation.AREA)

    def _reduced(self, side_px: int) -> int:
        """Divide a side by an integer, as Pillow's `reducing_gap` does."""
        factor = side_px // (pixels.GAP * self._fit_px) if self._fit_px else 1
        return -(-side_px // max(factor, 1))


def within(frame: VideoFrame, longest_px: int) -> np.ndarray:
    """Return the upright picture, averaged down so that no side is longer than `longest_px`: uint8 (H, W, 3)."""
    share = min(longest_px / max(frame.width, frame.height), 1.0)
    width, height = (max(round(side * share), 1) for side in (frame.width, frame.height))
    return _upright(frame.reformat(width, height, "rgb24", interpolation=Interpolation.AREA).to_ndarray(), frame)


def size_px(frame: VideoFrame) -> tuple[int, int]:
    """Return the width and height of the upright picture."""
    return (frame.height, frame.width) if display_of(frame).transposed else (frame.width, frame.height)


def luma(rgb: np.ndarray) -> float:
    """Return the mean brightness of a picture, uint8 (H, W, 3): 0 to 255."""
    return round(float(thinned(rgb).reshape(-1, 3).mean(0) @ LUMA), 2)


def _upright(rgb: np.ndarray, frame: VideoFrame) -> np.ndarray:
    display = display_of(frame)
    if display == AS_STORED:
        return rgb
    turned = rgb.transpose(1, 0, 2) if display.transposed else rgb
    down, across = (-1 if flipped else 1 for flipped in (display.upside_down, display.mirrored))
    return np.ascontiguousarray(turned[::down, ::across])
