"""What is in an index, and whether it agrees with its ledger and with the recordings that it was made of."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from lookalike.footage.archive import inside, members
from lookalike.footage.sources import split_track
from lookalike.index.frames import FrameIndex
from lookalike.index.schema import SourceRecord


@dataclass
class CameraStats:
    """frames, regions, sources: how many. first, last: of its frames, RFC 3339 UTC, where any is dated."""

    camera: str
    frames: int = 0
    regions: int = 0
    sources: int = 0
    first: str | None = None
    last: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Verdict:
    """frames, sources: what is stored. gone: sources that are no longer there, as they were named.

    short: sources of which fewer frames are stored than the ledger says: (source, stored, said).
    """

    frames: int = 0
    sources: int = 0
    gone: list[str] = field(default_factory=list)
    short: list[tuple[str, int, int]] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.gone and not self.short

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"good": self.good}


def stats(index: FrameIndex) -> list[CameraStats]:
    """One entry for each camera, by name."""
    found: dict[str, CameraStats] = {}
    seen: set[tuple[str, str]] = set()
    for frame in index.frames():
        one = found.setdefault(frame.camera, CameraStats(frame.camera))
        one.frames += frame.region is None
        one.regions += frame.region is not None
        if (key := (frame.camera, frame.source_id)) not in seen:
            seen.add(key)
            one.sources += 1
        if at := frame.captured_at:
            # As text, a fraction of a second would come before the second itself.
            one.first = min(one.first or at, at, key=datetime.fromisoformat)
            one.last = max(one.last or at, at, key=datetime.fromisoformat)
    return [found[camera] for camera in sorted(found)]


def verify(index: FrameIndex) -> Verdict:
    """Does each stored frame still have its source, and are there as many of each as the ledger says?

    Streams have no source to go back to. A file's bytes are not read again.
    """
    stored: Counter[str] = Counter()
    sources: dict[str, str] = {}  # source_id -> its name
    for frame in index.frames():
        stored[frame.source_id] += 1
        sources.setdefault(frame.source_id, frame.source)
    said: dict[str, SourceRecord] = {}
    for one in index.source_records():  # of several samplers, the one with most frames
        if one.source_id not in said or one.stored > said[one.source_id].stored:
            said[one.source_id] = one
    short = [(one.source, stored[key], one.stored) for key, one in said.items() if stored[key] < one.stored]
    gone = sorted(source for source in sources.values() if not is_there(source))
    return Verdict(stored.total(), len(stored), gone, sorted(short))


def is_there(source: str) -> bool:
    """Whether a source can still be read under its name; a stream is taken to be there."""
    if "://" in source or Path(split_track(source)[0]).exists():
        return True
    found = inside(source)
    return found is not None and found[1] in members(found[0])
