"""What an index holds, by recording; made from the frames, so that sources which are not complete count, too."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lookalike.footage.url import is_stream
from lookalike.index import Filters, StoredFrame
from serving.inference.pipeline import Pipeline
from serving.recordings.single_flight import SingleFlight

KEPT_S = 60.0
SHARE = 20  # it is made anew at most for one part in so many of the time


@dataclass
class Recorded:
    """One recording. began_at: its first moment, RFC 3339 UTC, or None. length_s: until the end of its last frame.

    frames: whole ones that are stored. served: whether its pictures are shown: not if it was named from
    elsewhere, or is a stream.
    """

    source_id: str
    source: str
    name: str
    camera: str
    began_at: str | None
    length_s: float
    frames: int
    kind: Literal["video", "picture"]
    served: bool
    width: int
    height: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Holdings:
    """made_s, took_s: when, by the monotonic clock, and for how long it was made."""

    recordings: Mapping[str, Recorded]
    made_s: float
    took_s: float

    @property
    def frames(self) -> int:
        return sum(one.frames for one in self.recordings.values())

    def is_stale(self) -> bool:
        return time.monotonic() - self.made_s > max(KEPT_S, SHARE * self.took_s)


class Library:
    """Answers with what was known a minute ago while it looks anew."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._known: Holdings | None = None
        self._look = SingleFlight[Holdings]()

    async def holdings(self) -> Holdings:
        """Raises: ApiError 409 without an index, 503 if it does not answer."""
        if self._known is None:
            return await self._look("", self._fresh)
        if self._known.is_stale():
            self._look.start("", self._fresh)
        return self._known

    async def recording(self, source_id: str) -> Recorded | None:
        """None if no frame is of it, or no more since a while. Raises: as `holdings`."""
        if self._known is None or self._known.is_stale():
            self._look.start("", self._fresh)
        elif known := self._known.recordings.get(source_id):
            return known
        filters = Filters(source_ids=(source_id,), whole=True)
        found = await self._pipeline.ask(lambda engine: recordings(engine.scroll(filters)))
        return found.get(source_id)

    async def recording_of(self, source: str) -> Recorded | None:
        """The recording that is stored under this path; None if no frame is. Raises: as `holdings`."""
        filters = Filters(sources=(source,), whole=True)
        found = await self._pipeline.ask(lambda engine: recordings(engine.scroll(filters)))
        return next(iter(found.values()), None)

    async def _fresh(self) -> Holdings:
        started = time.monotonic()
        filters = Filters(whole=True)
        found = await self._pipeline.ask(lambda engine: recordings(engine.scroll(filters)))
        ended = time.monotonic()
        self._known = Holdings(found, ended, ended - started)
        return self._known


def recordings(frames: Iterable[StoredFrame]) -> dict[str, Recorded]:
    """By source_id. frames: whole ones."""
    found: dict[str, Recorded] = {}
    for frame in frames:
        known = found.get(frame.source_id)
        if known is None:
            found[frame.source_id] = _begun(frame)
            continue
        known.frames += 1
        known.length_s = max(known.length_s, frame.end_s)
        if not known.served and _is_served(frame):
            known.source, known.name, known.served = frame.source, Path(frame.source).name, True
    return found


def _begun(frame: StoredFrame) -> Recorded:
    return Recorded(
        source_id=frame.source_id,
        source=frame.source,
        name=Path(frame.source).name,
        camera=frame.camera,
        began_at=frame.began_at,
        length_s=frame.end_s,
        frames=1,
        kind=frame.kind,
        served=_is_served(frame),
        width=frame.width,
        height=frame.height,
    )


def _is_served(frame: StoredFrame) -> bool:
    return not frame.remote and not is_stream(frame.source)
