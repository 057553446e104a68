"""What frames can be filtered by, what a search answers, and what a ledger says of a source."""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np

from lookalike.index.clock import TimeOfDay, UtcRange, in_utc
from lookalike.index.record import HitFrame

By = Literal["moment", "clip"]
DIFFERENCE = "difference"  # what a picture shows beyond its camera's usual view: `asked` of what that found


@dataclass(frozen=True)
class Where:
    """Conditions that a stored frame must meet; applied inside the engine.

    cameras, sources, source_ids: any of these; empty means all. since, until: inclusive. A datetime is compared with
    the wall-clock time of the recording, a number with the seconds since the start of its clip; a frame that stands for
    a run of frames meets them if any moment of the run does. time_of_day: of that wall-clock time, where a run begins.
    whole: no regions of frames.
    """

    cameras: tuple[str, ...] = ()
    since: datetime | float | None = None
    until: datetime | float | None = None
    sources: tuple[str, ...] = ()
    time_of_day: TimeOfDay | None = None
    whole: bool = False
    source_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """A name is the same in either form of Unicode: a camera's is stored in NFC, a file's as it was found."""
        object.__setattr__(self, "cameras", _every_form(self.cameras))
        object.__setattr__(self, "sources", _every_form(self.sources))

    def bounds(self) -> Iterator[tuple[str, datetime | float | None, str, str]]:
        """How to compare, with what, and which field: of a date, or of seconds."""
        yield "gte", self.since, "ended_at", "end_s"
        yield "lte", self.until, "captured_at", "time_s"

    def utc_ranges(self) -> list[UtcRange]:
        """What `time_of_day` is in UTC, between `since` and `until`; a frame must be in one of them."""
        if self.time_of_day is None:
            return []
        since, until = (in_utc(bound) if isinstance(bound, datetime) else None for bound in (self.since, self.until))
        return self.time_of_day.utc_ranges(since, until)


@dataclass(frozen=True)
class Choice:
    """Which of the frames found are answered, and as what.

    by: neighbouring frames, or all of one clip, are one hit. min_score: hits of at least this cosine similarity.
    min_percentile: hits of at least this percentile of their camera's own frames. diverse: from 0, the nearest, to 1:
    such as are unlike each other.
    Raises: ValueError for a value that is out of range.
    """

    by: By = "moment"
    min_score: float | None = None
    min_percentile: float | None = None
    diverse: float = 0.0

    def __post_init__(self) -> None:
        if self.min_score is not None and not -1 <= self.min_score <= 1:
            raise ValueError(f"min_score is {self.min_score}, expected a cosine similarity from -1 to 1")
        if self.min_percentile is not None and not 0 <= self.min_percentile < 100:
            raise ValueError(f"min_percentile is {self.min_percentile}, expected from 0 to below 100, such as 99.5")
        if not 0 <= self.diverse <= 1:
            raise ValueError(f"diverse is {self.diverse}, expected from 0 to 1")


@dataclass(frozen=True)
class Finished:
    """A source whose frames are all stored. sampler: which frames those are. reason: what it was cut short by, if so.

    source_id: SHA-256 of its bytes. source: a path that it had. frames: how many were read. stored: how many frames
    stand for them. camera: as it was named; None if an earlier version did not note it. began_at: wall-clock time of
    its container's start, RFC 3339 UTC, where it is known. clock_restarts: how often its clock began anew or was set
    back; the times of its frames go on there.
    """

    source_id: str
    sampler: str
    source: str
    frames: int
    stored: int
    reason: str | None = None
    camera: str | None = None
    began_at: str | None = None
    clock_restarts: int = 0


@dataclass(frozen=True)
class Scored:
    """A stored frame, and its similarity to the query, from -1 to 1.

    asked: the region of the query that found it, or DIFFERENCE; None for the whole.
    """

    frame: HitFrame
    score: float
    asked: str | None = None


@dataclass(frozen=True)
class Hit:
    """One moment: the best frame of a run of neighbouring frames, and the span of that run in seconds.

    frames: how many were found of that run, and those that they stand for. moments: 1, or how many a whole clip has.
    percentile: the share, 0 to 100, of the other frames of its camera that are less similar to the query.
    region: the part of the picture that was found, x,y,w,h in shares; None for the whole. asked: the same of the query:
    the part of it that found this, or DIFFERENCE. source_id: SHA-256 of the source's bytes.
    """

    id: str
    score: float
    source: str
    source_id: str
    camera: str
    time_s: float
    span_s: tuple[float, float]
    captured_at: str | None
    frames: int = 1
    moments: int = 1
    percentile: float = 0.0
    region: str | None = None
    asked: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"span_s": list(self.span_s)}


def _every_form(names: tuple[str, ...]) -> tuple[str, ...]:
    forms = ((name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))) for name in names)
    return tuple(dict.fromkeys(itertools.chain.from_iterable(forms)))


def first_not_unit(vectors: np.ndarray) -> int | None:
    """The row of float32 (N, D) that is not finite or not of length 1, the worst; None if all are good."""
    lengths = np.linalg.norm(vectors, axis=1)
    if np.allclose(lengths, 1, atol=1e-3):  # false for NaN, too
        return None
    return int(np.argmax(np.nan_to_num(np.abs(lengths - 1), nan=np.inf)))


def parse_before(text: str) -> datetime:
    """Read `--before`: the last moment, to the microsecond as stored, before an ISO 8601 date and time.

    Raises: ValueError if it is none.
    """
    moment = parse_moment(text)
    if isinstance(moment, datetime):
        return moment - timedelta(microseconds=1)
    raise ValueError(f"{text!r} is no date; expected one such as 2026-01-05T08:00:00Z")


def parse_moment(text: str) -> datetime | float:
    """Read `--since` and `--until`: seconds into the clip (`12.5`), or an ISO 8601 date and time.

    Raises: ValueError if it is neither.
    """
    try:
        seconds = float(text)
    except ValueError:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(
                f"{text!r} is no time; expected seconds such as 12.5 or a date such as 2026-01-05T08:00:00Z"
            ) from None
    if not math.isfinite(seconds):
        raise ValueError(f"{text!r} is no time; expected a finite number of seconds")
    return seconds
