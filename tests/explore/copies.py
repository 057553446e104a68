"""Copies as they go around: a part of a recording, at half its size, badly encoded."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

TICKS = Fraction(1, 90_000)  # of a second


def write_copy(source: Path, copy: Path, start_s: float, length_s: float) -> Path:
    """Half the size, H.264 at CRF 35, from `start_s` on."""
    with av.open(str(source)) as whole, av.open(str(copy), "w") as out:
        size = whole.streams.video[0].codec_context
        stream = out.add_stream("libx264", rate=whole.streams.video[0].average_rate, options={"crf": "35"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size.width // 4 * 2, size.height // 4 * 2
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", TICKS
        for frame, time_s in _between(whole, start_s, start_s + length_s):
            small = frame.reformat(width=stream.width, height=stream.height, format="yuv420p")
            small.pts, small.time_base, small.pict_type = round((time_s - start_s) / TICKS), TICKS, PictureType.NONE
            out.mux(stream.encode(small))
        out.mux(stream.encode())
    return copy


def _between(container: InputContainer, start_s: float, end_s: float) -> Iterator[tuple[VideoFrame, float]]:
    first_s = None
    for frame in container.decode(container.streams.video[0]):
        assert frame.time is not None
        first_s = frame.time if first_s is None else first_s
        if frame.time - first_s >= end_s:
            return
        if frame.time - first_s >= start_s:
            yield frame, frame.time - first_s
