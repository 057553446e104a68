"""Read an HLS recording on disk, a playlist and its segments, as one file. Source: RFC 8216.

FFmpeg's reader is not used, since it opens everything that a playlist names, also over the network.
"""

from __future__ import annotations

import io
import os
import re
import stat
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from lookalike.errors import FootageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SUFFIX = ".m3u8"
MAX_BYTES = 16 * 1024 * 1024  # of a playlist; 100,000 segments take a third of it
MASTER = ("#EXT-X-STREAM-INF", "#EXT-X-I-FRAME-STREAM-INF", "#EXT-X-MEDIA:")
REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|[/\\]")  # a scheme, a host or the root. Source: RFC 3986, 4.1
VARIANTS_SHOWN = 5


class MasterPlaylist(FootageError):
    """A playlist of playlists. variants: their names, unopened."""

    def __init__(self, path: str, variants: list[str]) -> None:
        shown = ", ".join(variants[:VARIANTS_SHOWN]) + (", ..." if len(variants) > VARIANTS_SHOWN else "")
        super().__init__(f"{path}: a master playlist, expected one of its variants: {shown or 'it names none'}")
        self.variants = variants


@dataclass(frozen=True)
class Piece:
    """`length` bytes of a file, from `start` on."""

    path: Path
    start: int
    length: int


@dataclass(frozen=True)
class Playlist:
    """pieces: the segments in order, after their initialisation section. format: of the joined bytes."""

    pieces: tuple[Piece, ...]
    format: Literal["mpegts", "mp4"]

    @property
    def size_bytes(self) -> int:
        return sum(piece.length for piece in self.pieces)


def is_playlist(path: str) -> bool:
    """Whether a path has the suffix of a playlist."""
    return path.lower().endswith(SUFFIX)


def read_playlist(path: str) -> Playlist:
    """Find the segments of a recording, without opening them.

    Raises: FootageError if it is not a playlist of segments, or a segment is encrypted, missing, or not a file below
    the playlist's folder; OSError.
    """
    lines = _lines(path)
    if not lines or lines[0] != "#EXTM3U":
        raise FootageError(f"{path}: not an HLS playlist, expected #EXTM3U in its first line")
    if any(line.startswith(MASTER) for line in lines):
        raise MasterPlaylist(path, [line for line in lines if not line.startswith("#")])
    if not any(line.startswith("#EXT-X-TARGETDURATION:") for line in lines):
        raise FootageError(f"{path}: not an HLS playlist, expected #EXT-X-TARGETDURATION")
    reader = _Reader(path)
    for line in lines:
        reader.take(line)
    if not reader.pieces:
        raise FootageError(f"{path}: no segments")
    pieces = (reader.init, *reader.pieces) if reader.init else tuple(reader.pieces)
    return Playlist(pieces, "mp4" if reader.init else "mpegts")


def open_bytes(path: str) -> io.RawIOBase | io.BufferedReader:
    """Open a recording; a playlist as the bytes of its segments. Raises: FootageError, OSError."""
    return Joined(read_playlist(path), path) if is_playlist(path) else Path(path).open("rb")


def stamp(path: str) -> tuple[int, int]:
    """Return the total size of a playlist's segments, and their latest change; zeros for other files.

    Raises: as `read_playlist`.
    """
    if not is_playlist(path):
        return 0, 0
    playlist = read_playlist(path)
    return playlist.size_bytes, max(os.stat(piece.path).st_mtime_ns for piece in playlist.pieces)


def segments_of(paths: Sequence[str]) -> set[str]:
    """Return the real paths of files that are part of a playlist among `paths`: its segments, and master playlists
    whose variants are among `paths`. Unreadable playlists are ignored here; reading them reports the error."""
    parts = set[str]()
    playlists = {os.path.realpath(path): path for path in paths if is_playlist(path)}
    for real, path in playlists.items():
        try:
            parts |= {str(piece.path) for piece in read_playlist(path).pieces}
        except MasterPlaylist as master:
            if master.variants and {_variant(path, name) for name in master.variants} <= playlists.keys():
                parts.add(real)
        except (FootageError, OSError, ValueError):
            continue
    return parts


def without_segments(paths: Sequence[str]) -> set[str]:
    """Return the paths of a folder that are recordings, without segments and masters of playlists among them."""
    parts, folders = segments_of(paths), dict[str, str]()
    if not parts:
        return set(paths)

    def real(path: str) -> str:
        folder, name = os.path.split(path)
        if folder not in folders:  # resolve links once per folder: a camera writes thousands of segments to it
            folders[folder] = os.path.realpath(folder)
        return os.path.join(folders[folder], name)

    return {path for path in paths if real(path) not in parts}


def _variant(master: str, name: str) -> str:
    return os.path.realpath(Path(master).parent / unquote(name).replace("\0", ""))


