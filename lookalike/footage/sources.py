"""Expand a user's SOURCE arguments: find files, name cameras, and account for every other entry."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

from lookalike.errors import FootageError
from lookalike.files.regular import special
from lookalike.footage.archive import is_below, members
from lookalike.footage.kinds import (
    NOT_FOOTAGE,
    REFUSED,
    Kind,
    is_image,
    kind_by_content,
    kind_by_name,
    kind_by_suffix,
)
from lookalike.footage.limits import LIMITS, Limits
from lookalike.footage.naming import Naming
from lookalike.footage.playlist import is_playlist, without_segments
from lookalike.footage.selection import Selection, is_system
from lookalike.footage.url import check_url, is_stream, shown_url, stream_camera

REASONS_SHOWN = 3
PLAYLIST_STEMS = frozenset(("index", "playlist", "stream", "prog_index", "chunklist"))

UNNAMED, EVERY_ENTRY = Naming(), Selection()
Group = Literal["skipped", "not footage", "system", "excluded"]


@dataclass(frozen=True)
class Source:
    """One file or stream. path: as a user would type it. camera: the name that searches filter by.

    captured_at: when it began, in UTC, if given by a flag or its name. zone: of times inside it that state none.
    track: which recording of a file that holds several, from 1; None for all. limits: how much of it is read.
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
        """The path as it is stored and shown: a URL without user, password and query; PATH#2 for a second track."""
        if self.kind == "stream":
            return shown_url(self.path)
        return f"{self.path}#{self.track}" if self.track and self.track > 1 else self.path


def split_track(name: str) -> tuple[str, int]:
    """Split a stored name into file and track: front_rear.mp4#2 is the second track of front_rear.mp4.

    If a file has the whole name, or no file has the name without the number, the name is returned as it is.
    """
    match = re.fullmatch(r"(.+)#([2-9]|[1-9]\d{1,3})", name, re.DOTALL)
    if match and not os.path.lexists(name) and Path(match[1]).is_file():
        return match[1], int(match[2])
    return name, 1


def stored_source(name: str, camera: str = "", captured_at: datetime | None = None) -> Source:
    """Return the source, with its one track, that a stored name stands for."""
    path, track = split_track(name)
    return Source(path, "image" if is_image(path) else "video", camera, captured_at, track=track)


@dataclass(frozen=True)
class LeftOut:
    """An entry that is not read: a file, or a folder with everything in it.

    group: skipped entries may be footage, and are named one by one; the other groups are counted. reason: why it is
    skipped; for other groups its kind, such as its suffix.
    """

    path: str
    group: Group
    reason: str


OnLeftOut = Callable[[LeftOut], None]


@dataclass(frozen=True)
class _Root:
    """A folder or zip that the user named. path: as given. name: independent of how the path is written."""

    path: Path
    selection: Selection

    @cached_property  # used for each picture
    def name(self) -> str:
        return _plain(self.path).name

    def below(self, path: Path) -> str:
        """Return the path of an entry relative to this, with slashes."""
        return path.relative_to(self.path).as_posix()

    def source(self, path: Path, kind: Kind) -> Source:
        parts = path.relative_to(self.path).parts
        own = self.name if _shares_name(path, kind) else path.stem
        return Source(str(path), kind, parts[0] if len(parts) > 1 else own)

    def names(self, path: str) -> tuple[str, str]:
        """Return the texts that a pattern is searched in: the path from this folder on, then the absolute path."""
        return f"{self.name}/{self.below(Path(path))}", _plain(Path(path)).as_posix()


def find_sources(
    given: Iterable[str | Path],
    naming: Naming = UNNAMED,
    on_left_out: OnLeftOut = lambda left_out: None,
    selection: Selection = EVERY_ENTRY,
) -> list[Source]:
    """Expand SOURCE arguments; folders, and zips of images, are searched recursively, in the order of their names.

    naming: cameras and dates. Without a camera there, it is the first sub-folder; for a video at the top its own name,
    and for images at the top the folder's name.
    on_left_out: called with every entry that is not read. selection: which entries to read.
    Raises: FootageError if a path does not exist, or if there is nothing to read.
    """
    given, skipped, excluded = [str(entry) for entry in given], list[LeftOut](), list[LeftOut]()

    def leave_out(entry: LeftOut) -> None:
        if entry.group in ("skipped", "excluded"):
            (skipped if entry.group == "skipped" else excluded).append(entry)
        on_left_out(entry)

    sources = [source for entry in given for source in _find(entry, naming, leave_out, selection)]
    if not sources:
        raise FootageError(_nothing_found(given, skipped, len(excluded)))
    return sources


def find_in_folders(
    folders: Iterable[str | Path],
    naming: Naming = UNNAMED,
    on_left_out: OnLeftOut = lambda left_out: None,
    selection: Selection = EVERY_ENTRY,
) -> Iterator[Source]:
    """Yield the sources that are below folders now, if any; otherwise as `find_sources`."""
    for folder in folders:
        root = _Root(Path(folder), selection)
        yield from _named(_find_below(root, on_left_out), naming, root.names, on_left_out)


