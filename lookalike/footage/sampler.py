"""Decoded frames of one video -> those that a `Sampling` takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from lookalike.footage.changes import SMALL_PX, moving_share, scene_starts
from lookalike.footage.faults import Stillness
from lookalike.sampling import Sampling

EPSILON_S = 1e-3  # a frame at 0.033 s belongs to the slot that starts at 1/30 s: Matroska and FLV keep milliseconds


@dataclass(frozen=True, eq=False)
class Taken:
    """pts_us: microseconds since the video's first frame. scene: its number, from 0, where scenes are looked for.

    frozen: whether the picture has not changed for a while.
    """

    frame: VideoFrame
    pts_us: int
    scene: int | None
    frozen: bool


def take(frames: Iterable[tuple[VideoFrame, int]], sampling: Sampling) -> Iterator[Taken]:
    """frames: all of one video, in order, each with its `pts_us`. Of those with equal times only the first counts."""
    look, still = _watch(sampling), Stillness()
    last_slot, last_us, scene = -1, -1, -1
    for frame, pts_us in frames:
        if pts_us == last_us:
            continue
        last_us = pts_us
        begins, moves = look(frame, pts_us)
        frozen = still(frame, pts_us)
        scene += begins
        slot = int((pts_us / 1e6 + EPSILON_S) * sampling.fps) if sampling.fps else last_slot + 1
        only_cuts = sampling.scene_cuts and not sampling.fps
        if begins or (slot > last_slot and moves and not only_cuts):
            last_slot = slot
            yield Taken(frame, pts_us, scene if sampling.scene_cuts else None, frozen)


def _watch(sampling: Sampling) -> Callable[[VideoFrame, int], tuple[bool, bool]]:
    """What tells of each frame whether a scene begins with it, and whether enough moves in it."""
    starts = scene_starts() if sampling.scene_cuts else None
    share = moving_share() if sampling.motion else None
    least, shrink = sampling.motion or 0.0, VideoReformatter()

    def look(frame: VideoFrame, pts_us: int) -> tuple[bool, bool]:
        if not (starts or share):
            return False, True
        width, height = SMALL_PX
        small = shrink.reformat(frame, width, height, "bgr24", interpolation=Interpolation.AREA).to_ndarray()
        return bool(starts and starts(small, pts_us)), not share or share(small) >= least

    return look
