"""Sample the decoded frames of one video by a `Sampling`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from lookalike.footage.changes import SMALL_PX, Motion, has_opencv, scene_starts
from lookalike.footage.faults import Stillness
from lookalike.footage.sampling import Sampling
from lookalike.region import Region

GRID = tuple(Region(x, y, 0.5, 0.5) for y in (0.0, 0.25, 0.5) for x in (0.0, 0.25, 0.5))
LOOK_APART_US = 90_000  # between frames that are only used to detect motion: ten a second, of 25 or 30
EPSILON_S = 1e-3  # a frame at 0.033 s belongs to the slot that starts at 1/30 s: Matroska and FLV store milliseconds


@dataclass
class Spent:
    """Seconds spent on finding and cutting regions."""

    seconds: float = 0.0

    @contextmanager
    def timed(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - started


@dataclass(frozen=True, eq=False)
class Taken:
    """A sampled frame. pts_us: microseconds since the video's first frame. scene: its number, from 0, if detected.

    frozen: whether the picture has not changed for a while. regions: to store in addition to the whole frame.
    """

    frame: VideoFrame
    pts_us: int
    scene: int | None
    frozen: bool
    regions: tuple[Region, ...] = ()


def take(frames: Iterable[tuple[VideoFrame, int]], sampling: Sampling, spent: Spent) -> Iterator[Taken]:
    """Yield the frames to take. frames: all of one video, in order, each with its `pts_us`, which rise.

    spent: the time to find regions is added to it.
    Raises: FootageError if a library that `sampling` needs is not installed.
    """
    watch, still = _Watch(sampling, spent), Stillness()
    last_slot, scene = -1, -1
    only_cuts = sampling.scene_cuts and not sampling.fps
    for frame, pts_us in frames:
        slot = int((pts_us / 1e6 + EPSILON_S) * sampling.fps) if sampling.fps else last_slot + 1
        begins, frozen = watch.look(frame, pts_us, slot > last_slot), still(frame, pts_us)
        scene += begins
        if begins or (slot > last_slot and watch.moves() and not only_cuts):
            last_slot = slot
            yield Taken(frame, pts_us, scene if sampling.scene_cuts else None, frozen, watch.regions())


class _Watch:
    """Detects scenes and motion in one video."""

    def __init__(self, sampling: Sampling, spent: Spent) -> None:
        self._least, self._regions = sampling.motion or 0.0, sampling.regions
        self._starts = scene_starts() if sampling.scene_cuts else None
        auto = sampling.regions == "auto" and has_opencv()
        self._motion = Motion() if auto or sampling.motion or sampling.regions == "motion" else None
        self._shrink = VideoReformatter()
        all_frames = sampling.scene_cuts or sampling.motion or not auto
        self._apart_us, self._next_us = 0 if all_frames else LOOK_APART_US, 0
        self._spent = Spent() if sampling.scene_cuts or sampling.motion else spent  # else they are computed anyway

    def look(self, frame: VideoFrame, pts_us: int, due: bool) -> bool:
        """Look at the next frame. due: whether it may be taken; of the others, some are used to detect motion.

        Returns: whether a scene begins with it.
        """
        if not (self._starts or self._motion) or not (due or pts_us >= self._next_us):
            return False
        self._next_us = pts_us + self._apart_us
        with self._spent.timed():
            small = self._shrink.reformat(frame, *SMALL_PX, "bgr24", interpolation=Interpolation.AREA).to_ndarray()
            if self._motion:
                self._motion.look(small, pts_us)
        return bool(self._starts and self._starts(small, pts_us))

    def moves(self) -> bool:
        """Whether enough of the picture moves, in the last frame."""
        return not self._least or (self._motion is not None and self._motion.share() >= self._least)

    def regions(self) -> tuple[Region, ...]:
        if self._regions == "grid":
            return GRID
        if not self._regions or not self._motion or (self._regions == "auto" and not self._motion.stands_still()):
            return ()
        return tuple(self._motion.regions())
