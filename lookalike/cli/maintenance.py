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
    """Print what an index holds, by camera."""
    from lookalike.console import print_data
    from lookalike.index.maintenance import stats

    with open_stored(index, encoder) as store:
        cameras = stats(store)
    if not json_:
        print_data(f"{'frames':>10}  {'regions':>8}  {'sources':>8}  {'first':>27}  {'last':>27}  camera")
    for camera in cameras:
        counts = f"{camera.frames:10,}  {camera.regions:8,}  {camera.sources:8,}"
        line = f"{counts}  {camera.first or '-':>27}  {camera.last or '-':>27}  {camera.camera}"
        print_data(json.dumps(camera.to_dict()) if json_ else line)


@app.command(help_epilogue="Example: `lookalike verify --index index/`")
def verify(*, index: IndexAt, encoder: StoredEncoder = None) -> None:
    """Check that the source of each frame exists, and that no frames are missing. Prints the result as JSON."""
    from lookalike.console import print_data, say
    from lookalike.index.maintenance import verify

    with open_stored(index, encoder) as store:
        verdict = verify(store)
    print_data(json.dumps(verdict.to_dict()))
    for source in verdict.gone:
        say(f"gone: {source}; if it was removed on purpose: lookalike forget --source {source}")
    for source, stored, expected in verdict.short:
        say(f"short: {source}: {stored} frames of {expected}; forget it and index it again")
    if not verdict.good:
        sys.exit(1)


@app.command(help_epilogue="Example: `lookalike forget --camera gate --before 2026-01-05 --index index/`")
def forget(
    *,
    index: IndexAt,
    encoder: StoredEncoder = None,
    before: Annotated[
        str | None,
        Parameter(help="Only frames recorded before this date and time (ISO 8601). Frames without a date are kept."),
    ] = None,
    camera: Annotated[tuple[str, ...], Parameter(help="Only these cameras; may be repeated.", negative="")] = (),
    source: Annotated[
        tuple[str, ...], Parameter(help="Only these sources, named as hits name them; may be repeated.", negative="")
    ] = (),
) -> None:
    """Remove the frames that match all given filters from an index. Recordings are not touched."""
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
        say("no frame matches the filters; cameras are as in `lookalike stats`, sources as in hits")
    if removed and another:
        say("the index has a generation of another encoder: forget there as well, or lookalike reindex --discard")
