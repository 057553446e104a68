"""Limit the frames and hours of a file: a few bytes can stand for days of footage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from av.video.frame import VideoFrame

from lookalike.errors import FootageError
from lookalike.footage.limits import Limits


class Stopped(FootageError):
    """A file was read up to a limit."""


def within(frames: Iterable[tuple[VideoFrame, int]], limits: Limits) -> Iterator[tuple[VideoFrame, int]]:
    """Yield the frames of a file, each with its microseconds since the first, up to its limits.

    Raises: Stopped after the last allowed frame, if there are more.
    """
    for number, (frame, since_us) in enumerate(frames):
        if number == limits.max_frames:
            raise Stopped(f"stopped after {limits.max_frames:,} frames, which --max-frames allows; these are kept")
        if since_us > limits.max_hours * 3_600_000_000:
            raise Stopped(f"stopped at {limits.max_hours:g} h, which --max-hours allows; the frames before are kept")
        yield frame, since_us
