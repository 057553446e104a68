"""The verbs that read footage with an encoder: embed, index."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from lookalike.cli.flags import EncoderFile, IndexAt, MinFree, RunOn, Source_, app, fail, set_min_free
from lookalike.cli.footage import EVERY_ENTRY, Tally, WhichFiles, find
from lookalike.limits import LIMITS, Limits
from lookalike.naming import NamingFlags
from lookalike.sampling import USUAL, Sampling
from lookalike.selection import Selection
from lookalike.server_options import ONE_NODE, ServerOptions

if TYPE_CHECKING:
    from lookalike.encoder import Encoder
    from lookalike.footage import Source
    from lookalike.index import FrameIndex
    from lookalike.ingest import Summary

WHICH, WHERE_FROM = "Which frames", "Where they are from"  # groups of flags in --help
UNTOLD = NamingFlags()


def _check_sampling(type_: type[Sampling], sampling: Sampling) -> None:
    sampling.check()


def _check_limits(type_: type[Limits], limits: Limits) -> None:
    limits.check()


def _check_naming(type_: type[NamingFlags], naming: NamingFlags) -> None:
    naming.read()


def _check_options(type_: type[ServerOptions], options: ServerOptions) -> None:
    options.check()


Which = Annotated[Sampling, Parameter(name="*", group=WHICH, validator=_check_sampling)]
HowMuch = Annotated[Limits, Parameter(name="*", group="Limits", validator=_check_limits)]
NewCollection = Annotated[
    ServerOptions, Parameter(name="*", group="A new collection of a Qdrant server", validator=_check_options)
]
WhereFrom = Annotated[NamingFlags, Parameter(name="*", group=WHERE_FROM, validator=_check_naming)]


@app.command(help_epilogue="Example: `lookalike embed recordings/ --encoder encoder.onnx --out frames.parquet --fps 5`")
def embed(
    *sources: Source_,
    encoder: EncoderFile,
    out: Annotated[
        Path | None,
        Parameter(help="File to write: Parquet, or by its name .npy, with the rest of each row in a .jsonl beside it."),
    ] = None,
    stdout: Annotated[bool, Parameter(negative="", help="Instead of a file: print JSON lines.")] = False,
    sampling: Which = USUAL,
    naming: WhereFrom = UNTOLD,
    limits: HowMuch = LIMITS,
    selection: WhichFiles = EVERY_ENTRY,
    device: RunOn = "auto",
) -> None:
    """Embed frames of footage into a file, or onto standard output. A file that was not done goes on where it was."""
    from lookalike.console import footage_bar, print_data, say
    from lookalike.embed import Job, embed_footage, embed_rows
    from lookalike.encoder import Encoder

    if (out is None) != stdout:
        fail("expected --out with a file, or --stdout", code=2)
    if out and out.suffix not in (".parquet", ".npy"):
        fail(f"--out is {out}, expected a name that ends with .parquet or .npy", code=2)
    _check_given(sources)
    (found, tally), model = _find(sources, naming, selection, limits), Encoder(encoder, device)
    sampling = _possible(sampling)
    with footage_bar("embedding", found) as saw:
        job = Job(model, sampling, saw, say, tally.summary())
        if out:
            embed_footage(found, job, out)
        else:
            for row in embed_rows(found, job):
                print_data(json.dumps(row))
    told = _report(job.summary)
    if out:
        print_data(json.dumps({"out": str(out)} | told))


@app.command(help_epilogue="Example: `lookalike index recordings/ --encoder encoder.onnx --index index --fps 2`")
def index(
    *sources: Source_,
    encoder: EncoderFile,
    index: IndexAt,
    sampling: Which = USUAL,
    naming: WhereFrom = UNTOLD,
    limits: HowMuch = LIMITS,
    selection: WhichFiles = EVERY_ENTRY,
    collection: NewCollection = ONE_NODE,
    watch: Annotated[
        bool, Parameter(negative="", help="Keep folders indexed as recordings arrive in them, until Ctrl-C.")
    ] = False,
    settle_s: Annotated[
        float, Parameter(help="With --watch: a file is taken in when it has not changed for so many seconds.")
    ] = 10.0,
    min_free_mb: MinFree = None,
    device: RunOn = "auto",
) -> None:
    """Embed footage into an index, or take in .parquet files of `embed`. What is there is not decoded again."""
    from lookalike.cli.watch import check_watch, watch_folders
    from lookalike.console import print_data
    from lookalike.encoder import Encoder
    from lookalike.index import open_index

    _check_given(sources)
    set_min_free(min_free_mb)
    if watch:
        check_watch(sources, settle_s)
    tables = [Path(one) for one in sources if one.endswith(".parquet")]
    footage = tuple(one for one in sources if not one.endswith(".parquet"))
    if tables and not footage and (sampling, naming, selection) != (USUAL, UNTOLD, EVERY_ENTRY):
        fail("a table has its own frames, times and cameras; flags of them are for footage", code=2)
    found, tally = _find(footage, naming, selection, limits) if footage and not watch else ([], Tally())
    if footage:
        sampling = _possible(sampling)
    model = Encoder(encoder, device)
    with open_index(index, model.spec, create=True, options=collection) as store:
        if watch:
            summary = watch_folders(sources, naming.read(), selection, model, store, sampling, settle_s, limits)
        else:
            summary = tally.summary() + _index_all(tables, found, model, store, sampling)
        points = store.count()
    print_data(json.dumps({"index": index, "points": points} | _report(summary, named=watch)))
    if summary.skipped and not summary.frames and not watch:
        fail("no frame could be read from any source")
    if summary.refused:
        fail(f"{summary.refused:,} rows of tables were refused; the others are stored")


def _index_all(
    tables: list[Path], found: list[Source], model: Encoder, store: FrameIndex, sampling: Sampling
) -> Summary:
    from lookalike.console import footage_bar, frame_counter, say
    from lookalike.ingest import Summary, import_frames, index_footage

    summary = Summary()
    for table in tables:
        with frame_counter("importing") as count:
            summary += import_frames(table, store, count)
    if found:
        live = any(source.kind == "stream" for source in found)
        with frame_counter("indexing") if live else footage_bar("indexing", found) as saw:
            summary += index_footage(found, model, store, sampling, saw, say)
    return summary


def _possible(sampling: Sampling) -> Sampling:
    """Without OpenCV no regions are stored, nor noted as stored: indexed again with it, they are added."""
    from lookalike.console import say
    from lookalike.footage.changes import has_opencv

    if sampling.regions != "auto" or has_opencv():
        return sampling
    say('no regions are stored: OpenCV is missing. Run pip install "lookalike[explore]", or give --regions none.')
    return dataclasses.replace(sampling, regions=None)


def _check_given(sources: tuple[str, ...]) -> None:
    if not sources:
        fail("no SOURCE given; expected images, folders, videos or stream URLs", code=2)


def _find(
    sources: tuple[str, ...], flags: NamingFlags, selection: Selection, limits: Limits
) -> tuple[list[Source], Tally]:
    from lookalike.console import say

    naming = flags.read()
    found, tally = find(sources, selection, naming, named=False)
    unmatched = [one.name for one in found if not naming.matches((Path(one.name).name, os.path.abspath(one.name)))]
    if unmatched:
        say(f"--name-pattern is not found in {len(unmatched)} of {len(found)} path(s), such as {unmatched[0]}")
    return [dataclasses.replace(source, limits=limits) for source in found], tally


def _report(summary: Summary, named: bool = False) -> dict[str, Any]:
    """named: what was skipped has been told already."""
    from lookalike.console import say, warn_all_skipped

    warn_all_skipped([] if named else summary.skipped)
    faults = ((summary.black, "black"), (summary.frozen, "frozen"), (summary.damaged, "damaged"))
    parts = [f"{summary.frames:,} frames, {summary.added:,} new"]
    if summary.regions:
        each = summary.regions / max(summary.frames, 1)
        parts.append(f"{summary.regions:,} regions ({each:.1f} a frame, {summary.regions_s:.1f} s of work)")
    parts += [f"{count:,} {fault}" for count, fault in faults if count]
    if summary.clock_restarts:
        parts.append(f"{summary.clock_restarts:,} clock restart(s), after which times go on")
    parts += [f"{len(summary.skipped)} of {summary.sources} source(s) skipped or cut short"]
    left_out = ((summary.not_footage, "not footage"), (summary.system, "of the system"), (summary.excluded, "excluded"))
    parts += [f"{count:,} {what}" for count, what in left_out if count]
    say(", ".join(parts))
    return summary.to_dict()