def _find(entry: str, naming: Naming, on_left_out: OnLeftOut, selection: Selection) -> Iterator[Source]:
    if is_stream(entry):
        check_url(entry)
        stream = Source(entry, "stream", stream_camera(entry))
        yield from _named([stream], naming, lambda path: (shown_url(path),), on_left_out)
        return
    if (further := stored_source(entry)).track != 1:
        further = replace(further, camera=Path(further.path).stem)
        yield from _named([further], naming, _own_names, on_left_out)
        return
    path, root = Path(entry), _Root(Path(entry), selection)
    try:
        mode = os.stat(entry).st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        expected = "expected an image, a folder, a video or a stream URL"
        raise FootageError(f"{shown_url(entry)}: no such file or folder; {expected}") from error
    except OSError as error:
        on_left_out(LeftOut(entry, "skipped", f"cannot be opened ({error.strerror})"))
        return
    if path.is_dir():
        yield from _named(_find_below(root, on_left_out), naming, root.names, on_left_out)
    elif selection.excludes(path.as_posix()):
        on_left_out(LeftOut(entry, "excluded", path.name))
    elif what := special(mode):
        on_left_out(LeftOut(entry, "skipped", f"{what}, expected a file"))
    elif entry.lower().endswith(".zip"):
        yield from _named(_find_in_zip(root, on_left_out), naming, root.names, on_left_out)
    else:
        yield from _named([_single(entry)], naming, _own_names, on_left_out)


def _own_names(path: str) -> tuple[str, str]:
    return Path(path).name, _plain(Path(path)).as_posix()


def _single(entry: str) -> Source:
    """Return the source of a file that the user named. It is tried whatever its suffix; reading it reports errors."""
    kind = "image" if is_image(entry) else "video"
    path = _plain(Path(entry))
    own = path.parent.name if _shares_name(path, kind) else path.stem
    return Source(entry, kind, own)


def _shares_name(path: Path, kind: Kind) -> bool:
    """Whether a file is named by its folder: a picture, and a playlist with a common name."""
    general = is_playlist(str(path)) and path.stem.lower() in PLAYLIST_STEMS
    return general or (kind_by_suffix(path) or kind) == "image"


def _named(
    sources: Iterable[Source], naming: Naming, names: Callable[[str], tuple[str, ...]], on_left_out: OnLeftOut
) -> Iterator[Source]:
    """Yield sources with camera and date. names: returns the texts that the pattern is searched in, for a path."""
    for source in sources:
        paths = names(source.path) if naming.pattern else (source.path,)
        try:
            began_at = naming.captured_of(paths)
        except ValueError as error:
            reason = str(error).removeprefix(f"{paths[-1]}: ")
            on_left_out(LeftOut(source.name, "skipped", reason))
            continue
        camera = naming.camera_of(paths, source.camera)
        if source.track and source.track > 1:
            camera = f"{camera}#{source.track}"
        yield replace(source, camera=camera, captured_at=began_at, zone=naming.zone)


def _find_below(root: _Root, on_left_out: OnLeftOut) -> Iterator[Source]:
    """Yield the sources below a folder, without the parts of playlists."""
    sources = list(_walk(root, on_left_out))
    kept = without_segments([source.path for source in sources])
    for source in sources:
        if source.path in kept:
            yield source
        else:
            on_left_out(LeftOut(source.path, "not footage", "part of a playlist"))


def _walk(root: _Root, on_left_out: OnLeftOut) -> Iterator[Source]:
    """Walk a folder: its files, then its folders, by name. No folder is read twice, even if links form a circle."""
    limits = str(root.path) if root.selection.follow_links else os.path.realpath(root.path)
    seen, waiting = set[str](), [str(root.path)]
    while waiting:
        folder = waiting.pop()
        real = os.path.realpath(folder)
        if real in seen:
            on_left_out(LeftOut(folder, "system", "a link to a folder that is read already"))
            continue
        seen.add(real)
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            on_left_out(LeftOut(folder, "skipped", f"cannot be listed ({error.strerror})"))
            continue
        folders = list[str]()
        for entry in listed:
            path = Path(folder, entry.name)
            left_out = _left_out_by_name(root, path, entry) or _left_out_by_link(root, entry, limits)
            what = left_out or _kind_or_reason(entry, path)
            if isinstance(what, LeftOut):
                on_left_out(what)
            elif what == "folder":
                folders.append(str(path))
            else:
                yield root.source(path, what)
        waiting += reversed(folders)


