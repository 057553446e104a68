"""Contact sheets: what an index says, as pictures cut from the recordings, on one page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from lookalike.errors import FootageError
from lookalike.footage import frame_at
from lookalike.report.page import Thumb, thumb_uri, write_page


@dataclass(frozen=True)
class Shot:
    """A moment to show. note: what is said below it, beside its camera and time."""

    source: str
    camera: str
    time_s: float
    score: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Strip:
    """Moments that belong together. columns: how many stand side by side."""

    title: str
    note: str
    shots: Sequence[Shot]
    columns: int = 5


@dataclass(frozen=True)
class Sheet:
    """A whole page. note: what it shows, in words."""

    title: str
    note: str
    strips: Sequence[Strip]

    @property
    def sources(self) -> set[str]:
        """What its pictures are cut from."""
        return {shot.source for strip in self.strips for shot in strip.shots}

    @property
    def shots(self) -> int:
        """How many pictures it has."""
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
    """Write one HTML file that needs nothing else. A recording that is gone leaves an empty frame.

    may_open: the sources that pictures are cut from; others leave empty frames, see `FrameIndex.read_here`.
    on_shot: told how many pictures are done, and of which source the last is.
    Raises: FootageError if the file cannot be written.
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
    try:
        write_page("sheet.html", path, title=sheet.title, note=sheet.note, strips=rows)
    except OSError as error:
        raise FootageError(f"{path}: cannot write ({error.strerror or error})") from error


def _picture(shot: Shot) -> str:
    try:
        return thumb_uri(frame_at(shot.source, shot.time_s))
    except FootageError:
        return ""
