"""Files that can be made again, cached in a folder up to a size limit."""

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

from lookalike.files import durable

logger = logging.getLogger("bentoml.lookalike")

PART = ".part"  # ends the name of a file that is being written
ABANDONED_S = 3600.0  # a part that was not written to for so long was left by a killed process
RECOUNT = 1 / 16  # of the limit: after so many bytes were written, the files are counted again


def open_cache(folder: Path) -> Path:
    """This folder if it is writable; else a temporary one, with a warning in the log."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        temporary = tempfile.mkdtemp(prefix="lookalike-")
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)
        logger.warning("%s: cannot be written (%s); thumbnails are cached in %s", folder, error.strerror, temporary)
        return Path(temporary)


class DiskCache:
    """Files of one kind, by name. Safe to use from any thread, and from several processes.

    Past the limit, the least recently used files are removed.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder, self._limit = folder, limit_bytes
        self._written = limit_bytes  # since the last count; there was none yet
        self._warned = False

    def find(self, name: str) -> Path | None:
        """The path of a file; None if it is not cached."""
        path = self._folder / name
        try:
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
        except OSError:
            return None
        return path

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if it is not cached."""
        path = self.find(name)
        try:
            return path.read_bytes() if path else None
        except OSError:
            return None  # another process has removed it

    def put(self, name: str, data: bytes) -> Path | None:
        """Cache a file. Returns: its path; None if it could not be written, which is logged the first time."""
        try:
            with self.writing(name) as part:
                part.write_bytes(data)
        except OSError as error:
            self._warn(error)
            return None
        return self._folder / name

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yields: a path to write to. The file gets its name at the end of the block, and is removed if that fails.

        Raises: OSError.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(PART, f"{name}.", self._folder)
        os.close(handle)
        try:
            yield Path(part)
            size = Path(part).stat().st_size
            durable.sync(Path(part))  # a power loss may otherwise leave an empty file that has its name
            Path(part).replace(self._folder / name)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
        self._make_room(size)

    def _make_room(self, size: int) -> None:
        self._written += size
        if self._written <= self._limit * RECOUNT:
            return
        self._written = 0
        files = sorted(self._files(), key=lambda file: file[0], reverse=True)
        room = self._limit * (1 - RECOUNT)
        for number, (_, size_bytes, path) in enumerate(files):
            room -= size_bytes
            if room < 0 and number > 0:  # the most recent file stays, even if it alone is too large
                path.unlink(missing_ok=True)

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Yields: when each file was used last, its size and path. Removes abandoned parts."""
        for entry in os.scandir(self._folder):
            with suppress(OSError):  # another process may have removed it
                status = entry.stat()
                if not entry.name.endswith(PART):
                    yield status.st_atime, status.st_size, Path(entry.path)
                elif time.time() - status.st_mtime > ABANDONED_S:
                    os.unlink(entry.path)

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            logger.warning("%s: cannot be cached (%s); files are made each time", self._folder, error.strerror)
        self._warned = True