class Joined(io.RawIOBase):
    """The pieces of a playlist as one file to read; at most one of them is open."""

    def __init__(self, playlist: Playlist, name: str) -> None:
        self.name = name
        self._pieces = [piece for piece in playlist.pieces if piece.length]
        self._starts = [0, *accumulate(piece.length for piece in self._pieces)]
        self._at = 0
        self._file: io.BufferedReader | None = None
        self._opened = -1  # which piece that is

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(offset + (0, self._at, self._starts[-1])[whence], 0)
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        number = bisect_right(self._starts, self._at) - 1
        if number >= len(self._pieces):
            return 0
        piece, within = self._pieces[number], self._at - self._starts[number]
        file = self._open(number)
        file.seek(piece.start + within)
        count = file.readinto(memoryview(buffer)[: piece.length - within])
        if not count:
            raise OSError(f"{piece.path}: the file became shorter while it was read")
        self._at += count
        return count

    def close(self) -> None:
        if self._file:
            self._file.close()
        super().close()

    def _open(self, number: int) -> io.BufferedReader:
        if self._file is None or number != self._opened:
            if self._file:
                self._file.close()
            self._file, self._opened = self._pieces[number].path.open("rb"), number
        return self._file


@dataclass
class _Reader:
    """Reads a media playlist line by line."""

    path: str
    init: Piece | None = None
    pieces: list[Piece] = field(default_factory=list)
    _range: str | None = None
    _gap: bool = False
    _folder: Path | None = None  # its real path

    def take(self, line: str) -> None:
        tag, _, value = line.partition(":")
        if tag == "#EXT-X-KEY" and _attributes(value).get("METHOD") != "NONE":
            raise FootageError(f"{self.path}: its segments are encrypted (#EXT-X-KEY), which is not supported")
        if tag == "#EXT-X-MAP":
            self._initialise(_attributes(value))
        elif tag == "#EXT-X-BYTERANGE":
            self._range = value
        elif tag == "#EXT-X-GAP":
            self._gap = True
        elif not line.startswith("#"):
            if not self._gap:  # a segment that was never written
                self.pieces.append(self._piece(line, self._range, self.pieces[-1] if self.pieces else None))
            self._range, self._gap = None, False

    def _initialise(self, attributes: dict[str, str]) -> None:
        piece = self._piece(attributes.get("URI", ""), attributes.get("BYTERANGE"), None)
        if self.pieces and piece != self.init:
            raise FootageError(f"{self.path}: another #EXT-X-MAP after the first segments, which is not supported")
        self.init = piece

    def _piece(self, name: str, byte_range: str | None, before: Piece | None) -> Piece:
        path, size = self._file(name)
        if byte_range is None:
            return Piece(path, 0, size)
        match = re.fullmatch(r"(\d{1,18})(?:@(\d{1,18}))?", byte_range.strip())
        if not match or (match[2] is None and (before is None or before.path != path)):
            raise FootageError(f"{self.path}: the byte range {byte_range!r} of {name}, expected LENGTH@START")
        start = int(match[2]) if match[2] else before.start + before.length if before else 0
        if start + int(match[1]) > size:
            raise FootageError(f"{self.path}: the byte range {byte_range!r} of {name} is past its end, {size:,} bytes")
        return Piece(path, start, int(match[1]))

    def _file(self, name: str) -> tuple[Path, int]:
        """Return the real path of a segment, and its size."""
        if not name or "\0" in name or REMOTE.match(name):
            raise FootageError(f"{self.path}: the segment {name!r}, expected the name of a file next to the playlist")
        folder = self._folder = self._folder or Path(os.path.realpath(Path(self.path).parent))
        for written in (name, unquote(name)):
            path = folder / written
            if "/" in written or path.is_symlink():
                path = Path(os.path.realpath(path))
            if not path.is_relative_to(folder):
                raise FootageError(f"{self.path}: the segment {name!r} leads out of the playlist's folder")
            try:
                about = path.stat()
            except (OSError, ValueError):
                continue
            if not stat.S_ISREG(about.st_mode):
                raise FootageError(f"{self.path}: the segment {name!r} is not a regular file")
            return path, about.st_size
        raise FootageError(f"{self.path}: the segment {name!r}: no such file")


def _lines(path: str) -> list[str]:
    """Read the lines, stripped, without empty ones. Raises: FootageError if the file is not text, or too long."""
    with Path(path).open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise FootageError(f"{path}: more than {MAX_BYTES:,} bytes, not an HLS playlist")
    try:
        return list(filter(None, map(str.strip, _split(data.decode("utf-8-sig")))))
    except UnicodeDecodeError:
        raise FootageError(f"{path}: not an HLS playlist, expected text in UTF-8") from None


def _split(text: str) -> Iterator[str]:
    yield from re.split(r"\r?\n", text)  # not `splitlines`: names may hold other separators


def _attributes(text: str) -> dict[str, str]:
    """Parse an attribute list. Source: RFC 8216, 4.2."""
    return {name: quoted or plain for name, quoted, plain in re.findall(r'([A-Z0-9-]+)=(?:"([^"]*)"|([^,]*))', text)}
