"""One picture of the footage and where it comes from."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

import numpy as np

_NAMESPACE = uuid.UUID("6f0d4c1e-7b1a-5c52-9a53-1f0f3b1c9a77")  # any fixed value: it keeps our ids apart from others'


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture.

    image: uint8 (H, W, 3), upright RGB.
    source: path as the user gave it, joined with what was found below; a URL without user, password and query.
    source_id: SHA-256 of the source's bytes, so that a renamed file stays the same footage.
    time_s: seconds since the source's first frame, from its timestamps; pts_us: the same, in microseconds, exact.
    captured_at: wall-clock time (UTC) where the source states when it was recorded.
    """

    image: np.ndarray
    source: str
    source_id: str
    camera: str
    time_s: float
    pts_us: int
    captured_at: datetime | None = None

    @property
    def id(self) -> str:
        """The same content at the same moment has the same id, under any path and in any run."""
        return str(uuid.uuid5(_NAMESPACE, f"{self.source_id}|{self.pts_us}"))
