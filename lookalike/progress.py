"""Progress of a job over footage: the share that is done, the rate, and the time left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

from lookalike.errors import FootageError
from lookalike.footage import Frame, Source, duration_s
from lookalike.footage.archive import size_bytes
from lookalike.footage.playlist import is_playlist, read_playlist


class FootageProgress:
    """Measures progress over sources, which come in order. Work is measured in bytes, which are known before."""

    def __init__(self, sources: Sequence[Source], duration_of: Callable[[str], float | None] = duration_s) -> None:
        """duration_of: called once for each video, when its first frames are done."""
        self._sources, self._duration_of = sources, duration_of
        self._places = {source.name: place for place, source in enumerate(sources)}
        self._sizes = [_size(source) for source in sources]
        self._before = [0, *accumulate(self._sizes)]
        self._place, self._share, self._time_s = 0, 0.0, 0.0  # of the source at hand
        self._duration_s: float | None = None
        self._worked, self._footage_s = 0, 0.0  # of the sources before it that gave frames
        self.frames, self._begun = 0, False

    def add(self, frames: Sequence[Frame]) -> None:
        """Count frames that are done."""
        for frame in frames:
            place = self._places.get(frame.source, self._place)
            if place != self._place or not self._begun:
                self._begin(place)
            self._time_s = frame.time_s
            self.frames += frame.region is None
        if self._duration_s:
            self._share = min(self._time_s / self._duration_s, 1.0)

    @property
    def share(self) -> float:
        """Return the share of all work that is done, 0 to 1; 0 where that is not known."""
        return (self._before[self._place] + self._done()) / max(self._before[-1], 1)

    def left_s(self, elapsed_s: float) -> float | None:
        """Return the seconds left at the rate so far. Sources that needed no work do not count towards the rate."""
        worked = self._worked + self._done()
        return elapsed_s * (1 - self.share) * self._before[-1] / worked if worked else None

    def line(self, elapsed_s: float) -> str:
        """Format it, such as `3/12 gate.mp4 41 %  1,240 frames  210/s  8.4x real time  0:03:12 left`."""
        elapsed_s, left_s = max(elapsed_s, 1e-3), self.left_s(elapsed_s)
        share = f" {self._share:.0%}" if self._duration_s else ""
        faster = (self._footage_s + self._time_s) / elapsed_s
        parts = [f"{self._place + 1}/{len(self._sources)} {self._sources[self._place].name}{share}"]
        parts += [f"{self.frames:,} frames", f"{self.frames / elapsed_s:.0f}/s"]
        parts += [f"{faster:.1f}x real time"] if faster > 0 else []
        return "  ".join(parts + ([f"{_clock(left_s)} left"] if left_s is not None else []))

    def _begin(self, place: int) -> None:
        if self._begun:
            self._worked += self._sizes[self._place]
            self._footage_s += self._time_s
        self._begun, kind = True, self._sources[place].kind
        self._place, self._share = place, 1.0 if kind == "image" else 0.0
        self._duration_s = self._duration_of(self._sources[place].path) if kind == "video" else None

    def _done(self) -> float:
        return self._share * self._sizes[self._place]


def _size(source: Source) -> int:
    try:
        if is_playlist(source.path):
            return read_playlist(source.path).size_bytes
        return 0 if source.kind == "stream" else size_bytes(source.path)
    except (FootageError, OSError, KeyError):
        return 0  # reading it reports the error


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
