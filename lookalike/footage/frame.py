"""One picture of the footage and where it comes from."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from lookalike.footage.faults import Fault
from lookalike.region import Region

_NAMESPACE = uuid.UUID("6f0d4c1e-7b1a-5c52-9a53-1f0f3b1c9a77")  # any fixed value: it keeps our ids apart from others'


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture.

    image: uint8 (H, W, 3), upright RGB; of what it was decoded to, or made small for an encoder.
    source: path as the user gave it, joined with what was found below; a URL without user, password and query.
    source_id: SHA-256 of the source's bytes, so that a renamed file stays the same footage.
    time_s: seconds since the source's first frame, from its timestamps; pts_us: the same, in microseconds, exact.
    captured_at: wall-clock time (UTC) where it is known when the source was recorded.
    size_px: width and height as it was recorded. luma: mean brightness, 0 to 255.
    scene: number of the scene within its source, where scenes are looked for.
    fault: why there is nothing to be seen, if there is not.
    region: the part of the picture that `image` is, if it is not the whole.
    end_us: when the segment that it stands for ends, if it stands for more than itself; stands_for: how many.
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
        """The same content at the same moment has the same id, under any path and in any run."""
        part = f"|{self.region}" if self.region else ""
        return str(uuid.uuid5(_NAMESPACE, f"{self.source_id}|{self.pts_us}{part}"))
