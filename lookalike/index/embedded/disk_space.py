"""Room on the disk of an index, looked at before each write: its files are mapped, and a full disk kills who writes.

A page of a mapped file that finds no room on the disk is a SIGBUS, which no process survives. Source: mmap(2).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from lookalike.errors import DiskFull, IndexStoreError, LookalikeError

MIB = 1024 * 1024
VARIABLE = "LOOKALIKE_MIN_FREE_MB"
MIN_FREE_MB = 256  # the engine's files grow by up to 32 MiB at once, and others write to the same disk
HOLES_VALID_S = 1.0  # what was counted: to look at all files takes as long as to store some frames
GIVES_BACK = 0.5  # of the margin, for changes that may free room later, such as deletes


def read_min_free(env: Mapping[str, str] = os.environ) -> int:
    """Read LOOKALIKE_MIN_FREE_MB, MiB; MIN_FREE_MB if it is not set.

    Raises: LookalikeError if it is not a whole number from 0.
    """
    text = env.get(VARIABLE) or str(MIN_FREE_MB)
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise LookalikeError(f"{VARIABLE} is {text!r}, expected a whole number of MiB from 0")
    return int(text)


class Room:
    """The room for an index in a folder. May be used from any thread."""

    def __init__(self, folder: Path) -> None:
        """folder: it exists. Raises: LookalikeError as `read_min_free`."""
        self._folder, self._min_free = folder, read_min_free() * MIB
        self._identity = _identity(folder)
        self._holes, self._holes_until_s = 0, 0.0

    def check(self, share: float = 1.0, more_bytes: int = 0) -> None:
        """Call it before a write. share: of the margin. more_bytes: that the write takes.

        Raises: DiskFull; IndexStoreError if the folder was removed, replaced, or cannot be written.
        """
        if (trouble := self.trouble()) is not None:
            raise IndexStoreError(f"{self._folder}: {trouble}")
        free, needed = shutil.disk_usage(self._folder).free, int(self._min_free * share) + more_bytes
        if free < needed:
            raise DiskFull(
                f"{self._folder}: {free // MIB:,} MiB are free on its disk, expected at least {needed // MIB:,};"
                " make room, or lower --min-free-mb"
            )

    def check_write(self, shard: Path, share: float = 1.0) -> None:
        """Call it before frames of a shard are written: there must be room to open it again afterwards, too.

        Raises: as `check`.
        """
        if time.monotonic() >= self._holes_until_s:
            self._count_holes(shard)
        try:
            self.check(share, self._holes)
        except DiskFull:  # the engine may have filled them since they were counted, so that they would count twice
            self._count_holes(shard)
            self.check(share, self._holes)

    def _count_holes(self, shard: Path) -> None:
        self._holes, self._holes_until_s = hole_bytes(shard), time.monotonic() + HOLES_VALID_S

    def check_open(self, shard: Path) -> None:
        """Call it before a shard is opened, or made: the engine fills the holes of its files as it opens them.

        Raises: as `check`.
        """
        if not shard.exists():
            self.check()
        elif os.access(self._folder, os.W_OK):  # a file system that may only be read has no room, and needs none
            self.check(share=0.0, more_bytes=hole_bytes(shard))

    def check_graph(self, shard: Path, copies: int) -> None:
        """Call it before a graph is built. copies: of the shard, that there are meanwhile. Raises: as `check`."""
        self.check(more_bytes=copies * size_bytes(shard))

    def trouble(self, writes: bool = True) -> str | None:
        """Why the folder is not what it was, in one line; None if it is. writes: whether it must be writable."""
        if _identity(self._folder) != self._identity:
            return "the folder of the index was removed or replaced; start again"
        if writes and not os.access(self._folder, os.W_OK):
            return "the folder of the index cannot be written"
        return None


def size_bytes(folder: Path) -> int:
    """What the files below a folder take on the disk, holes left out."""
    return sum(taken for taken, _ in _files(folder))


def hole_bytes(folder: Path) -> int:
    """What the holes in the files below a folder would take on the disk."""
    return sum(max(length - taken, 0) for taken, length in _files(folder))


def _files(folder: Path) -> Iterator[tuple[int, int]]:
    """Yields: of each file below a folder, the bytes on the disk and its length. Files that go away are skipped."""
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.stat(os.path.join(parent, name))
            except OSError:
                continue
            yield getattr(status, "st_blocks", status.st_size // 512) * 512, status.st_size


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
