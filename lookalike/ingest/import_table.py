"""The Parquet file of `lookalike embed` -> index."""

from __future__ import annotations

from pathlib import Path

from lookalike.files.regular import check_regular
from lookalike.footage import Skipped
from lookalike.index import FrameIndex
from lookalike.ingest.batches import rows_of
from lookalike.ingest.embed import OnFrames
from lookalike.ingest.summary import NAMED_ROWS, Summary
from lookalike.ingest.table import checked, read_tables
from lookalike.ingest.table_try import check_survives


def import_frames(path: Path, index: FrameIndex, on_frames: OnFrames) -> Summary:
    """Store the frames of a Parquet file that `lookalike embed` wrote. Bad rows are left out, and counted.

    A service opens no recording that only a table names: its frames are marked, see `FrameIndex.add`.
    Raises: FootageError, SpaceMismatch as `read_tables`; FootageError as `check_survives`, or if it is not a regular
    file.
    """
    check_regular(path)
    check_survives(path, index.spec)
    summary, row = Summary(sources=1), 0
    for table in read_tables(path, index.spec):
        rows = checked(table, index.spec.dim, row)
        row += table.num_rows
        summary.refuse(path, rows.refused)
        if rows.frames:
            if new := index.missing(rows.frames):
                index.add(new, rows.embeddings[rows_of(new, rows.frames)], remote=True)
            summary.added += len(new)
            summary.saw(rows.frames)
            on_frames(rows.frames)
    if (more := summary.refused - NAMED_ROWS) > 0:
        summary.skipped.append(Skipped(str(path), f"{more:,} more rows refused", 0))
    index.mark_complete([])
    if summary.added or index.lacks_graph():
        index.optimize()
    return summary
