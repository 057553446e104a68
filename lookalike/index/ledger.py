"""Which sources are in an embedded index from end to end: a SQLite file beside the shard."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from lookalike.errors import IndexStoreError
from lookalike.index.schema import Finished

_TABLE = """CREATE TABLE IF NOT EXISTS finished (
  source_id TEXT, sampler TEXT, source TEXT, frames INTEGER, stored INTEGER, reason TEXT,
  PRIMARY KEY (source_id, sampler)
)"""


class Ledger:
    """Entries survive a crash once `write` has returned. May be used from any thread."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it. Raises: IndexStoreError if it is broken or cannot be written."""
        self._path = path
        try:
            self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._file.execute(_TABLE)
        except sqlite3.Error as error:
            raise IndexStoreError(
                f"{path}: cannot open the ledger ({error}); remove it, and all is read again"
            ) from error

    def read(self, source_id: str, sampler: str) -> Finished | None:
        row = self._file.execute(
            "SELECT source, frames, stored, reason FROM finished WHERE source_id = ? AND sampler = ?",
            (source_id, sampler),
        ).fetchone()
        return Finished(source_id, sampler, *row) if row else None

    def write(self, finished: Iterable[Finished]) -> None:
        """Raises: IndexStoreError if the disk is full, or gone."""
        rows = [(one.source_id, one.sampler, one.source, one.frames, one.stored, one.reason) for one in finished]
        try:
            self._file.execute("BEGIN")
            self._file.executemany("INSERT OR REPLACE INTO finished VALUES (?, ?, ?, ?, ?, ?)", rows)
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            raise IndexStoreError(f"{self._path}: cannot write the ledger ({error})") from error

    def all(self) -> Iterator[Finished]:
        columns = "source_id, sampler, source, frames, stored, reason"
        for row in self._file.execute(f"SELECT {columns} FROM finished ORDER BY source, sampler"):
            yield Finished(*row)

    def remove(self, source_ids: Iterable[str]) -> None:
        """Raises: IndexStoreError as `write` does."""
        try:
            self._file.execute("BEGIN")
            self._file.executemany("DELETE FROM finished WHERE source_id = ?", [(one,) for one in source_ids])
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            raise IndexStoreError(f"{self._path}: cannot write the ledger ({error})") from error

    def close(self) -> None:
        self._file.close()
