"""The verbs that explore an index without a query: outliers, duplicates, cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from lookalike.cli.flags import (
    EVERY_FRAME,
    IndexAt,
    Json,
    StoredEncoder,
    WhichFrames,
    app,
    fail,
    filters_of,
    open_stored,
)

if TYPE_CHECKING:
    from lookalike.explore.cluster import Cluster
    from lookalike.index import FrameIndex
    from lookalike.report.sheet import Sheet

SheetFile = Annotated[
    Path | None,
    Parameter(help="Also write the moments as pictures to this HTML file, which needs no other files."),
]


@app.command(help_epilogue="Example: `lookalike outliers --index index/ --top 12 --sheet outliers.html`")
def outliers(
    *,
    index: IndexAt,
    encoder: StoredEncoder = None,
    top: Annotated[int, Parameter(help="How many moments to return.")] = 20,
    usual: Annotated[
        float, Parameter(help="A view is usual if its camera shows it for at least this share of its time.")
    ] = 0.1,
    sheet: SheetFile = None,
    which: WhichFrames = EVERY_FRAME,
    json_: Json = False,
) -> None:
    """Find the moments that least resemble what their camera usually shows.

    Ranked by percentile among all frames of the camera, then by distance: 1 - cosine similarity to usual views.
    """
    from lookalike.console import print_data, step_bar
    from lookalike.explore.outliers import outliers
    from lookalike.explore.sheets import outlier_sheet, span
    from lookalike.explore.stored import cameras

    if top < 1:
        fail(f"--top is {top}, expected at least 1", code=2)
    if not 0 < usual < 1:
        fail(f"--usual is {usual:g}, expected a share between 0 and 1", code=2)
    filters = filters_of(which)
    with open_stored(index, encoder) as store:
        frames = cameras(store, filters)
        with step_bar("comparing frames", frames.total()) as update:
            unusual = outliers(store, filters, sorted(frames), top, usual, update)
        if sheet:
            _write(outlier_sheet(unusual), sheet, store)
    if not json_:
        print_data(f"{'pct':>6}  {'dist':>5}  {'time':>9}  {'span':>15}  camera  source")
    for outlier in unusual:
        numbers = f"{outlier.percentile:6.2f}  {outlier.distance:5.3f}  {outlier.time_s:7.1f} s"
        line = f"{numbers}  {span(outlier.span_s):>15}  {outlier.camera}  {outlier.source}"
        print_data(json.dumps(outlier.to_dict()) if json_ else line)


@app.command(help_epilogue="Example: `lookalike duplicates --index index/ --sheet duplicates.html`")
def duplicates(
    *,
    index: IndexAt,
    encoder: StoredEncoder = None,
    min_score: Annotated[float, Parameter(help="Mean cosine similarity of two spans, at least.")] = 0.92,
    sheet: SheetFile = None,
    which: WhichFrames = EVERY_FRAME,
    json_: Json = False,
) -> None:
    """Find footage that is stored twice: spans of two recordings that change in the same way at the same time.

    Finds copies of 5 s or more in which something moves, also if they were trimmed, scaled or encoded again. Index at
    least 4 frames a second: with fewer, the frames of the two recordings may be too far apart.
    """
    from lookalike.console import print_data, step_bar
    from lookalike.explore.duplicates import duplicates, load_tracks
    from lookalike.explore.sheets import duplicate_sheet, span

    if not 0 <= min_score <= 1:
        fail(f"--min-score is {min_score:g}, expected from 0 to 1", code=2)
    filters = filters_of(which)
    with open_stored(index, encoder) as store:
        tracks = load_tracks(store, filters)
        with step_bar("comparing pairs", len(tracks) * (len(tracks) - 1) // 2) as update:
            pairs = duplicates(tracks, min_score, update)
        if sheet:
            _write(duplicate_sheet(pairs), sheet, store)
    if not json_:
        print_data(f"{'score':>6}  {'offset':>9}  {'span':>15}  {'other span':>15}  source  other source")
    for pair in pairs:
        line = f"{pair.similarity:6.3f}  {pair.offset_s:7.2f} s  {span(pair.span_s):>15}  {span(pair.other_span_s):>15}"
        print_data(json.dumps(pair.to_dict()) if json_ else f"{line}  {pair.source}  {pair.other_source}")


@app.command(help_epilogue="Example: `lookalike cluster --index index/ --clusters 6 --sheet groups.html`")
def cluster(
    *,
    index: IndexAt,
    encoder: StoredEncoder = None,
    clusters: Annotated[int, Parameter(help="How many clusters to make.")] = 8,
    each: Annotated[int, Parameter(help="How many moments to show of each cluster, at most.")] = 5,
    sheet: SheetFile = None,
    which: WhichFrames = EVERY_FRAME,
    json_: Json = False,
) -> None:
    """Group the frames of an index into clusters that resemble each other, with a few typical moments of each."""
    from lookalike.console import print_data
    from lookalike.explore.cluster import cluster
    from lookalike.explore.sheets import cluster_sheet

    for name, value in (("--clusters", clusters), ("--each", each)):
        if value < 1:
            fail(f"{name} is {value}, expected at least 1", code=2)
    filters = filters_of(which)
    with open_stored(index, encoder) as store:
        groups = cluster(store, filters, clusters, each)
        if sheet:
            _write(cluster_sheet(groups), sheet, store)
    if not json_:
        print_data(f"{'cluster':>7}  {'frames':>8}  cameras: frames; typical moments")
    for group in groups:
        print_data(json.dumps(group.to_dict()) if json_ else f"{group.number:7}  {group.frames:8,}  {_about(group)}")


def _about(cluster: Cluster) -> str:
    from lookalike.explore.sheets import cameras

    typical = ", ".join(f"{hit.source}@{hit.time_s:.1f}" for hit in cluster.representatives)
    return f"{cameras(cluster)}; {typical}"


def _write(sheet: Sheet, path: Path, store: FrameIndex) -> None:
    from lookalike.console import say, step_bar
    from lookalike.index.record import FROM_ELSEWHERE
    from lookalike.report.sheet import write_sheet

    may_open = store.read_here(sheet.sources)
    for source in sorted(sheet.sources - may_open):
        say(f"{source}: named {FROM_ELSEWHERE}, so not opened; index it on this machine to get its pictures")
    with step_bar("reading pictures", sheet.shots) as update:
        write_sheet(sheet, path, may_open, update)
    shots = [shot for strip in sheet.strips for shot in strip.shots if shot.source in may_open]
    say(f"{path}: {len(shots)} pictures")
