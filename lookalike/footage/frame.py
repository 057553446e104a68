"""One picture of the footage, and where it comes from."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from lookalike.footage.faults import Fault
from lookalike.region import Region

_NAMESPACE = uuid.UUID("6f0d4c1e-7b1a-5c52-9a53-1f0f3b1c9a77")  # an arbitrary constant, so that ids are unique


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture.

    image: uint8 (H, W, 3), upright RGB; of its decoded size, or reduced for an encoder.
    source: path as the user gave it, or below it; a URL without user, password and query.
    source_id: SHA-256 of the source's bytes, so that a renamed file stays the same footage.
    time_s: seconds since the source's first frame, from its timestamps; pts_us: the same, in microseconds, exact.
    captured_at: wall-clock time (UTC), if known.
    size_px: width and height of the recorded picture. luma: mean brightness, 0 to 255.
    scene: number of the scene within its source, if scenes are detected.
    fault: why the picture shows nothing, if it does not.
    region: the region of the picture that `image` shows; None for the whole.
    end_us: end of the segment that it stands for, if any; stands_for: how many frames that is.
    """

    image: np.ndarray
    source: str
    source_id: str
    camera: str
    time_s: float
    pts_us: int
    captured_at: datetime | None = None
    size_px: tuple[int, int] = (0, 0)
    luma: float = 0.0
    scene: int | None = None
    fault: Fault | None = None
    region: Region | None = None
    end_us: int | None = None
    stands_for: int = 1

    @property
    def id(self) -> str:
        """The id, which depends only on the source's content, the time and the region."""
        part = f"|{self.region}" if self.region else ""
        return str(uuid.uuid5(_NAMESPACE, f"{self.source_id}|{self.pts_us}{part}"))
