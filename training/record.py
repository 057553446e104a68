"""The measurements of a run: JSON lines for programs, TensorBoard for eyes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

METRICS, TENSORBOARD = "metrics.jsonl", "tensorboard"


class Recorder:
    """Writes a line of measurements at a time to both."""

    def __init__(self, run: Path, start: int) -> None:
        """start: the steps done before; lines of later ones, which will be done again, are dropped."""
        from torch.utils.tensorboard import SummaryWriter

        kept = [line for line in read_metrics(run / METRICS) if line["step"] <= start] if start else []
        (run / METRICS).write_text("".join(json.dumps(line) + "\n" for line in kept))
        self._lines = (run / METRICS).open("a")
        self._board = SummaryWriter(str(run / TENSORBOARD), purge_step=start + 1)

    def write(self, line: dict[str, Any]) -> None:
        """line: `step`, and a number for each measurement."""
        self._lines.write(json.dumps(line) + "\n")
        for name, value in line.items():
            if name != "step":
                self._board.add_scalar(name, value, int(line["step"]))

    def flush(self) -> None:
        self._lines.flush()
        self._board.flush()

    def close(self) -> None:
        self._lines.close()
        self._board.close()


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The lines of metrics.jsonl; a last line cut off by a crash is left out."""
    lines: list[dict[str, float]] = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines
