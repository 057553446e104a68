"""The verbs that back up an index: snapshot, restore."""

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
    """Write an embedded index to one file. The file appears when it is complete; `restore` checks it by hash."""
    from lookalike.console import print_data
    from lookalike.index.embedded.folder import FolderLocation
    from lookalike.index.embedded.snapshot import snapshot
    from lookalike.index.open import location_of

    location = location_of(index)
    if not isinstance(location, FolderLocation):
        raise IndexStoreError(
            f"{location}: on a Qdrant server; use the server's own snapshots: POST /collections/NAME/snapshots for the"
            " collection and for the one whose name ends with -ledger"
        )
    manifest = snapshot(location, out)
    summary = {"out": str(out), "space": manifest.spec["space"], "points": manifest.points}
    summary |= {"sources": manifest.sources, "members": len(manifest.members), "bytes": out.stat().st_size}
    print_data(json.dumps(summary))


@app.command(help_epilogue="Example: `lookalike restore index.tar --index restored/`")
def restore(
    archive: Annotated[Path, Parameter(help="File that `lookalike snapshot` wrote.")],
    *,
    index: Annotated[Path, Parameter(name="--index", help="Folder to restore to, new or empty.")],
) -> None:
    """Restore an embedded index from a snapshot. Every part is checked first; an altered file restores nothing."""
    from lookalike.console import print_data
    from lookalike.index.embedded.snapshot import restore

    manifest = restore(archive, index)
    summary = {"index": str(index), "space": manifest.spec["space"], "points": manifest.points}
    print_data(json.dumps(summary | {"sources": manifest.sources}))
