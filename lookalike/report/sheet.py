"""Write contact sheets: hits of an index as thumbnails cut from the recordings, on one page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from lookalike.errors import FootageError
from lookalike.footage import frame_at
from lookalike.report.page import Thumb, thumb_uri, write_page


@dataclass(frozen=True)
class Shot:
    """A moment to show. note: shown below it, next to its camera and time."""

    source: str
    camera: str
    time_s: float
    score: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Strip:
    """Moments that belong together. columns: thumbnails per row."""

    title: str
    note: str
    shots: Sequence[Shot]
    columns: int = 5


@dataclass(frozen=True)
class Sheet:
    """A whole page. note: what it shows."""

    title: str
    note: str
    strips: Sequence[Strip]

    @property
    def sources(self) -> set[str]:
        """Return the sources that its thumbnails are cut from."""
        return {shot.source for strip in self.strips for shot in strip.shots}

    @property
    def shots(self) -> int:
        """Return the number of its thumbnails."""
        return sum(len(strip.shots) for strip in self.strips)


@dataclass(frozen=True)
class _Row:
    title: str
    note: str
    thumbs: list[Thumb]
    columns: int


def write_sheet(
    sheet: Sheet, path: Path, may_open: Collection[str], on_shot: Callable[[int, str], None] = lambda *_: None
) -> None:
    """Write one self-contained HTML file. A missing recording leaves an empty frame.

    may_open: the sources to cut thumbnails from; others leave empty frames, see `FrameIndex.read_here`.
    on_shot: called after each thumbnail with the number done and its source.
    Raises: LookalikeError if the file cannot be written.
    """
    rows: list[_Row] = []
    done = 0
    for strip in sheet.strips:
        thumbs: list[Thumb] = []
        for shot in strip.shots:
            thumbs.append(
                Thumb(
                    _picture(shot) if shot.source in may_open else "", shot.camera, shot.time_s, shot.score, shot.note
                )
            )
            done += 1
            on_shot(done, shot.source)
        rows.append(_Row(strip.title, strip.note, thumbs, strip.columns))
    write_page("sheet.html", path, title=sheet.title, note=sheet.note, strips=rows)


def _picture(shot: Shot) -> str:
    try:
        return thumb_uri(frame_at(shot.source, shot.time_s))
    except FootageError:
        return ""
