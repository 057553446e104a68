"""When each camera was seen last, for /metrics."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime

from lookalike.files.printable import printable
from lookalike.index import StoredFrame
from serving.inference.metrics import CAMERA_NEWEST, CAMERAS, MAX_CAMERAS

LONGEST_NAME = 100


class Cameras:
    """The time of the newest frame of each camera. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[str, float] = {}  # Unix time, by camera
        self._noted: dict[str, float] = {}  # the same, of what was noted since all frames are being read
        self._shown: set[str] = set()

    def note(self, frames: Iterable[StoredFrame]) -> None:
        """Note frames that were stored just now."""
        with self._lock:
            times = newest(frames)
            self._noted = _later(self._noted, times)
            self._newest = _later(self._newest, times)
            self._show()

    def begin(self) -> None:
        """Call it before all frames of the index are read."""
        with self._lock:
            self._noted = {}

    def replace(self, known: Mapping[str, float]) -> None:
        """Note what all frames of the index say: cameras that are gone are no longer shown."""
        with self._lock:
            self._newest = _later(known, self._noted)
            self._show()

    def _show(self) -> None:
        CAMERAS.set(len(self._newest))
        shown = set(sorted(self._newest)[:MAX_CAMERAS])
        for camera in self._shown - shown:
            CAMERA_NEWEST.labels(_label(camera)).set(math.nan)  # with several workers, labels cannot be removed
        for camera in shown:
            CAMERA_NEWEST.labels(_label(camera)).set(self._newest[camera])
        self._shown = shown


def newest(frames: Iterable[StoredFrame]) -> dict[str, float]:
    """The Unix time of the newest frame of each camera. Frames without a date do not count."""
    times: dict[str, float] = {}
    for frame in frames:
        if date := frame.ended_at or frame.captured_at:
            at_s = datetime.fromisoformat(date).timestamp()
            times[frame.camera] = max(at_s, times.get(frame.camera, at_s))
    return times


def _later(times: Mapping[str, float], others: Mapping[str, float]) -> dict[str, float]:
    """The later time of each camera."""
    return {**times, **{camera: max(at_s, times.get(camera, at_s)) for camera, at_s in others.items()}}


def _label(camera: str) -> str:
    return printable(camera[:LONGEST_NAME])
