"""Recordings of every kind that a service shows: each second of a clip is a `tests.clips.picture` of its own."""

from __future__ import annotations

import zipfile
from pathlib import Path

from PIL import Image

from tests.clips import picture, turn, write_clip

SECONDS = 12
EACH_MS = range(0, 1000 * SECONDS, 1000)
LATE_MS = 17_811  # where the times of one recording begin
QUARTER_TURN = (0, 1, -1, 0)  # clockwise
FRAMES = {"gate.mp4": SECONDS, "late.mkv": SECONDS, "old.avi": SECONDS, "phone.mp4": 2, "1.png": 1, "2.png": 1}
FRAMES |= {"gone.mp4": 1, "other.mp4": 1, "third.avi": SECONDS}


def write_recordings(folder: Path) -> list[Path]:
    """Returns: what to index."""
    folder.mkdir()
    stated = {"creation_time": "2026-01-05T08:00:00Z"}
    write_clip(folder / "gate.mp4", EACH_MS, metadata=stated, codec_options={"g": "5", "bf": "2"})
    write_clip(folder / "late.mkv", [LATE_MS + moment for moment in EACH_MS])
    write_clip(folder / "old.avi", EACH_MS, codec="mpeg4", codec_options={"b": "2M"})
    write_clip(folder / "third.avi", EACH_MS, codec="mpeg4", codec_options={"b": "1M"})
    turn(write_clip(folder / "phone.mp4", [0, 1000]), QUARTER_TURN)
    for number, name in enumerate(("gone.mp4", "other.mp4"), start=20):
        write_clip(folder / name, [0], [picture(number)])
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for number in (1, 2):
            Image.fromarray(picture(number)).save(folder.parent / "one.png")
            archive.write(folder.parent / "one.png", f"yard/{number}.png")
    return [folder, folder.with_suffix(".zip")]


def spoil(folder: Path) -> None:
    """Remove one of the recordings, and put another file in the place of another."""
    (folder / "gone.mp4").unlink()
    write_clip(folder / "other.mp4", [0], [picture(50)])
