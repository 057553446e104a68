"""Calls that change a shard, in order, in a file that nobody else sees: a long build would fill the memory."""

from __future__ import annotations

import pickle
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

Change = tuple[str, tuple[Any, ...]]  # an operation, and its arguments


class Changes:
    """May be used from any thread."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (open for as long as this is)
        self._turn = threading.Lock()
        self._count = self._read = self._at = 0

    def add(self, operation: str, *arguments: Any) -> None:
        """Raises: OSError if its disk is full."""
        with self._turn:
            self._file.seek(0, 2)
            pickle.dump((operation, arguments), self._file)
            self._file.flush()
            self._count += 1

    def new(self) -> Iterator[Change]:
        """Those that were not given before; until none is left."""
        while True:
            with self._turn:
                if self._read == self._count:
                    return
                change, self._at = self._at_offset(self._at)
                self._read += 1
            yield change

    def all(self) -> Iterator[Change]:
        """Every one, given before or not."""
        offset = 0
        for _ in range(self._count):
            with self._turn:
                change, offset = self._at_offset(offset)
            yield change

    def _at_offset(self, offset: int) -> tuple[Change, int]:
        """A change, and where the next one begins."""
        self._file.seek(offset)
        return pickle.load(self._file), self._file.tell()
