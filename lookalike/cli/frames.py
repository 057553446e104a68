"""The verbs that read footage with an encoder: embed, index."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from lookalike.cli.flags import EncoderFile, IndexAt, MinFree, RunOn, Source_, app, fail, set_min_free
from lookalike.cli.footage import FootageFlags, Tally, find
from lookalike.index.server.options import ONE_NODE, ServerOptions
from lookalike.ingest.settings import USUAL, IngestSettings

if TYPE_CHECKING:
    from lookalike.encoder import Encoder
    from lookalike.footage import Source
    from lookalike.index import FrameIndex
    from lookalike.ingest.summary import Summary

ANY = FootageFlags()


def _check_options(type_: type[ServerOptions], options: ServerOptions) -> None:
    options.check()


Settings = Annotated[IngestSettings, Parameter(name="*")]
Which = Annotated[FootageFlags, Parameter(name="*")]
NewCollection = Annotated[
    ServerOptions, Parameter(name="*", group="A new collection of a Qdrant server", validator=_check_options)
]


@app.command(help_epilogue="Example: `lookalike embed recordings/ --encoder encoder.onnx --out frames.parquet --fps 5`")
def embed(
    *sources: Source_,
    encoder: EncoderFile,
    out: Annotated[
        Path | None,
        Parameter(
            help="File to write: Parquet, or by its name .npy, with the rest of each row in a .jsonl next to it."
        ),
    ] = None,
    stdout: Annotated[bool, Parameter(negative="", help="Instead of a file: print JSON lines.")] = False,
    settings: Settings = USUAL,
    flags: Which = ANY,
    device: RunOn = "auto",
) -> None:
    """Embed frames of footage into a file, or onto standard output. Interrupted runs resume."""
    from lookalike.console import footage_bar, print_data, say
    from lookalike.encoder import Encoder
    from lookalike.ingest.to_file import embed_footage, embed_rows

    if (out is None) != stdout:
        fail("expected --out with a file, or --stdout", code=2)
    if out and out.suffix not in (".parquet", ".npy"):
        fail(f"--out is {out}, expected a name that ends with .parquet or .npy", code=2)
    _check_given(sources)
    (found, tally), model = _find(sources, flags), Encoder(encoder, device)
    settings = _possible(settings)
    with footage_bar("embedding", found) as saw:
        if out:
            summary = embed_footage(found, model, out, settings, saw, say)
        else:
            summary = embed_rows(found, model, lambda row: print_data(json.dumps(row)), settings, saw, say)
    told = _report(tally.summary() + summary)
    if out:
        print_data(json.dumps({"out": str(out)} | told))
    elif summary.skipped and not summary.frames:
        fail("no frame could be read from any source")


@app.command(help_epilogue="Example: `lookalike index recordings/ --encoder encoder.onnx --index index --fps 2`")
def index(
    *sources: Source_,
    encoder: EncoderFile,
    index: IndexAt,
    settings: Settings = USUAL,
    flags: Which = ANY,
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
    from lookalike.console import print_data, say
    from lookalike.encoder import Encoder
    from lookalike.index import open_index

    _check_given(sources)
    set_min_free(min_free_mb)
    if watch:
        check_watch(sources, settle_s)
    tables = [Path(one) for one in sources if one.endswith(".parquet")]
    footage = tuple(one for one in sources if not one.endswith(".parquet"))
    if tables and not footage and (settings, flags) != (USUAL, ANY):
        fail("a table has its own frames, times and cameras; flags of them are for footage", code=2)
    found, tally = _find(footage, flags) if footage and not watch else ([], Tally())
    if footage:
        settings = _possible(settings)
    model = Encoder(encoder, device)
    with open_index(index, model.spec, create=True, options=collection, on_wait=say) as store:
        if watch:
            summary = watch_folders(sources, flags, model, store, settings, settle_s)
        else:
            summary = tally.summary() + _index_all(tables, found, model, store, settings)
        points = store.count()
    print_data(json.dumps({"index": index, "points": points} | _report(summary, named=watch)))
    if summary.skipped and not summary.frames and not watch:
        fail("no frame could be read from any source")
    if summary.refused:
        fail(f"{summary.refused:,} rows of tables were refused; the others are stored")


def _index_all(
    tables: list[Path], found: list[Source], model: Encoder, store: FrameIndex, settings: IngestSettings
) -> Summary:
    from lookalike.console import footage_bar, frame_counter, say
    from lookalike.ingest.import_table import import_frames
    from lookalike.ingest.index import index_footage
    from lookalike.ingest.summary import Summary

    summary = Summary()
    for table in tables:
        with frame_counter("importing") as count:
            summary += import_frames(table, store, count)
    if found:
        live = any(source.kind == "stream" for source in found)
        with frame_counter("indexing") if live else footage_bar("indexing", found) as saw:
            summary += index_footage(found, model, store, settings, saw, say)
    return summary


def _possible(settings: IngestSettings) -> IngestSettings:
    """Without OpenCV no regions are stored, nor noted as stored: indexed again with it, they are added."""
    from lookalike.console import say
    from lookalike.footage.changes import has_opencv

    if settings.sampling.regions != "auto" or has_opencv():
        return settings
    say('no regions are stored: OpenCV is missing. Run pip install "lookalike[explore]", or give --regions none.')
    return replace(settings, sampling=replace(settings.sampling, regions=None))


def _check_given(sources: tuple[str, ...]) -> None:
    if not sources:
        fail("no SOURCE given; expected images, folders, videos or stream URLs", code=2)


def _find(sources: tuple[str, ...], flags: FootageFlags) -> tuple[list[Source], Tally]:
    from lookalike.console import say

    naming = flags.naming.read()
    found, tally = find(sources, flags.selection, naming, named=False)
    unmatched = [one.name for one in found if not naming.matches((Path(one.name).name, os.path.abspath(one.name)))]
    if unmatched:
        say(f"--name-pattern is not found in {len(unmatched)} of {len(found)} path(s), such as {unmatched[0]}")
    return [replace(source, limits=flags.limits) for source in found], tally


def _report(summary: Summary, named: bool = False) -> dict[str, Any]:
    """named: what was skipped has been reported already."""
    from lookalike.console import say, warn_all_skipped

    warn_all_skipped([] if named else summary.skipped)
    faults = ((summary.black, "black"), (summary.frozen, "frozen"), (summary.damaged, "damaged"))
    parts = [f"{summary.frames:,} frames, {summary.added:,} new"]
    if summary.regions:
        each = summary.regions / max(summary.frames, 1)
        parts.append(f"{summary.regions:,} regions ({each:.1f} a frame, {summary.regions_s:.1f} s of work)")
    parts += [f"{count:,} {fault}" for count, fault in faults if count]
    if summary.clock_restarts:
        parts.append(f"{summary.clock_restarts:,} clock restart(s), after which times continue")
    parts += [f"{len(summary.skipped)} of {summary.sources} source(s) skipped or cut short"]
    left_out = ((summary.not_footage, "not footage"), (summary.system, "of the system"), (summary.excluded, "excluded"))
    parts += [f"{count:,} {what}" for count, what in left_out if count]
    say(", ".join(parts))
    return summary.to_dict()
