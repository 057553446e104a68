"""Copies as they go around: a part of a recording, at half its size, badly encoded, and altered; and what to copy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageDraw

TICKS = Fraction(1, 90_000)  # of a second
BAR, BANNER = 0.15, 0.13  # of the height or the width of the picture
RENDERED_PX, RENDERED_FPS = (192, 144), 10

Alter = Callable[[np.ndarray], np.ndarray]  # uint8 (H, W, 3) -> uint8 (H', W', 3)


def write_copy(
    source: Path, copy: Path, start_s: float, length_s: float, alter: Alter = lambda rgb: rgb, speed: float = 1.0
) -> Path:
    """Half the size, H.264 at CRF 35, from `start_s` on. length_s: of the recording; speed: at which it is played."""
    with av.open(str(source)) as whole:
        pictures = (
            (alter(_half(frame)), (time_s - start_s) / speed)
            for frame, time_s in _between(whole, start_s, start_s + length_s)
        )
        return _encode(copy, pictures, whole.streams.video[0].average_rate or Fraction(25), crf=35)


def write_wandering(path: Path, seed: int, length_s: float) -> Path:
    """Two squares that wander over a background; both depend on the seed, and no way is gone twice."""
    rng = np.random.default_rng(seed)
    width, height = RENDERED_PX
    corners = rng.integers(40, 216, (2, 2, 3)).astype(np.uint8)
    background = np.asarray(Image.fromarray(corners).resize(RENDERED_PX, Image.Resampling.BILINEAR))
    frames = round(length_s * RENDERED_FPS)
    turns = rng.uniform(-0.5, 0.5, (frames // (2 * RENDERED_FPS) + 2, 4)).cumsum(0) % 2
    ways = np.stack([np.interp(np.arange(frames) / (2 * RENDERED_FPS), np.arange(len(turns)), way) for way in turns.T])
    ways = 1 - np.abs(1 - ways)  # 0 to 1, reflected at the edges

    def pictures() -> Iterator[tuple[np.ndarray, float]]:
        for number, (x, y, x2, y2) in enumerate(ways.T):
            rgb = background.copy()
            for across, down, colour in ((x, y, (250, 250, 40)), (x2, y2, (10, 10, 10))):
                left, top = round(across * (width - 48)), round(down * (height - 48))
                rgb[top : top + 48, left : left + 48] = colour
            yield rgb, number / RENDERED_FPS

    return _encode(path, pictures(), Fraction(RENDERED_FPS), crf=20)


def mirrored(rgb: np.ndarray) -> np.ndarray:
    return rgb[:, ::-1]


def letterboxed(rgb: np.ndarray) -> np.ndarray:
    return np.pad(rgb, ((_share(rgb.shape[0], BAR),) * 2, (0, 0), (0, 0)))


def pillarboxed(rgb: np.ndarray) -> np.ndarray:
    return np.pad(rgb, ((0, 0), (_share(rgb.shape[1], BAR),) * 2, (0, 0)))


def with_banner(rgb: np.ndarray) -> np.ndarray:
    return _with_caption(rgb, rgb.shape[0] - _share(rgb.shape[0], BANNER))


def with_banner_above(rgb: np.ndarray) -> np.ndarray:
    return _with_caption(rgb, 0)


def _with_caption(rgb: np.ndarray, top: int) -> np.ndarray:
    picture = Image.fromarray(np.ascontiguousarray(rgb))
    draw, rows = ImageDraw.Draw(picture), _share(rgb.shape[0], BANNER)
    draw.rectangle((0, top, rgb.shape[1] - 1, top + rows - 1), fill="white")
    draw.text((rgb.shape[1] * 0.1, top + rows * 0.2), "SEEN TODAY", fill="black", font_size=rows * 0.6)
    return np.asarray(picture)


def _share(side: int, share: float) -> int:
    return round(side * share / 2) * 2


def _half(frame: VideoFrame) -> np.ndarray:
    return frame.reformat(frame.width // 4 * 2, frame.height // 4 * 2, "rgb24").to_ndarray()


def _encode(path: Path, pictures: Iterable[tuple[np.ndarray, float]], rate: Fraction, crf: int) -> Path:
    """pictures: all of one size, even; each with its time in seconds."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=rate, options={"crf": str(crf)})
        assert isinstance(stream, VideoStream)
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", TICKS
        for number, (rgb, time_s) in enumerate(pictures):
            if number == 0:
                stream.height, stream.width = rgb.shape[:2]
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base, frame.pict_type = round(time_s / TICKS), TICKS, PictureType.NONE
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def _between(container: InputContainer, start_s: float, end_s: float) -> Iterator[tuple[VideoFrame, float]]:
    first_s = None
    for frame in container.decode(container.streams.video[0]):
        assert frame.time is not None
        first_s = frame.time if first_s is None else first_s
        if frame.time - first_s >= end_s:
            return
        if frame.time - first_s >= start_s:
            yield frame, frame.time - first_s
