"""The ledger of an embedded index, when something goes wrong."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lookalike.errors import IndexStoreError
from lookalike.index import SourceRecord
from lookalike.index.embedded.ledger import Ledger

RECORDS = [SourceRecord(f"s{number}", "all", f"{number}.mp4", 1, 1) for number in range(3)]


@pytest.mark.trust
def test_after_a_write_that_failed_the_next_one_succeeds(tmp_path: Path) -> None:
    """A backup reads the file: a commit waits for it, and then fails. The transaction must not stay open."""
    with (
        closing(Ledger(tmp_path / "ledger.sqlite")) as ledger,
        closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as backup,
    ):
        ledger.write(RECORDS[:2])
        ledger._file.execute("PRAGMA busy_timeout = 0")  # fail at once
        reading = backup.execute("SELECT * FROM finished")
        reading.fetchone()
        with pytest.raises(IndexStoreError, match="cannot write the ledger"):
            ledger.write(RECORDS[2:])
        assert list(ledger.all()) == RECORDS[:2]
        reading.close()
        ledger.write(RECORDS[2:])
        assert list(ledger.all()) == RECORDS
