"""The complete sources of an embedded index, in a SQLite file next to the shard."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lookalike.errors import IndexStoreError
from lookalike.index.schema import SourceRecord

LEDGER = "ledger.sqlite"
_COLUMNS = {
    "source_id": "TEXT",
    "sampler": "TEXT",
    "source": "TEXT",
    "frames": "INTEGER",
    "stored": "INTEGER",
    "reason": "TEXT",
    "camera": "TEXT",
    "began_at": "TEXT",
    "clock_restarts": "INTEGER NOT NULL DEFAULT 0",
}
# The table keeps its first name, so that existing ledgers can be read.
_TABLE = f"""CREATE TABLE IF NOT EXISTS finished (
  {", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())}, PRIMARY KEY (source_id, sampler)
)"""
_READ = f"SELECT {', '.join(_COLUMNS)} FROM finished"


class Ledger:
    """Records of complete sources, durable once `write` has returned. May be used from any thread."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises: IndexStoreError if it is broken or cannot be written."""
        self._path, self._writing = path, threading.Lock()  # one transaction at a time
        try:
            self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            # With less, the last transaction may be undone by a power loss. Source: SQLite, PRAGMA synchronous.
            self._file.execute("PRAGMA synchronous = EXTRA")
            self._file.execute(_TABLE)
            self._add_new_columns()
        except sqlite3.Error as error:
            raise IndexStoreError(
                f"{path}: cannot open the ledger ({error}); remove it, and all sources are read again"
            ) from error

    def read(self, source_id: str, sampler: str) -> SourceRecord | None:
        """Return the record of a source. Raises: IndexStoreError if the file is broken."""
        return next(self._rows("WHERE source_id = ? AND sampler = ?", (source_id, sampler)), None)

    def write(self, records: Iterable[SourceRecord]) -> None:
        """Add or replace records. Raises: IndexStoreError if the disk is full or missing."""
        rows = [tuple(getattr(record, name) for name in _COLUMNS) for record in records]
        places = ", ".join("?" * len(_COLUMNS))
        self._change(f"INSERT OR REPLACE INTO finished ({', '.join(_COLUMNS)}) VALUES ({places})", rows)

    def all(self) -> Iterator[SourceRecord]:
        """Yield all records. Raises: IndexStoreError if the file is broken."""
        return self._rows("ORDER BY source, sampler")

    def remove(self, source_ids: Iterable[str]) -> None:
        """Remove the records of sources. Raises: as `write`."""
        self._change("DELETE FROM finished WHERE source_id = ?", [(source_id,) for source_id in source_ids])

    def _rows(self, rest: str, values: Sequence[str] = ()) -> Iterator[SourceRecord]:
        try:
            for row in self._file.execute(f"{_READ} {rest}", values):
                yield SourceRecord(*row)
        except sqlite3.Error as error:
            raise IndexStoreError(f"{self._path}: cannot read the ledger ({error})") from error

    def _change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        try:
            with self._writing, self._file:  # commits, or rolls back: an open transaction would refuse all later ones
                self._file.execute("BEGIN")
                self._file.executemany(statement, rows)
        except sqlite3.Error as error:
            raise IndexStoreError(f"{self._path}: cannot write the ledger ({error})") from error

    def _add_new_columns(self) -> None:
        """Add the columns that an earlier version did not have."""
        existing = {row[1] for row in self._file.execute("PRAGMA table_info(finished)")}
        for name in _COLUMNS.keys() - existing:
            self._file.execute(f"ALTER TABLE finished ADD COLUMN {name} {_COLUMNS[name]}")
            if name == "stored":
                self._file.execute("UPDATE finished SET stored = frames")

    def close(self) -> None:
        self._file.close()


class WithLedger:
    """The methods of an engine that has its own ledger."""

    _ledger: Ledger

    def source_record(self, source_id: str, sampler: str) -> SourceRecord | None:
        return self._ledger.read(source_id, sampler)

    def mark_complete(self, records: Sequence[SourceRecord]) -> None:
        self._ledger.write(records)

    def source_records(self) -> Iterator[SourceRecord]:
        return self._ledger.all()

    def unmark(self, source_ids: Collection[str]) -> None:
        self._ledger.remove(source_ids)
