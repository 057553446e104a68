"""Measure searches by uploaded pictures: by the whole picture, by its difference, and as a search decides.

    python -m benchmarks.uploads encoder.onnx recordings/ --events recordings/events.csv

Every other event of each label is kept out of the index, and three pictures of each are queries. Of the first five hits
in events, it measures the share with the same label. Prints a Markdown table; docs/regions.md explains it.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from cyclopts import App

from benchmarks.machine import describe
from lookalike.console import frame_counter
from lookalike.encoder import Encoder
from lookalike.footage import Frame, Source, find_sources, read_source
from lookalike.footage.sampling import Sampling
from lookalike.index import FrameIndex, open_index
from lookalike.index.ask import EmbeddedRequest, Moving, QueryExample, questions_of
from lookalike.index.calibration import ScoreCalibrator
from lookalike.index.schema import DIFFERENCE, Hit
from lookalike.ingest.batches import embed_small
from lookalike.search_fields import SearchOptions
from training.evaluation.labels import EMPTY, Event, read_events
from training.train import pick_device

EACH = 3  # pictures of an event
FIRST = 5  # hits that count
MARGIN_S = 2.0  # around a kept-out event: its frames, and those that show it before and after
FETCH = 100
By = Literal["label", "kind"]

app = App(name="benchmarks.uploads", help=__doc__, help_format="plaintext")


@dataclass(frozen=True)
class Found:
    """Of one picture. name: what it shows. The rest: shares of the first hits that show the same."""

    name: str
    asked_by_difference: bool
    as_it_is: float
    now: float
    by_difference: float


@app.default
def main(encoder: Path, *sources: str, events: Path, fps: float = 2.0, by: By = "label") -> None:
    """Index, ask, and print Markdown. by: what is the same, a label or its kind."""
    model = Encoder(encoder, "cpu")
    known = [(event, event.label if by == "label" else event.kind or event.label) for event in read_events(events)]
    asked = every_other(known)
    frames = [frame for source in find_sources(sources) for frame in _read(source, Sampling(fps), model)]
    vectors = embed_small(model, frames)
    near = np.array([any(within(frame, event, MARGIN_S) for event, _ in asked) for frame in frames])
    print(describe(pick_device("cpu")))
    with tempfile.TemporaryDirectory() as folder, open_index(Path(folder, "index"), model.spec, create=True) as index:
        index.add([frame for frame, out in zip(frames, near, strict=True) if not out], vectors[~near])
        index.mark_complete([])
        found = [
            measure(index, frames[row], vectors[row], name, known)
            for event, name in asked
            for row in inside(frames, event)
        ]
    print("\n".join(table(found)))


def every_other(known: Sequence[tuple[Event, str]]) -> list[tuple[Event, str]]:
    """The second, fourth, ... event of each label, in their order."""
    seen: Counter[str] = Counter()
    asked = []
    for event, name in known:
        seen[name] += 1
        if seen[name] % 2 == 0:
            asked.append((event, name))
    return asked


def _read(source: Source, sampling: Sampling, model: Encoder) -> Iterator[Frame]:
    with frame_counter("reading") as count:
        for item in read_source(source, sampling, model.spec.input_px):
            if isinstance(item, Frame):
                yield item
                if item.region is None:
                    count([item])


def within(frame: Frame | Hit, event: Event, margin_s: float = 0.0) -> bool:
    """Whether it lies in an event, or so near to it."""
    inside_s = event.start_s - margin_s <= frame.time_s <= event.end_s + margin_s
    return inside_s and Path(frame.source).name == event.clip


def inside(frames: Sequence[Frame], event: Event) -> list[int]:
    """Rows of EACH whole frames, evenly over an event; fewer of a shorter one."""
    rows = [row for row, frame in enumerate(frames) if frame.region is None and within(frame, event)]
    picked = np.linspace(0, len(rows) - 1, EACH + 2)[1:-1].round().astype(int) if rows else []
    return [rows[one] for one in dict.fromkeys(picked)]


def measure(
    index: FrameIndex, frame: Frame, vector: np.ndarray, name: str, known: Sequence[tuple[Event, str]]
) -> Found:
    """vector: float32 (D,), of a frame that is not stored."""
    request = EmbeddedRequest([QueryExample(vector)], options=SearchOptions(FETCH))

    def share(hits: Sequence[Hit]) -> float:
        names = [label for hit in hits for event, label in known if within(hit, event)][:FIRST]
        return names.count(name) / FIRST

    def asked(moving: Moving) -> float:
        (question,) = questions_of(request, moving, index.spec)
        return share(index.search(question.vector, options=SearchOptions(FETCH)))

    now = index.ask(request)
    usual = ScoreCalibrator(index.engine).usual(frame.camera)
    by_difference = now[0].asked == DIFFERENCE
    return Found(name, by_difference, asked(Moving()), share(now), asked(Moving(usual=usual)))


def table(found: Sequence[Found]) -> list[str]:
    """Markdown, a row for each thing, and one for all that is not an empty scene."""
    lines = [
        f"| | queries | by the difference | P@{FIRST}, whole picture | P@{FIRST}, now | always by the difference |",
        "|---|---|---|---|---|---|",
    ]
    groups = {name: [one for one in found if one.name == name] for name in sorted({one.name for one in found})}
    for name, some in {**groups, f"all but {EMPTY}": [one for one in found if one.name != EMPTY]}.items():
        means = (np.mean([getattr(one, way) for one in some]) for way in ("as_it_is", "now", "by_difference"))
        cells = [
            name,
            str(len(some)),
            str(sum(one.asked_by_difference for one in some)),
            *(f"{one:.2f}" for one in means),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    app()
