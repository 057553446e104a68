"""Clips whose every frame says which one it is: the top half is red, the bottom half a grey of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

SIZE_PX = (64, 48)
RED = (200, 40, 40)
DARKEST, STEP, LEVELS = 8, 4, 60
MILLISECONDS = Fraction(1, 1000)


def picture(number: int) -> np.ndarray:
    """uint8 (48, 64, 3); `number` is told apart from its neighbours up to LEVELS of them."""
    rgb = np.empty((SIZE_PX[1], SIZE_PX[0], 3), np.uint8)
    rgb[: SIZE_PX[1] // 2] = RED
    rgb[SIZE_PX[1] // 2 :] = DARKEST + STEP * (number % LEVELS)
    return rgb


def number_of(rgb: np.ndarray) -> int:
    """Which `picture` a decoded frame is. Encoding moves a flat grey by less than half a step."""
    return round((float(rgb[-16:].mean()) - DARKEST) / STEP)


def write_clip(
    path: Path,
    pts: Sequence[int],
    pictures: Iterable[np.ndarray] | None = None,
    time_base: Fraction = MILLISECONDS,
    rate: Fraction = Fraction(25),
    codec: str = "libx264",
    metadata: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    size_px: tuple[int, int] = SIZE_PX,
) -> Path:
    """Write frame i at exactly pts[i] * time_base."""
    pictures = [picture(number) for number in range(len(pts))] if pictures is None else pictures
    with av.open(str(path), "w", options=options or {}) as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=rate, options=codec_options or {})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size_px
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = time_base
        for moment, rgb in zip(pts, pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = moment, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turn(path: Path, matrix: Sequence[int]) -> Path:
    """Write a display matrix into an MP4 of one track: as a phone does that was held upright. matrix: a, b, c, d."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8  # version and flags; times, id, duration; reserved; layer to volume
    for place, value in zip((0, 4, 12, 16), matrix, strict=True):
        data[at + place : at + place + 4] = (value << 16).to_bytes(4, "big", signed=True)
    path.write_bytes(data)
    return path


def noise(count: int, seed: int = 0) -> list[np.ndarray]:
    """Pictures that do not compress, so that a file's size is that of its pictures."""
    rng = np.random.default_rng(seed)
    return list(rng.integers(0, 256, (count, SIZE_PX[1], SIZE_PX[0], 3), np.uint8))
