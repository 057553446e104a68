"""What regions of frames are worth: crops of what moves as queries, whole frames and regions as what they may find.

    python -m benchmarks.regions encoder.onnx recordings/ --events events.csv --labels person red_car

A query is the largest moving region of a frame within a labelled event; an answer is right if its frame shows the same
event. Frames within half a second of the query do not count, nor do frames without a label. Its baselines
are measured on the same pictures. Then the cost: an index of each kind,
made with `lookalike index` in turns.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import App, Parameter

from benchmarks.machine import describe
from lookalike.encoder import Encoder
from lookalike.footage import Frame, Source, find_sources, read_source
from lookalike.index import open_index
from lookalike.ingest import index_footage
from lookalike.sampling import Regions, Sampling
from training.evaluation.contenders import contenders
from training.evaluation.gallery import of_pictures
from training.evaluation.labels import Event, read_events
from training.train import pick_device

FPS, GUARD_S, TOP = 4.0, 0.5, 5
SHORTEST_S = 2.0  # of an event: in a shorter one there is little to be found beyond the guard
KINDS: tuple[Regions | None, ...] = (None, "grid", "motion")

app = App(name="benchmarks.regions", help=__doc__, help_format="plaintext")


@app.default
def main(
    encoder: Path,
    *sources: str,
    events: Path,
    labels: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True)] = (),
) -> None:
    """Measure, and print two Markdown tables. labels: events whose names begin so; else all."""
    found, intervals = find_sources(sources), read_events(events)
    wanted = [one for one in intervals if one.label.startswith(labels or "") and one.end_s - one.start_s >= SHORTEST_S]
    stored = {kind: read(found, kind, encoder) for kind in KINDS}
    queries = largest_moving(stored["motion"], wanted)
    print(f"{describe(pick_device('cpu'))}; {len(stored[None])} frames, {len(queries)} queries\n")
    rivals = contenders(encoder, of_pictures([frame.image for frame in stored[None]]), "cpu")
    clips = sorted({clip_of(query) for query in queries})
    print("| | stored | " + " | ".join(clips) + " |")
    print("|---" * (len(clips) + 2) + "|")
    for contender in rivals:
        for kind, frames in stored.items():
            whole_too = frames if kind is None else [*stored[None], *(one for one in frames if one.region)]
            right = precision(contender.embed, queries, whole_too, intervals)
            cells = [f"{right[clip]:.2f}" for clip in clips]
            print(f"| {contender.name} | {kind or 'whole frames'} | {' | '.join(cells)} |", flush=True)
    print(
        "\n| stored | vectors for each frame | frames/s, to whole frames | bytes, to whole frames |\n|---|---|---|---|"
    )
    rates: dict[Regions | None, tuple[float, float, int]] = {kind: cost(found, encoder, kind) for kind in KINDS}
    base = rates[None]
    for kind, (vectors, rate, size) in rates.items():
        print(f"| {kind or 'whole frames'} | {vectors:.1f} | {rate / base[1]:.2f} | {size / base[2]:.1f} |")


def read(sources: Sequence[Source], kind: Regions | None, encoder: Path) -> list[Frame]:
    side, sampling = Encoder(encoder, "cpu").spec.input_px, Sampling(FPS, regions=kind)
    return [one for source in sources for one in read_source(source, sampling, side) if isinstance(one, Frame)]


def largest_moving(frames: Sequence[Frame], events: Sequence[Event]) -> list[Frame]:
    """The first region, which is the largest, of each frame in one of the events."""
    first: dict[tuple[str, int], Frame] = {}
    for frame in frames:
        if frame.region and labels_of(frame, events):
            first.setdefault((frame.source_id, frame.pts_us), frame)
    return list(first.values())


def precision(embed, queries: Sequence[Frame], stored: Sequence[Frame], events: Sequence[Event]) -> dict[str, float]:
    """By clip: the share of right answers among the TOP nearest frames, a frame with several regions counting once."""
    labelled = [frame for frame in stored if labels_of(frame, events)]
    vectors, asked = embed([one.image for one in labelled]), embed([one.image for one in queries])
    right: dict[str, list[float]] = defaultdict(list)
    for query, row in zip(queries, asked, strict=True):
        answers: dict[tuple[str, int], bool] = {}
        for place in np.argsort(-(vectors @ row)):
            frame = labelled[place]
            near = frame.source_id == query.source_id and abs(frame.time_s - query.time_s) < GUARD_S
            if not near:
                same = clip_of(frame) == clip_of(query) and labels_of(frame, events) & labels_of(query, events)
                answers.setdefault((frame.source_id, frame.pts_us), bool(same))
            if len(answers) == TOP:
                break
        right[clip_of(query)].append(float(np.mean(list(answers.values()))))
    return {clip: float(np.mean(shares)) for clip, shares in right.items()}


def labels_of(frame: Frame, events: Sequence[Event]) -> set[str]:
    return {one.label for one in events if one.clip == clip_of(frame) and one.start_s <= frame.time_s <= one.end_s}


def clip_of(frame: Frame) -> str:
    return Path(frame.source).name


def cost(sources: Sequence[Source], encoder: Path, kind: Regions | None) -> tuple[float, float, int]:
    """Vectors for each frame, frames a second, and the size of the index in bytes."""
    model = Encoder(encoder, "cpu")
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        with open_index(Path(folder, "index"), model.spec, create=True) as index:
            summary = index_footage(sources, model, index, Sampling(FPS, regions=kind), lambda frames: None)
            points = index.count()
        seconds = time.perf_counter() - started
        size = sum(path.stat().st_blocks * 512 for path in Path(folder).rglob("*") if path.is_file())
    return points / summary.frames, summary.frames / seconds, size


if __name__ == "__main__":
    app()
