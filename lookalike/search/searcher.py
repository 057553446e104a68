"""Run a search in the process that has the encoder and the files: examples -> hits.

A service turns examples into vectors in its own way, in batches, and never opens a path that a client names.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lookalike import pixels
from lookalike.encoder import Encoder
from lookalike.errors import FootageError
from lookalike.files.regular import check_regular
from lookalike.footage import duration_s, frame_at
from lookalike.footage.archive import inside, read_bytes, size_bytes
from lookalike.footage.kinds import kind_by_content, kind_by_name, kind_by_suffix
from lookalike.footage.sources import split_track
from lookalike.footage.url import shown_url
from lookalike.index import Filters, FrameIndex, Hit
from lookalike.index.ask import EmbeddedRequest, FrameMoment, QueryExample
from lookalike.search.example import Example
from lookalike.search.request import SearchRequest

BEYOND_S = 1.0  # headers are not exact


class Searcher:
    """Embeds the examples of a request, and searches an index."""

    def __init__(self, encoder: Encoder, index: FrameIndex) -> None:
        self._encoder, self._index = encoder, index

    def search(self, request: SearchRequest) -> list[Hit]:
        """Find the hits of a request.

        Returns: hits, best first, or in the order of choice if the request is diverse.
        Raises: FootageError if a picture or a moment does not exist; IndexStoreError for an unknown id; QueryError if
        the examples cancel out, or for weights of parts that the encoder does not have.
        """
        request.options.check_parts(self._encoder.spec)
        like = [self.embedded(example) for example in request.like]
        unlike = [self.embedded(example).vector for example in request.unlike]
        return self._index.ask(EmbeddedRequest(like, unlike, request.filters, request.options))

    def embedded(self, example: Example) -> QueryExample:
        """Embed an example, or its region. Raises: as `search`."""
        text, region, side = example.text, example.region, self._encoder.spec.input_px
        if example.frame_id and region is None:
            return self._index.example(text)
        check_regular(split_track(text)[0])
        if _is_video(text) and Path(split_track(text)[0]).is_file():
            raise FootageError(f"{text}: a video; name a moment of it, as {text}@12.5, or `lookalike locate` it")
        if region is None and _is_there(text):
            return QueryExample(self._encoder.embed(pixels.decode_to_fit(read_bytes(text), side, text)[None])[0])
        picture = self._picture(example, None if region else side)
        small = pixels.fit(region.crop(picture) if region else picture, side)
        moment = None if region else _moment(example)
        return QueryExample(self._encoder.embed(small[None])[0], region is not None, moment)

    def _picture(self, example: Example, fit_px: int | None) -> np.ndarray:
        """Read the picture of an example. fit_px: as for `frame_at`."""
        if example.frame_id:
            return frame_at(*self._index.place(example.frame_id), fit_px)
        if example.moment and not _is_there(example.text):
            source, time_s = example.moment
            try:
                _check_within(source, time_s)
                return frame_at(source, time_s, fit_px)
            except ValueError:
                pass  # an @ in the name of a picture that does not exist
        if not _is_there(example.text):
            expected = "expected a picture, a frame's id, or a moment as gate.mp4@12.5"
            raise FootageError(f"{shown_url(example.text)}: no such file, {expected}")
        return pixels.decode(read_bytes(example.text), example.text)


def _moment(example: Example) -> FrameMoment | None:
    """Return the moment that `gate.mp4@12.5` names, with the names that its recording may be stored under."""
    if example.moment is None or _is_there(example.text):
        return None
    source, time_s = example.moment
    return FrameMoment(Filters(sources=(source, str(Path(source).absolute()))), time_s)


def _is_there(path: str) -> bool:
    """Whether a path is a file, or a member of a zip."""
    try:
        return Path(path).is_file() or (inside(path) is not None and size_bytes(path) >= 0)
    except FootageError:
        return False


def _is_video(source: str) -> bool:
    """Whether a source is a video, by its name or its content; by its name if it does not exist."""
    path = split_track(source)[0]
    try:
        return "video" in (kind_by_name(path), kind_by_content(path))
    except (FootageError, OSError):
        return kind_by_suffix(path) == "video"


def _check_within(source: str, time_s: float) -> None:
    """Refuse a time before the start or past the end of a recording, where its first or last frame is shown."""
    length_s = duration_s(source) if _is_video(source) else None
    if time_s < 0 or (length_s is not None and time_s > length_s + BEYOND_S):
        until = "" if length_s is None else f" to {length_s:.1f} s"
        raise FootageError(f"{source}: nothing at {time_s:g} s, expected a moment from 0 s{until}")
