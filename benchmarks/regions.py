"""Measure the cost of regions with an index of each kind, filled as `lookalike index` does.

    python -m benchmarks.regions encoder.onnx recordings/

benchmarks.finding measures what they find.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App

from benchmarks.machine import describe
from lookalike.encoder import Encoder
from lookalike.footage import Source, find_sources
from lookalike.footage.sampling import Regions, Sampling
from lookalike.index import open_index
from lookalike.ingest.index import index_footage
from lookalike.ingest.settings import IngestSettings
from training.train import pick_device

KINDS: tuple[Regions | None, ...] = (None, "grid", "motion", "auto")

app = App(name="benchmarks.regions", help=__doc__, help_format="plaintext")


@app.default
def main(encoder: Path, *sources: str, fps: float = 2.0) -> None:
    """Make an index of each kind, and print a Markdown table."""
    found = find_sources(sources)
    print(describe(pick_device("cpu")))
    print(
        "\n| stored | vectors for each frame | frames/s, to whole frames | bytes, to whole frames |\n|---|---|---|---|"
    )
    base = None
    for kind in KINDS:
        vectors, rate, size = cost(found, encoder, Sampling(fps, regions=kind))
        base = base or (rate, size)
        print(f"| {kind or 'whole frames'} | {vectors:.1f} | {rate / base[0]:.2f} | {size / base[1]:.1f} |", flush=True)


def cost(sources: Sequence[Source], encoder: Path, sampling: Sampling) -> tuple[float, float, int]:
    """Vectors for each frame, frames a second, and the size of the index in bytes."""
    model = Encoder(encoder, "cpu")
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        with open_index(Path(folder, "index"), model.spec, create=True) as index:
            summary = index_footage(sources, model, index, IngestSettings(sampling))
            points = index.count()
        seconds = time.perf_counter() - started
        size = sum(path.stat().st_blocks * 512 for path in Path(folder).rglob("*") if path.is_file())
    return points / summary.frames, summary.frames / seconds, size


if __name__ == "__main__":
    app()
