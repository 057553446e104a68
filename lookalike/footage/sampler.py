"""Decoded frames of one video -> those that a `Sampling` takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from lookalike.footage.changes import SMALL_PX, Motion, scene_starts
from lookalike.footage.faults import Stillness
from lookalike.region import Region
from lookalike.sampling import Sampling

GRID = tuple(Region(x, y, 0.5, 0.5) for y in (0.0, 0.25, 0.5) for x in (0.0, 0.25, 0.5))
EPSILON_S = 1e-3  # a frame at 0.033 s belongs to the slot that starts at 1/30 s: Matroska and FLV keep milliseconds


@dataclass(frozen=True, eq=False)
class Taken:
    """pts_us: microseconds since the video's first frame. scene: its number, from 0, where scenes are looked for.

    frozen: whether the picture has not changed for a while. regions: parts of it that are wanted beside the whole.
    """

    frame: VideoFrame
    pts_us: int
    scene: int | None
    frozen: bool
    regions: tuple[Region, ...] = ()


def take(frames: Iterable[tuple[VideoFrame, int]], sampling: Sampling) -> Iterator[Taken]:
    """frames: all of one video, in order, each with its `pts_us`. Of those with equal times only the first counts.

    Raises: FootageError if a library that `sampling` needs is not installed.
    """
    watch, still = _Watch(sampling), Stillness()
    last_slot, last_us, scene = -1, -1, -1
    only_cuts = sampling.scene_cuts and not sampling.fps
    for frame, pts_us in frames:
        if pts_us == last_us:
            continue
        last_us = pts_us
        begins, frozen = watch.look(frame, pts_us), still(frame, pts_us)
        scene += begins
        slot = int((pts_us / 1e6 + EPSILON_S) * sampling.fps) if sampling.fps else last_slot + 1
        if begins or (slot > last_slot and watch.moves() and not only_cuts):
            last_slot = slot
            yield Taken(frame, pts_us, scene if sampling.scene_cuts else None, frozen, watch.regions())


class _Watch:
    """What is seen by looking at every frame of one video."""

    def __init__(self, sampling: Sampling) -> None:
        self._least, self._regions = sampling.motion or 0.0, sampling.regions
        self._starts = scene_starts() if sampling.scene_cuts else None
        self._motion = Motion() if sampling.motion or sampling.regions == "motion" else None
        self._shrink = VideoReformatter()

    def look(self, frame: VideoFrame, pts_us: int) -> bool:
        """Returns: whether a scene begins with it."""
        if not (self._starts or self._motion):
            return False
        small = self._shrink.reformat(frame, *SMALL_PX, "bgr24", interpolation=Interpolation.AREA).to_ndarray()
        if self._motion:
            self._motion.look(small)
        return bool(self._starts and self._starts(small, pts_us))

    def moves(self) -> bool:
        """Whether enough does, in the frame that was looked at last."""
        return not self._least or (self._motion is not None and self._motion.share() >= self._least)

    def regions(self) -> tuple[Region, ...]:
        if self._regions == "grid":
            return GRID
        return tuple(self._motion.regions()) if self._regions and self._motion else ()
