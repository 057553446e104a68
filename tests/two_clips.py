"""Two clips and a file that is none; and callbacks that count, or that stop the work."""

from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime
from pathlib import Path

from lookalike.ingest.settings import USUAL
from tests.clips import picture, write_clip

BATCH = USUAL.batch_frames
FRAMES = 2 * BATCH - 4  # two batches each
RECORDED = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def write_two_clips(folder: Path) -> Path:
    """Two clips of 60 frames, 40 ms apart; one that is no video; and only the first states when it was recorded."""
    stated = {"creation_time": RECORDED.isoformat()}
    write_clip(folder / "a.mp4", range(0, 40 * FRAMES, 40), metadata=stated)
    (folder / "broken.mp4").write_bytes(b"just text")
    others = [picture(number)[:, ::-1] // 2 for number in range(FRAMES)]
    write_clip(folder / "c.mp4", range(0, 40 * FRAMES, 40), others)
    return folder


def done(frames) -> None:
    """Nobody is told."""


def stop_after(batches: int):
    """What one Ctrl-C does while the batch after those is being counted."""
    counted = itertools.count(1)

    def on_frames(frames) -> None:
        if next(counted) == batches + 1:
            raise KeyboardInterrupt

    return on_frames


def decoding() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "decode"]
