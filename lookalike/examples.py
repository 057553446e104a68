"""What a person points at -> what to search by: a picture, a stored frame, a moment, or a part of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lookalike import pixels
from lookalike.encoder import Encoder
from lookalike.errors import FootageError
from lookalike.footage import duration_s, frame_at
from lookalike.footage.archive import inside, read_bytes, size_bytes
from lookalike.footage.kinds import kind_by_content, kind_by_name, kind_by_suffix
from lookalike.footage.sources import split_track
from lookalike.footage.url import shown_url
from lookalike.index import Filters, FrameIndex, is_frame_id
from lookalike.index.ask import FrameMoment, QueryExample
from lookalike.region import Region
from lookalike.regular import check_regular

BEYOND_S = 1.0  # headers are not exact


def example_of(example: str, encoder: Encoder, index: FrameIndex, region: Region | None = None) -> QueryExample:
    """Embed what somebody points at, or the region of it.

    example: the id of a stored frame; a moment of a recording, as `gate.mp4@12.5`, seconds; or the path of a picture.
    Raises: FootageError if there is no such picture; IndexStoreError if no frame has the id.
    """
    if is_frame_id(example) and region is None:
        return index.example(example)
    side = encoder.spec.input_px
    check_regular(split_track(example)[0])
    if _is_video(example) and Path(split_track(example)[0]).is_file():
        raise FootageError(f"{example}: a video; name a moment of it as --at {example}@12.5, or `lookalike locate` it")
    if region is None and _is_there(example):
        return QueryExample(encoder.embed(pixels.decode_to_fit(read_bytes(example), side, example)[None])[0])
    picture = _picture(example, index, None if region else side)
    small = pixels.fit(region.crop(picture) if region else picture, side)
    return QueryExample(encoder.embed(small[None])[0], region is not None, None if region else _moment(example))


def _moment(example: str) -> FrameMoment | None:
    """Of which recording `gate.mp4@12.5` is a moment, by the names that it may be stored under."""
    source, at, seconds = example.rpartition("@")
    if not at or _is_there(example):
        return None
    return FrameMoment(Filters(sources=(source, str(Path(source).absolute()))), float(seconds))


def _picture(example: str, index: FrameIndex, fit_px: int | None) -> np.ndarray:
    """fit_px: as for `frame_at`."""
    if is_frame_id(example):
        return frame_at(*index.place(example), fit_px)
    source, at, seconds = example.rpartition("@")
    if at and not _is_there(example):
        try:
            _check_within(source, float(seconds))
            return frame_at(source, float(seconds), fit_px)
        except ValueError:
            pass  # an @ in the name of a picture that is not there
    if not _is_there(example):
        expected = "expected a picture, a frame's id, or a moment as gate.mp4@12.5"
        raise FootageError(f"{shown_url(example)}: no such file, {expected}")
    return pixels.decode(read_bytes(example), example)


def _is_there(path: str) -> bool:
    """Whether it is a file, or a member of a zip."""
    try:
        return Path(path).is_file() or (inside(path) is not None and size_bytes(path) >= 0)
    except FootageError:
        return False


def _is_video(source: str) -> bool:
    """By its name and its content, which may disagree; by its name if it is not there."""
    path = split_track(source)[0]
    try:
        return "video" in (kind_by_name(path), kind_by_content(path))
    except (FootageError, OSError):
        return kind_by_suffix(path) == "video"


def _check_within(source: str, time_s: float) -> None:
    """Past its end a recording would show its last frame, and before its start the first."""
    length_s = duration_s(source) if _is_video(source) else None
    if time_s < 0 or (length_s is not None and time_s > length_s + BEYOND_S):
        until = "" if length_s is None else f" to {length_s:.1f} s"
        raise FootageError(f"{source}: nothing at {time_s:g} s, expected a moment from 0 s{until}")
