"""A recipe on footage with labelled events, by the three commands that a user gives, beside the floors.

    python -m benchmarks.recipe recordings/ --events recordings/events.csv --recipe footage-cpu

Prints how long `lookalike pretrain` took from start to report, and a Markdown table of what `lookalike evaluate` says
of the exported file: mean and deviation over draws of the disturbance.
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
    """Train once, export, evaluate, and print a row for the encoder and for each floor."""
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
    print(f"{recipe}: {seconds / 60:.1f} minutes from start to report; {seeds} draws of the disturbance\n")
    print("\n".join(table(result["rows"])))
    print(f"\n{result['verdict']}")


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Markdown, of an evaluation's rows as `lookalike evaluate --json` has them."""
    lines = ["| | precision@5, disturbed | clean | own moment first | camera share |", "|---|---|---|---|---|"]
    for row in rows:
        spread = row.get("std", {}).get("precision5_disturbed", {}).get("mean")
        precision = f"{row['precision5_disturbed']['mean']:.3f}" + ("" if spread is None else f" +-{spread:.3f}")
        own, share = row["self_retrieval_disturbed"], row["camera_share"]
        lines.append(
            f"| {row['name']} | {precision} | {row['precision5_clean']['mean']:.3f} | {own:.3f} | {share:.2f} |"
        )
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
