"""A recipe on footage with labelled events, by the three commands that a user gives, next to its baselines.

    python -m benchmarks.recipe recordings/ --events recordings/events.csv --recipe footage-cpu

Prints how long `lookalike pretrain` took from start to report, and a Markdown table of what `lookalike evaluate` says
of the exported file: mean and deviation over draws of the light.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cyclopts import App

from benchmarks.machine import describe
from training.train import pick_device

app = App(name="benchmarks.recipe", help=__doc__, help_format="plaintext")


@app.default
def main(*sources: str, events: Path, recipe: str = "footage-cpu", seeds: int = 3) -> None:
    """Train once, export, evaluate, and print a row for the encoder and for each baseline."""
    with tempfile.TemporaryDirectory() as folder:
        run, encoder = Path(folder, "run"), Path(folder, "encoder.onnx")
        started = time.perf_counter()
        _lookalike("pretrain", *sources, "--recipe", recipe, "--out", run)
        seconds = time.perf_counter() - started
        _lookalike("export", run, "--out", encoder)
        told = _lookalike(
            *("evaluate", encoder, "--footage", *sources, "--events", events, "--seeds", seeds, "--json"),
        )
    result = json.loads(told)
    print(f"{describe(pick_device('auto'))}; {result['frames']} frames searched")
    print(f"{recipe}: {seconds / 60:.1f} minutes from start to report; {seeds} draws of the light\n")
    print("\n".join(table(result["measures"])))
    print(f"\n{result['verdict']}")


def table(measures: list[dict[str, Any]]) -> list[str]:
    """Markdown, mAP in other light, a column for each measure of `lookalike evaluate --json` that has queries."""
    measures = [one for one in measures if one["queries"]]
    header = ["", *(f"{one['title']} ({one['queries']:,} queries)" for one in measures)]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for rows in zip(*(one["rows"] for one in measures), strict=True):
        cells = [f"{row['map']:.3f}" + (f" +-{row['std']['map']:.3f}" if "std" in row else "") for row in rows]
        lines.append(f"| {rows[0]['name']} | {' | '.join(cells)} |")
    return lines


def _lookalike(*arguments: str | int | Path) -> str:
    """Give a command, with its progress on this terminal. Returns: its standard output."""
    command = [sys.executable, "-m", "lookalike", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)  # it has said why
    return done.stdout


if __name__ == "__main__":
    app()
