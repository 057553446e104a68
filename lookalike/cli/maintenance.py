"""The verbs that maintain an index: stats, verify, forget."""

from __future__ import annotations

import json
import sys
from datetime import UTC
from typing import Annotated

from cyclopts import Parameter

from lookalike.cli.flags import IndexAt, Json, StoredEncoder, app, fail, open_stored


@app.command(help_epilogue="Example: `lookalike stats --index index/`")
def stats(*, index: IndexAt, encoder: StoredEncoder = None, json_: Json = False) -> None:
    """Say what an index holds, camera by camera."""
    from lookalike.console import print_data
    from lookalike.index.maintenance import stats

    with open_stored(index, encoder) as store:
        found = stats(store)
    if not json_:
        print_data(f"{'frames':>10}  {'regions':>8}  {'sources':>8}  {'first':>27}  {'last':>27}  camera")
    for one in found:
        counts = f"{one.frames:10,}  {one.regions:8,}  {one.sources:8,}"
        line = f"{counts}  {one.first or '-':>27}  {one.last or '-':>27}  {one.camera}"
        print_data(json.dumps(one.to_dict()) if json_ else line)


@app.command(help_epilogue="Example: `lookalike verify --index index/`")
def verify(*, index: IndexAt, encoder: StoredEncoder = None) -> None:
    """Check that each stored frame still has its source, and that none is missing; prints what it found as JSON."""
    from lookalike.console import print_data, say
    from lookalike.index.maintenance import verify

    with open_stored(index, encoder) as store:
        found = verify(store)
    print_data(json.dumps(found.to_dict()))
    for source in found.gone:
        say(f"gone: {source}; if it is not to come back: lookalike forget --source {source}")
    for source, stored, said in found.short:
        say(f"short: {source}: {stored} frames of {said}; forget it and index it again")
    if not found.good:
        sys.exit(1)


@app.command(help_epilogue="Example: `lookalike forget --camera gate --before 2026-01-05 --index index/`")
def forget(
    *,
    index: IndexAt,
    encoder: StoredEncoder = None,
    before: Annotated[
        str | None,
        Parameter(help="Frames recorded before this date and time (ISO 8601); those of unknown date are kept."),
    ] = None,
    camera: Annotated[tuple[str, ...], Parameter(help="Only these cameras; may be repeated.", negative="")] = (),
    source: Annotated[
        tuple[str, ...], Parameter(help="Only these sources, named as hits name them; may be repeated.", negative="")
    ] = (),
) -> None:
    """Remove frames from an index: those that meet all of the conditions. The recordings are not touched."""
    from lookalike.console import print_data, say
    from lookalike.index import Filters
    from lookalike.index.filters import parse_before

    if not (before or camera or source):
        fail("expected --before, --camera or --source; to remove a whole index, remove its folder", code=2)
    try:
        filters = Filters(camera, until=parse_before(before, UTC) if before else None, sources=source)
    except ValueError as error:
        fail(str(error), code=2)
    with open_stored(index, encoder) as store:
        removed, another = store.forget(filters), store.has_another_generation()
        points = store.count()
    print_data(json.dumps({"index": index, "removed": removed, "points": points}))
    if not removed:
        say("no frame meets the conditions; cameras are as in `lookalike stats`, sources as in hits")
    if removed and another:
        say("the index holds a generation of another encoder: forget there as well, or lookalike reindex --discard")
