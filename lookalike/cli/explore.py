"""The verbs that look through an index without a question: outliers, duplicates, cluster."""

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
    Parameter(help="HTML file to write as well: the moments as pictures, on a page that needs nothing else."),
]


@app.command(help_epilogue="Example: `lookalike outliers --index index/ --top 12 --sheet outliers.html`")
def outliers(
    *,
    index: IndexAt,
    encoder: StoredEncoder = None,
    top: Annotated[int, Parameter(help="How many moments to answer.")] = 20,
    usual: Annotated[
        float, Parameter(help="A view that its camera shows for this share of its time, or more, is usual.")
    ] = 0.1,
    sheet: SheetFile = None,
    which: WhichFrames = EVERY_FRAME,
    json_: Json = False,
) -> None:
    """Find the moments that least resemble what their camera usually shows.

    Ranked by percentile among all frames of the camera, then by distance: 1 - cosine similarity to what is usual.
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
            found = outliers(store, filters, sorted(frames), top, usual, update)
        if sheet:
            _write(outlier_sheet(found), sheet, store)
    if not json_:
        print_data(f"{'pct':>6}  {'dist':>5}  {'time':>9}  {'span':>15}  camera  source")
    for one in found:
        line = f"{one.percentile:6.2f}  {one.distance:5.3f}  {one.time_s:7.1f} s  {span(one.span_s):>15}"
        print_data(json.dumps(one.to_dict()) if json_ else f"{line}  {one.camera}  {one.source}")


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
    """Find footage that is stored twice: spans of two recordings that go through the same changes at the same time.

    Copies are found that were trimmed, scaled or encoded again, of 5 s or more in which something moves. Index 4 frames
    a second or more: with fewer, those of a copy may lie too far from those of the other.
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
            found = duplicates(tracks, min_score, update)
        if sheet:
            _write(duplicate_sheet(found), sheet, store)
    if not json_:
        print_data(f"{'score':>6}  {'offset':>9}  {'span':>15}  {'other span':>15}  source  other source")
    for one in found:
        line = f"{one.similarity:6.3f}  {one.offset_s:7.2f} s  {span(one.span_s):>15}  {span(one.other_span_s):>15}"
        print_data(json.dumps(one.to_dict()) if json_ else f"{line}  {one.source}  {one.other_source}")


@app.command(help_epilogue="Example: `lookalike cluster --index index/ --clusters 6 --sheet groups.html`")
def cluster(
    *,
    index: IndexAt,
    encoder: StoredEncoder = None,
    clusters: Annotated[int, Parameter(help="How many groups of frames to make.")] = 8,
    each: Annotated[int, Parameter(help="How many moments show each group, at most.")] = 5,
    sheet: SheetFile = None,
    which: WhichFrames = EVERY_FRAME,
    json_: Json = False,
) -> None:
    """Say what an index shows in the main: groups of frames that resemble each other, with a few that are typical."""
    from lookalike.console import print_data
    from lookalike.explore.cluster import cluster
    from lookalike.explore.sheets import cluster_sheet

    for name, value in (("--clusters", clusters), ("--each", each)):
        if value < 1:
            fail(f"{name} is {value}, expected at least 1", code=2)
    filters = filters_of(which)
    with open_stored(index, encoder) as store:
        found = cluster(store, filters, clusters, each)
        if sheet:
            _write(cluster_sheet(found), sheet, store)
    if not json_:
        print_data(f"{'cluster':>7}  {'frames':>8}  cameras: frames; typical moments")
    for one in found:
        print_data(json.dumps(one.to_dict()) if json_ else f"{one.number:7}  {one.frames:8,}  {_about(one)}")


def _about(cluster: Cluster) -> str:
    from lookalike.explore.sheets import cameras

    typical = ", ".join(f"{one.source}@{one.time_s:.1f}" for one in cluster.representatives)
    return f"{cameras(cluster)}; {typical}"


def _write(sheet: Sheet, path: Path, store: FrameIndex) -> None:
    from lookalike.console import say, step_bar
    from lookalike.index.record import FROM_ELSEWHERE
    from lookalike.report.sheet import write_sheet

    may_open = store.read_here(sheet.sources)
    for source in sorted(sheet.sources - may_open):
        say(f"{source}: named {FROM_ELSEWHERE}, so not opened; index it on this machine to have its pictures")
    with step_bar("cutting pictures", sheet.shots) as update:
        write_sheet(sheet, path, may_open, update)
    shots = [shot for strip in sheet.strips for shot in strip.shots if shot.source in may_open]
    say(f"{path}: {len(shots)} pictures")
