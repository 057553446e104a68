"""The recordings of an index. They are collected from its frames, so that incomplete sources are listed as well."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lookalike.footage.url import is_stream
from lookalike.index import Filters, StoredFrame
from serving.http.schema_types import DateTime
from serving.inference.pipeline import Pipeline
from serving.recordings.single_flight import SingleFlight

VALID_S = 60.0
SHARE = 20  # collecting takes at most one part in so many of the time


@dataclass
class Recording:
    """One recording."""

    source_id: str
    """SHA-256 of its bytes."""
    source: str
    """Its path, as it was indexed."""
    name: str
    """The last part of its path."""
    camera: str
    began_at: DateTime | None
    """The time of its first frame, UTC."""
    length_s: float
    """Until the end of its last stored frame."""
    frames: int
    """How many are stored, regions not counted."""
    kind: Literal["video", "picture"]
    served: bool
    """False if it was indexed elsewhere, or is a stream: it is not opened."""
    width: int
    """Pixels."""
    height: int


@dataclass(frozen=True)
class Holdings:
    """recordings: by source_id. made_s, took_s: when they were collected, by the monotonic clock, and for how long."""

    recordings: Mapping[str, Recording]
    made_s: float
    took_s: float

    @property
    def frames(self) -> int:
        return sum(recording.frames for recording in self.recordings.values())

    def is_stale(self) -> bool:
        return time.monotonic() - self.made_s > max(VALID_S, SHARE * self.took_s)


class Library:
    """Returns what was known a minute ago while it collects the recordings again."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._known: Holdings | None = None
        self._collect = SingleFlight[Holdings]()

    async def holdings(self) -> Holdings:
        """All recordings. Raises: ApiError 409 without an index, 503 if it does not answer."""
        if self._known is None:
            return await self._collect("", self._fresh)
        if self._known.is_stale():
            self._collect.start("", self._fresh)
        return self._known

    async def recording(self, source_id: str) -> Recording | None:
        """None if no frame of it is stored. Raises: as `holdings`."""
        if self._known is None or self._known.is_stale():
            self._collect.start("", self._fresh)
        elif known := self._known.recordings.get(source_id):
            return known
        filters = Filters(source_ids=(source_id,), whole=True)
        recordings = await self._pipeline.ask(lambda index: group_frames(index.frames(filters)))
        return recordings.get(source_id)

    async def recording_of(self, source: str) -> Recording | None:
        """The recording that is stored under this path; None if no frame of it is stored. Raises: as `holdings`."""
        filters = Filters(sources=(source,), whole=True)
        recordings = await self._pipeline.ask(lambda index: group_frames(index.frames(filters)))
        return next(iter(recordings.values()), None)

    async def _fresh(self) -> Holdings:
        started = time.monotonic()
        filters = Filters(whole=True)
        recordings = await self._pipeline.ask(lambda index: group_frames(index.frames(filters)), heavy=True)
        ended = time.monotonic()
        self._known = Holdings(recordings, ended, ended - started)
        return self._known


def group_frames(frames: Iterable[StoredFrame]) -> dict[str, Recording]:
    """The recordings of some frames, by source_id. frames: without regions."""
    recordings: dict[str, Recording] = {}
    for frame in frames:
        recording = recordings.get(frame.source_id)
        if recording is None:
            recordings[frame.source_id] = _recording_of(frame)
            continue
        recording.frames += 1
        recording.length_s = max(recording.length_s, frame.end_s)
        if not recording.served and _is_served(frame):
            recording.source, recording.name, recording.served = frame.source, Path(frame.source).name, True
    return recordings


def _recording_of(frame: StoredFrame) -> Recording:
    return Recording(
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
