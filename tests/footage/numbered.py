"""Pictures whose number is written into them, so that a still tells which frame it is, also above 60 of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from lookalike.footage import Ended, Frame, find_sources, read_source
from lookalike.footage.sampling import ALL, Sampling

SIZE_PX = (160, 96)
BITS, BLACK, WHITE = 10, 20, 235
CLOCK = Fraction(1, 90_000)


def numbered(number: int) -> np.ndarray:
    """uint8 (96, 160, 3): ten blocks above, black for 0 and white for 1; a grey that changes below."""
    rgb = np.full((SIZE_PX[1], SIZE_PX[0], 3), 60 + number * 7 % 120, np.uint8)
    across = SIZE_PX[0] // BITS
    for bit in range(BITS):
        rgb[: SIZE_PX[1] // 4, bit * across : (bit + 1) * across] = WHITE if number >> (BITS - 1 - bit) & 1 else BLACK
    return rgb


def number_in(rgb: np.ndarray) -> int:
    """Which number a picture shows, of any size: also those of the shared cases."""
    height, width = rgb.shape[:2]
    across, rows = width / BITS, slice(height // 16, height * 3 // 16)
    cells = (rgb[rows, int((bit + 0.3) * across) : int((bit + 0.7) * across)].mean() > 128 for bit in range(BITS))
    return sum(bool(cell) << (BITS - 1 - bit) for bit, cell in enumerate(cells))


def write_numbered(
    path: Path,
    numbers: Iterable[int],
    pts: Sequence[int],
    codec: str = "libx264",
    rate: int = 10,
    time_base: Fraction = CLOCK,
    muxer: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write the pictures of these numbers at pts[i] * time_base. No key frame comes where a picture is a new scene."""
    options = {"sc_threshold": "1000000000" if codec.startswith("mpeg") else "0"} | (options or {})
    with av.open(str(path), "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        assert isinstance(stream, VideoStream)
        (stream.width, stream.height), stream.pix_fmt = SIZE_PX, "yuv420p"
        stream.codec_context.time_base = Fraction(1, rate)  # as encoders of constant rates state it
        for number, moment in zip(numbers, pts, strict=True):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts, frame.time_base = moment, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@dataclass(frozen=True)
class Read:
    """What was read of a source: which numbers, their seconds, and how it ended."""

    numbers: list[int]
    times_s: list[float]
    frames: list[Frame]
    ended: Ended


def read_numbered(path: Path | str, sampling: Sampling = ALL) -> Read:
    (source,) = find_sources([path])
    *items, ended = read_source(source, sampling)
    frames = [item for item in items if isinstance(item, Frame)]
    assert isinstance(ended, Ended)
    assert len(frames) == ended.frames
    return Read([number_in(one.image) for one in frames], [one.time_s for one in frames], frames, ended)
