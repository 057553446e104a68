"""Parquet files from elsewhere, as `lookalike index frames.parquet` reads them."""

from __future__ import annotations

import io
import os
import signal
import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lookalike.contract import EncoderSpec
from lookalike.errors import FootageError, SpaceMismatch
from lookalike.footage import Frame
from lookalike.index import StoredFrame
from lookalike.ingest.table import NO_PICTURE, checked, read_tables, to_table
from lookalike.region import Region
from tests.fuzz.target import Target, refused

SPEC = EncoderSpec("tiny", 32, 4, "0" * 64, 0, 0)
FOLDER = tempfile.TemporaryDirectory()
FILE = Path(FOLDER.name) / "x.parquet"


def run(data: bytes) -> None:
    FILE.write_bytes(data)
    if not _survives():
        return
    with refused(FootageError, SpaceMismatch):
        for table in read_tables(FILE, SPEC):
            rows = checked(table, SPEC.dim)
            assert len(rows.frames) == len(rows.embeddings)
            assert np.isfinite(rows.embeddings).all()
            for frame in rows.frames:
                StoredFrame.from_frame(frame).to_payload()


def _survives() -> bool:
    """Whether a copy of this process can read the file. `check_survives` is the same with a process of its own."""
    copy = os.fork()
    if not copy:
        os.closerange(1, 3)  # what it says as it ends
        for number in (signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV):
            signal.signal(number, signal.SIG_DFL)  # the fuzzer's own would report it
        with suppress(Exception):
            for _ in read_tables(FILE, SPEC):
                pass
        os._exit(0)
    return os.waitpid(copy, 0)[1] == 0


def seeds() -> list[bytes]:
    at = datetime(2026, 1, 5, 8, tzinfo=UTC)
    whole = [Frame(NO_PICTURE, "a.mp4", "a" * 64, "gate", n / 10, n * 100_000, at, (64, 48), 90.0) for n in range(2)]
    frames = [*whole, replace(whole[0], region=Region(0, 0, 0.5, 1))]
    table = to_table(frames, np.eye(3, SPEC.dim, dtype=np.float32), SPEC)
    return [_file(table, "snappy", True), _file(table, "zstd", True), _file(table, "none", False)]


def _file(table: pa.Table, compression: str, use_dictionary: bool) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, compression=compression, use_dictionary=use_dictionary)
    return file.getvalue()


TARGET = Target(run, seeds, 16_384)
