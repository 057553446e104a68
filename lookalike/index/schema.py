"""The hits of a search, and the records of a ledger."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lookalike.index.record import HitFrame

DIFFERENCE = "difference"  # `asked` of a hit that was found by a picture's difference from its camera's usual view


@dataclass(frozen=True)
class SourceRecord:
    """A source whose sampled frames are all stored. sampler: how they were sampled. reason: why it ended early, if so.

    source_id: SHA-256 of its bytes. source: its path. frames: how many were read. stored: how many frames stand for
    them. camera: its name; None if an earlier version did not record it. began_at: wall-clock time of its container's
    start, RFC 3339 UTC, if known. clock_restarts: how often its clock restarted or was set back; the times of its
    frames continue there.
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
    """One moment: the best of some neighbouring frames, and their span in seconds.

    frames: how many frames matched, including those that they stand for. moments: 1, or the number in a recording.
    percentile: the share, 0 to 100, of the other frames of its camera that are less similar to the query.
    region: the region that matched, x,y,w,h in shares; None for the whole frame. asked: the region of the query that
    found it, or DIFFERENCE; None for the whole. source_id: SHA-256 of the source's bytes.
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

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Hit:
        """Read what `to_dict` wrote, as a service sends it."""
        begin_s, end_s = fields["span_s"]
        return cls(**(fields | {"span_s": (begin_s, end_s)}))  # pyright: ignore[reportArgumentType]


def first_not_unit(vectors: np.ndarray) -> int | None:
    """Return the worst row of float32 (N, D) that is not finite or not of length 1; None if all rows are good."""
    lengths = np.linalg.norm(vectors, axis=1)
    if np.allclose(lengths, 1, atol=1e-3):  # false for NaN, too
        return None
    return int(np.argmax(np.nan_to_num(np.abs(lengths - 1), nan=np.inf)))
