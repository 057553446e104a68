"""The verbs that keep an index safe: snapshot, restore."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from lookalike.cli.flags import IndexAt, app
from lookalike.errors import IndexStoreError


@app.command(help_epilogue="Example: `lookalike snapshot --index index/ --out index.tar`")
def snapshot(
    *,
    index: IndexAt,
    out: Annotated[Path, Parameter(help="File to write; compressed if its name ends with .gz.")],
) -> None:
    """Write an embedded index to one file. It has its name when it is whole; `restore` checks it by hash."""
    from lookalike.console import print_data
    from lookalike.index.folder import FolderLocation
    from lookalike.index.open import location_of
    from lookalike.index.snapshot import snapshot

    location = location_of(index)
    if not isinstance(location, FolderLocation):
        raise IndexStoreError(
            f"{location}: on a Qdrant server, whose own snapshots hold it: POST /collections/NAME/snapshots for the"
            " collection and for the one whose name ends with -ledger"
        )
    made = snapshot(location, out)
    told = {"out": str(out), "space": made.spec["space"], "points": made.points, "sources": made.sources}
    print_data(json.dumps(told | {"members": len(made.members), "bytes": out.stat().st_size}))


@app.command(help_epilogue="Example: `lookalike restore index.tar --index restored/`")
def restore(
    archive: Annotated[Path, Parameter(help="File that `lookalike snapshot` wrote.")],
    *,
    index: Annotated[Path, Parameter(name="--index", help="Folder to make the index in: a new one, or an empty one.")],
) -> None:
    """Make an embedded index of a snapshot. All of it is checked first; a file that was altered changes nothing."""
    from lookalike.console import print_data
    from lookalike.index.snapshot import restore

    made = restore(archive, index)
    told = {"index": str(index), "space": made.spec["space"], "points": made.points, "sources": made.sources}
    print_data(json.dumps(told))
