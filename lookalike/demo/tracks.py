"""True tracks of rendered recordings, in `tracks.csv`: the region of each thing in each frame."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lookalike.errors import FootageError
from lookalike.footage.naming import clip_of
from lookalike.region import Region

COLUMNS = ("clip", "time_s", "pass_id", "label", "x", "y", "w", "h", "visible")
ROUNDED = 1e-5  # written shares are rounded, so a region may seem to reach past the picture by this much


@dataclass(frozen=True)
class TrackedRegion:
    """One thing in one frame.

    clip: file name of the recording. time_s: of the frame. pass_id: of the pass that it belongs to, unique in the file.
    label: which individual it is; the same individual has the same label at every camera and in every pass.
    region: its box, clipped to the picture, in shares of the picture.
    visible: the least share of its whole box that shows: what is outside the picture or behind a nearer box counts as
    hidden.
    """

    clip: str
    time_s: float
    pass_id: str
    label: str
    region: Region
    visible: float


def write_tracks(path: Path, tracks: Iterable[TrackedRegion]) -> None:
    """Write columns clip,time_s,pass_id,label,x,y,w,h,visible."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for track in tracks:
            box = (track.region.x, track.region.y, track.region.w, track.region.h)
            shares = (f"{share:.10g}" for share in (*box, track.visible))
            writer.writerow((track.clip, f"{track.time_s:.10g}", track.pass_id, track.label, *shares))


def read_tracks(path: Path) -> list[TrackedRegion]:
    """Read what write_tracks wrote; further columns are ignored.

    Raises: FootageError if the file cannot be read, holds no tracks, or a line is malformed.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets put a byte order mark first
            reader = csv.DictReader(file)
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise ValueError(f"missing columns {','.join(missing)}")
            tracks = [_parse(row, reader.line_num) for row in reader]
        if not tracks:
            raise ValueError("no tracks below the header")
        return tracks
    except (OSError, ValueError, csv.Error) as error:
        raise FootageError(f"{path}: cannot read tracks: {error}; expected columns {','.join(COLUMNS)}") from error


def _parse(row: dict[str, str | None], line: int) -> TrackedRegion:
    cells = {column: row[column] or "" for column in COLUMNS}
    empty = [column for column, cell in cells.items() if not cell]
    if empty:
        raise ValueError(f"line {line}: no value for {','.join(empty)}")
    try:
        time_s, x, y, w, h, visible = (float(cells[column]) for column in ("time_s", *COLUMNS[4:]))
    except ValueError as error:
        raise ValueError(f"line {line}: {error}") from None
    if not 0 <= time_s < float("inf"):
        raise ValueError(f"line {line}: time_s is {time_s:g}, expected seconds from 0")
    if not (x >= 0 and y >= 0 and w > 0 and h > 0 and x + w <= 1 + ROUNDED and y + h <= 1 + ROUNDED):
        raise ValueError(f"line {line}: region {x:g},{y:g},{w:g},{h:g} is not within the picture, in shares of it")
    if not 0 <= visible <= 1:
        raise ValueError(f"line {line}: visible is {visible:g}, expected a share from 0 to 1")
    return TrackedRegion(clip_of(cells["clip"]), time_s, cells["pass_id"], cells["label"], Region(x, y, w, h), visible)
