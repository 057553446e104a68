"""The verbs that read footage with an encoder: embed, index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from lookalike.cli.flags import CameraName, EncoderFile, IndexAt, RunOn, Source_, app, fail

if TYPE_CHECKING:
    from lookalike.footage import Source
    from lookalike.ingest import Summary


@app.command(help_epilogue="Example: `lookalike embed recordings/ --encoder encoder.onnx --out frames.parquet --fps 5`")
def embed(
    *sources: Source_,
    encoder: EncoderFile,
    out: Annotated[Path, Parameter(help="Parquet file to write: source, camera, time_s, captured_at, id, embedding.")],
    fps: Annotated[float | None, Parameter(help="Frames taken from each second of video; else all.")] = None,
    camera: CameraName = None,
    device: RunOn = "auto",
) -> None:
    """Embed every frame of footage into a Parquet file. Stopped, it goes on where it was when run again."""
    from lookalike.console import frame_counter, print_data
    from lookalike.encoder import Encoder
    from lookalike.ingest import embed_footage

    found = _find(sources, fps, camera)
    with frame_counter("embedding") as count:
        summary = embed_footage(found, Encoder(encoder, device), out, fps, count)
    print_data(json.dumps({"out": str(out)} | _report_skipped(summary)))


@app.command(help_epilogue="Example: `lookalike index recordings/ --encoder encoder.onnx --index index/ --fps 2`")
def index(
    *sources: Source_,
    encoder: EncoderFile,
    index: IndexAt,
    fps: Annotated[float | None, Parameter(help="Frames taken from each second of video; else all.")] = None,
    camera: CameraName = None,
    device: RunOn = "auto",
) -> None:
    """Embed footage into an index. What is there is not added again, nor decoded: stop it, and run it again."""
    from lookalike.console import frame_counter, print_data
    from lookalike.encoder import Encoder
    from lookalike.index import open_index
    from lookalike.ingest import index_footage

    found = _find(sources, fps, camera)
    model = Encoder(encoder, device)
    with open_index(index, model.spec, create=True) as store, frame_counter("indexing") as count:
        summary = index_footage(found, model, store, fps, count)
        points = store.count()
    print_data(json.dumps({"index": index, "points": points} | _report_skipped(summary)))


def _find(sources: tuple[str, ...], fps: float | None, camera: str | None) -> list[Source]:
    from lookalike.footage import find_sources

    if not sources:
        fail("no SOURCE given; expected images, folders, videos or stream URLs", code=2)
    if fps is not None and fps <= 0:
        fail(f"--fps is {fps}, expected more than 0", code=2)
    return find_sources(sources, camera)


def _report_skipped(summary: Summary) -> dict[str, Any]:
    from lookalike.console import say, warn_skipped

    for one in summary.skipped:
        warn_skipped(one)
    skipped = f"{len(summary.skipped)} of {summary.sources} source(s) skipped or cut short"
    say(f"{summary.frames:,} frames, {summary.added:,} new, {skipped}")
    return summary.to_dict()
