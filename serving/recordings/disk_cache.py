"""Files that were made once and may be made again: kept in a folder, as far as they fit."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

logger = logging.getLogger("bentoml.lookalike")

PART = ".part"  # ends the name of a file that is being written
ABANDONED_S = 3600.0  # a part that was not written to for so long is of a process that was killed
LOOK_EVERY = 1 / 16  # of the bound: when so much was written, what is there is counted anew


def open_cache(folder: Path) -> Path:
    """A folder that can be written to: this one; else, said once in the log, one that goes with this process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        other = tempfile.mkdtemp(prefix="lookalike-")
        atexit.register(shutil.rmtree, other, ignore_errors=True)
        logger.warning("%s: cannot be written (%s); thumbnails and such are kept in %s", folder, error.strerror, other)
        return Path(other)


class DiskCache:
    """Files of one kind, by name. May be used from any thread, and by several processes at a time.

    When they take more than the bound, those go that were not asked for the longest.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder, self._limit = folder, limit_bytes
        self._written = limit_bytes  # since they were counted; none were
        self._told = False

    def find(self, name: str) -> Path | None:
        """The file of this name, if it is kept."""
        path = self._folder / name
        try:
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
        except OSError:
            return None
        return path

    def read(self, name: str) -> bytes | None:
        path = self.find(name)
        try:
            return path.read_bytes() if path else None
        except OSError:
            return None  # it went meanwhile

    def put(self, name: str, data: bytes) -> Path | None:
        """Keep a file. Returns: where; None if it could not be written, which the first time is said in the log."""
        try:
            with self.writing(name) as part:
                part.write_bytes(data)
        except OSError as error:
            self._say(error)
            return None
        return self._folder / name

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yields: where to write a file, which has its name when the block has ended, and is gone if it fails.

        Raises: OSError.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(PART, f"{name}.", self._folder)
        os.close(handle)
        try:
            yield Path(part)
            size = Path(part).stat().st_size
            Path(part).replace(self._folder / name)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
        self._make_room(size)

    def _make_room(self, size: int) -> None:
        self._written += size
        if self._written <= self._limit * LOOK_EVERY:
            return
        self._written = 0
        files = sorted(self._files(), key=lambda file: file[0], reverse=True)
        room = self._limit * (1 - LOOK_EVERY)
        for number, (_, taken, path) in enumerate(files):
            room -= taken
            if room < 0 and number > 0:  # one that alone is too large was asked for just now
                path.unlink(missing_ok=True)

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """When each was asked for last, its size and path; what was abandoned half-written is removed."""
        for entry in os.scandir(self._folder):
            with suppress(OSError):  # another process may have removed it
                about = entry.stat()
                if not entry.name.endswith(PART):
                    yield about.st_atime, about.st_size, Path(entry.path)
                elif time.time() - about.st_mtime > ABANDONED_S:
                    os.unlink(entry.path)

    def _say(self, error: OSError) -> None:
        if not self._told:
            logger.warning("%s: nothing can be kept there (%s); it is made each time", self._folder, error.strerror)
        self._told = True