def _left_out_by_name(root: _Root, path: Path, entry: os.DirEntry[str]) -> LeftOut | None:
    if is_system(path.name):
        return LeftOut(str(path), "system", path.name)
    is_excluded = root.selection.excludes(root.below(path), _is_folder(entry))
    return LeftOut(str(path), "excluded", path.name) if is_excluded else None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle, or into a folder that may not be read
        return False


def _left_out_by_link(root: _Root, entry: os.DirEntry[str], limits: str) -> LeftOut | None:
    """Return why a link is not followed, if so. limits: the real path that links may lead to and below."""
    if not entry.is_symlink():
        return None
    path, target = str(Path(entry.path)), os.path.realpath(entry.path)
    if not os.path.exists(target):
        return LeftOut(path, "skipped", "a link to nothing")
    if not root.selection.follow_links and target != limits and not target.startswith(limits.rstrip(os.sep) + os.sep):
        return LeftOut(path, "skipped", f"a link that leads out of {root.path}, to {target}; --follow-links follows it")
    return None


def _kind_or_reason(entry: os.DirEntry[str], path: Path) -> Kind | Literal["folder"] | LeftOut:
    """Return the kind of an entry of a folder, or why it is not read."""
    try:
        if entry.is_dir():
            return "folder"
        if not entry.is_file() and (what := special(entry.stat().st_mode)):
            return LeftOut(str(path), "skipped", f"{what}, expected a file")
        return _judge(path)
    except FootageError as error:
        return LeftOut(str(path), "skipped", str(error).removeprefix(f"{path}: "))
    except OSError as error:
        return LeftOut(str(path), "skipped", f"cannot be read ({error.strerror})")


def _judge(path: Path) -> Kind | LeftOut:
    """Return the kind of a file or a member of a zip, or why it is not read. Raises: FootageError, OSError."""
    suffix = path.suffix.lower()
    if kind := kind_by_name(str(path)):
        return kind
    if suffix == ".zip":
        return LeftOut(str(path), "skipped", "a zip in a folder; name it as a separate SOURCE")
    if reason := REFUSED.get(suffix):
        return LeftOut(str(path), "skipped", reason)
    if suffix in NOT_FOOTAGE:
        return LeftOut(str(path), "not footage", suffix)
    kind = kind_by_content(str(path))
    if kind == "text":
        return LeftOut(str(path), "not footage", suffix or "text")
    return kind or LeftOut(str(path), "skipped", "not a picture or video that can be read, by its content")


def _find_in_zip(root: _Root, on_left_out: OnLeftOut) -> Iterator[Source]:
    listed = Counter(members(root.path))
    for name, times in listed.items():
        for _ in range(times - 1):
            on_left_out(LeftOut(f"{root.path}/{name}", "skipped", "there is another of this name in the zip"))
        path = Path(root.path, name)
        left_out = _left_out_in_zip(root, name)
        if left_out:
            on_left_out(left_out)
            continue
        kind = _judge_in_zip(path)
        if isinstance(kind, LeftOut):
            on_left_out(kind)
        elif kind == "image":
            yield root.source(path, kind)
        else:
            on_left_out(LeftOut(str(path), "skipped", "a video inside a zip; unpack it first"))


def _left_out_in_zip(root: _Root, name: str) -> LeftOut | None:
    parts, shown = PurePosixPath(name).parts, f"{root.path}/{name}"
    if not is_below(name):
        return LeftOut(shown, "skipped", "its name leads out of the zip")
    if system := next((part for part in parts if is_system(part)), None):
        return LeftOut(shown, "system", system)
    above = ("/".join(parts[:count]) for count in range(1, len(parts)))
    excludes = root.selection.excludes
    is_excluded = excludes("/".join(parts)) or any(excludes(folder, is_folder=True) for folder in above)
    return LeftOut(shown, "excluded", parts[-1]) if is_excluded else None


def _judge_in_zip(path: Path) -> Kind | LeftOut:
    try:
        return _judge(path)
    except (FootageError, OSError) as error:
        return LeftOut(str(path), "skipped", str(error).removeprefix(f"{path}: "))


def _nothing_found(given: list[str], skipped: list[LeftOut], excluded: int) -> str:
    """Explain why there is nothing to read. excluded: how many entries a flag left out."""
    if len(given) == len(skipped) == 1 and skipped[0].path == given[0]:
        return f"{given[0]}: {skipped[0].reason}"
    why = "; ".join(f"{entry.path}: {entry.reason}" for entry in skipped[:REASONS_SHOWN])
    more = f" and {len(skipped) - REASONS_SHOWN} more" if len(skipped) > REASONS_SHOWN else ""
    expected = f"no images or videos in {', '.join(given)}; expected files such as .mp4, .mkv, .jpg or .png"
    if excluded:
        expected += f"; excluded {excluded:,}"
    return f"{expected}; skipped {why}{more}" if why else expected


def _plain(path: Path) -> Path:
    """Make a path absolute, without `..`; links are not resolved."""
    return Path(os.path.abspath(path))
