"""Report what is in an index, and whether it agrees with its ledger and with the recordings."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from lookalike.errors import FootageError
from lookalike.footage.archive import inside, members
from lookalike.footage.sources import split_track
from lookalike.index.frames import FrameIndex
from lookalike.index.schema import SourceRecord


@dataclass
class CameraStats:
    """Counts of one camera. first, last: dates of its frames, RFC 3339 UTC; None if no frame is dated."""

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
    """frames, sources: how many are stored. gone: names of sources that no longer exist.

    short: sources with fewer stored frames than the ledger says: (source, stored, expected).
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
    """Count the frames of each camera, sorted by name."""
    cameras: dict[str, CameraStats] = {}
    seen: set[tuple[str, str]] = set()
    for frame in index.frames():
        camera = cameras.setdefault(frame.camera, CameraStats(frame.camera))
        camera.frames += frame.region is None
        camera.regions += frame.region is not None
        if (key := (frame.camera, frame.source_id)) not in seen:
            seen.add(key)
            camera.sources += 1
        if at := frame.captured_at:
            # As text, a fraction of a second would come before the second itself.
            camera.first = min(camera.first or at, at, key=datetime.fromisoformat)
            camera.last = max(camera.last or at, at, key=datetime.fromisoformat)
    return [cameras[name] for name in sorted(cameras)]


def verify(index: FrameIndex) -> Verdict:
    """Check that the source of each stored frame exists, and that each has as many frames as the ledger says.

    Streams are not checked. Files are not read again.
    """
    stored: Counter[str] = Counter()
    sources: dict[str, str] = {}  # source_id -> its name
    for frame in index.frames():
        stored[frame.source_id] += 1
        sources.setdefault(frame.source_id, frame.source)
    expected: dict[str, SourceRecord] = {}
    for record in index.source_records():  # of several samplers, the one with most frames
        if record.source_id not in expected or record.stored > expected[record.source_id].stored:
            expected[record.source_id] = record
    short = [
        (record.source, stored[source_id], record.stored)
        for source_id, record in expected.items()
        if stored[source_id] < record.stored
    ]
    gone = sorted(source for source in sources.values() if not is_there(source))
    return Verdict(stored.total(), len(stored), gone, sorted(short))


def is_there(source: str) -> bool:
    """Whether a source still exists under its name; a stream counts as existing.

    One that cannot be looked at does not: a name that is too long, a folder that may not be read, a broken zip.
    """
    try:
        if "://" in source or Path(split_track(source)[0]).exists():
            return True
        member = inside(source)
        return member is not None and member[1] in members(member[0])
    except (OSError, FootageError):
        return False
