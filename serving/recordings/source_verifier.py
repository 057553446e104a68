"""Checks that a recording is still the one that was indexed."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from lookalike.errors import FootageError
from lookalike.footage.archive import inside
from lookalike.footage.playlist import stamp
from lookalike.footage.read import identify
from lookalike.footage.sources import split_track, stored_source
from lookalike.footage.url import is_stream

RECORDINGS = 100_000  # whose ids are cached


class SourceVerifier:
    """Reads each recording once, and again when its size or times have changed.

    Safe to use from any thread.
    """

    def __init__(self) -> None:
        self._id_of = lru_cache(RECORDINGS)(_id_of)

    def check(self, source: str, source_id: str) -> None:
        """Raises: FootageError if the file is missing, or has other bytes than when it was indexed."""
        if is_stream(source):
            raise FootageError(f"{source}: a stream, which was not recorded")
        in_zip = inside(source)
        try:
            status = (in_zip[0] if in_zip else Path(split_track(source)[0])).stat()
            times = status.st_mtime_ns, status.st_ctime_ns  # whoever overwrites a file can set the first only
            about = status.st_size, *times, status.st_ino, *stamp(split_track(source)[0])
        except OSError as error:
            raise FootageError(f"{source}: no such file; it was moved or removed after it was indexed") from error
        if self._id_of(source, *about) != source_id:
            raise FootageError(f"{source}: another file than the one that was indexed; index it again")


def _id_of(source: str, *_: int) -> str:
    try:
        return identify(stored_source(source))
    except (OSError, KeyError) as error:
        raise FootageError(f"{source}: cannot be read ({error})") from error
