"""Names of downloaded frames."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from lookalike.index import StoredFrame


def file_name(frame: StoredFrame) -> str:
    """`gate_2026-01-05T08-00-12.5Z.jpg`, or `gate_clip_12.5s.jpg` for a frame without a date."""
    if frame.captured_at:
        moment = datetime.fromisoformat(frame.captured_at)
        fraction = f"{moment.microsecond / 1e6:.3f}".rstrip("0").rstrip(".")[1:]
        when = f"{moment:%Y-%m-%dT%H-%M-%S}{fraction}Z"
    else:
        when = f"{Path(frame.source).stem}_{round(frame.time_s, 3):g}s"
    plain = f"{frame.camera}_{when}".encode("ascii", "replace").decode()
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in plain) + ".jpg"
