"""What a user's SOURCE arguments stand for: files found, cameras named."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Literal

from lookalike.errors import FootageError
from lookalike.footage.archive import is_below, members
from lookalike.footage.playlist import without_segments
from lookalike.footage.url import check_url, is_stream, shown_url, stream_camera
from lookalike.limits import LIMITS, Limits
from lookalike.naming import Naming

IMAGE_SUFFIXES = frozenset([".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"])
VIDEO_SUFFIXES = frozenset(
    ".3gp .asf .avi .dav .flv .h264 .h265 .hevc .m2ts .m3u8 .m4v .mjpeg .mjpg .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv"
    " .ts .vob .webm .wmv".split()
)

Kind = Literal["image", "video", "stream"]

UNNAMED = Naming()


@dataclass(frozen=True)
class Source:
    """One file or stream. path: as a user would type it. camera: the name that searches filter by.

    captured_at: when it began, in UTC, if that is told from outside. zone: of times inside it that state none.
    track: which recording of a file that holds several, from 1; None for all of them. limits: how much of it is read.
    """

    path: str
    kind: Kind
    camera: str
    captured_at: datetime | None = None
    zone: tzinfo = UTC
    track: int | None = None
    limits: Limits = LIMITS

    @property
    def name(self) -> str:
        """The path as it is stored and shown: a URL without its user, password and query; PATH#2 of a second track."""
        if self.kind == "stream":
            return shown_url(self.path)
        return f"{self.path}#{self.track}" if self.track and self.track > 1 else self.path


def split_track(name: str) -> tuple[str, int]:
    """The file and the track that a stored name stands for: front_rear.mp4#2 is the second of front_rear.mp4.

    Unless there is a file of that very name, or no such file without the number.
    """
    found = re.fullmatch(r"(.+)#([2-9]|[1-9]\d{1,3})", name, re.DOTALL)
    if found and not os.path.lexists(name) and Path(found[1]).is_file():
        return found[1], int(found[2])
    return name, 1


def stored_source(name: str, camera: str = "", captured_at: datetime | None = None) -> Source:
    """The file that frames are stored under that name of, and no other track of it."""
    path, track = split_track(name)
    kind = "image" if Path(path).suffix.lower() in IMAGE_SUFFIXES else "video"
    return Source(path, kind, camera, captured_at, track=track)


def find_sources(given: Iterable[str | Path], naming: Naming = UNNAMED) -> list[Source]:
    """Expand SOURCE arguments; folders, and zips of images, are searched recursively, in the order of their names.

    naming: where it says nothing of a camera, a file below a sub-folder belongs to the camera of that sub-folder's
    name, a video at the top to one of its own name, and images at the top share the folder's.
    Raises: FootageError if a path does not exist, if nothing is found at all, or if a name has a time that is none.
    """
    given = [str(entry) for entry in given]
    found: list[Source] = []
    for entry in given:
        if is_stream(entry):
            check_url(entry)
            found.append(Source(entry, "stream", stream_camera(entry)))
        elif Path(entry).is_dir():
            found.extend(_find_below(Path(entry)))
        elif Path(entry).is_file() and entry.lower().endswith(".zip"):
            found.extend(_find_in_zip(entry))
        elif Path(entry).exists():
            path = Path(entry)
            kind = "image" if path.suffix.lower() in IMAGE_SUFFIXES else "video"
            own = path.absolute().parent.name if kind == "image" else path.stem
            found.append(Source(entry, kind, own))
        elif split_track(entry)[1] > 1:
            found.append(stored_source(entry, Path(split_track(entry)[0]).stem))
        else:
            expected = "expected an image, a folder, a video or a stream URL"
            raise FootageError(f"{shown_url(entry)}: no such file or folder; {expected}")
    if not found:
        raise FootageError(
            f"no images or videos in {', '.join(given)}; expected files such as .mp4, .mkv, .jpg or .png"
        )
    try:
        return [_named(source, naming) for source in found]
    except ValueError as error:
        raise FootageError(str(error)) from error


def find_in_folders(
    folders: Iterable[str | Path], naming: Naming = UNNAMED, on_misnamed: Callable[[str], None] = lambda message: None
) -> Iterator[Source]:
    """What is below folders at this moment, if anything. naming: as for `find_sources`.

    on_misnamed: told of each file that is left out since its name has a time that is none.
    """
    for source in (source for folder in folders for source in _find_below(Path(folder))):
        try:
            yield _named(source, naming)
        except ValueError as error:
            on_misnamed(str(error))


def _named(source: Source, naming: Naming) -> Source:
    path = shown_url(source.path) if source.kind == "stream" else source.path
    camera, captured_at = naming.camera_of(path, source.camera), naming.captured_of(path)
    if source.track and source.track > 1:
        camera = f"{camera}#{source.track}"
    return replace(source, camera=camera, captured_at=captured_at, zone=naming.zone)


def _find_below(folder: Path) -> list[Source]:
    found: list[Source] = []
    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(parent)) in seen:
            folders.clear()  # a link back to where we have been
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            kind = _kind_by_suffix(path)
            if kind and not name.startswith("."):
                found.append(Source(str(path), kind, _folder_camera(folder, path, kind)))
    return _without_segments(found)


def _without_segments(found: list[Source]) -> list[Source]:
    """Without what a playlist among them is made of."""
    kept = without_segments([source.path for source in found])
    return [source for source in found if source.path in kept]


def _find_in_zip(archive: str) -> list[Source]:
    """Those whose names lead out of it, too: reading says so of each."""
    names = [name for name in members(Path(archive)) if _kind_by_suffix(Path(name)) == "image"]
    return [Source(*_in_zip(archive, name)) for name in names]


def _in_zip(archive: str, name: str) -> tuple[str, Kind, str]:
    if not is_below(name):
        return f"{archive}/{name}", "image", Path(archive).absolute().name
    path = Path(archive, name)
    return str(path), "image", _folder_camera(Path(archive), path, "image")


def _kind_by_suffix(path: Path) -> Kind | None:
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return "image"
    return "video" if suffix in VIDEO_SUFFIXES else None


def _folder_camera(folder: Path, path: Path, kind: Kind) -> str:
    inside = path.relative_to(folder).parts
    if len(inside) > 1:
        return inside[0]
    return folder.absolute().name if kind == "image" else path.stem
