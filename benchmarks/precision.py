"""Compare the precisions of an exported run: size, speed, and agreement on frames of its footage.

    python -m benchmarks.precision run

Agreement is the parity of every export (exporters.parity), on up to 256 frames; files below the limit of top10 are
written here, too, with brackets. Speed is on a CPU, all threads, batches of 16, in turns.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import get_args

import numpy as np
from cyclopts import App

from benchmarks.machine import describe
from exporters.onnx import Exported, export_run
from exporters.parity import LIMITS
from lookalike.contract import Precision
from lookalike.encoder import Encoder
from training.data import load_cache
from training.pictures import fit_all, sample_rows
from training.train import pick_device

BATCH = 16

app = App(name="benchmarks.precision", help=__doc__, help_format="plaintext")


@app.default
def main(run: Path, rounds: int = 7, seconds: float = 2) -> None:
    """Export a run in every precision, and print a Markdown table."""
    with tempfile.TemporaryDirectory() as folder:
        exported = [
            export_run(run, Path(folder, f"{one}.onnx"), one, lambda line: print(line, file=sys.stderr), 0.0)
            for one in get_args(Precision)
        ]
        encoders = [Encoder(one.path, "cpu") for one in exported]
        frames = load_cache(run / "cache").frames
        batch = fit_all(frames[sample_rows(len(frames), BATCH)], encoders[0].spec.input_px)
        rates = [[_rate(encoder, batch, seconds) for encoder in encoders] for _ in range(rounds)]
        print(f"{describe(pick_device('cpu'))}; {encoders[0].spec.name}\n")
        print("| | MB | images/s | times fp32 | min cosine | centred, mean | top10 | |")
        print("|---|---|---|---|---|---|---|---|")
        for column, one in enumerate(exported):
            ratio = statistics.median(row[column] / row[0] for row in rates)
            print(_row(one, statistics.median(row[column] for row in rates), ratio))


def _rate(encoder: Encoder, batch: np.ndarray, seconds: float) -> float:
    """Images a second, over so many seconds."""
    started, done = time.perf_counter(), 0
    while (took := time.perf_counter() - started) < seconds:
        encoder.embed(batch)
        done += len(batch)
    return done / took


def _row(one: Exported, rate: float, ratio: float) -> str:
    parity, limits = one.parity, LIMITS[one.spec.precision]
    top10 = f"{parity.top10:.3f}" if parity.top10 >= limits.top10 else f"({parity.top10:.3f})"
    cells = [one.spec.precision, f"{one.path.stat().st_size / 1e6:.1f}", f"{rate:.0f}", f"{ratio:.2f}"]
    cells += [f"{parity.min_cosine:.5f}", f"{parity.mean_cosine_centred:.5f}", top10, one.note]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    app()
