"""Record the measurements of a run as JSON lines and for TensorBoard."""

from __future__ import annotations

import json
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lookalike.files import durable

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

METRICS, TENSORBOARD = "metrics.jsonl", "tensorboard"


class Recorder:
    """Writes lines of measurements to both."""

    def __init__(self, run: Path, start: int) -> None:
        """start: steps done before; lines of later steps, which will be repeated, are dropped."""
        if start:
            kept = [line for line in read_metrics(run / METRICS) if line["step"] <= start]
            with durable.replacing(run / METRICS) as partial:
                partial.write_text("".join(json.dumps(line) + "\n" for line in kept))
        self._lines = (run / METRICS).open("a" if start else "w")
        self._folder, self._start = str(run / TENSORBOARD), start
        self._hook, threading.excepthook = threading.excepthook, self._print_unless_raised

    @cached_property
    def _board(self) -> SummaryWriter:
        """Open TensorBoard at the first line: its import is slow."""
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(self._folder, purge_step=self._start + 1)

    def write(self, line: dict[str, Any]) -> None:
        """Write a line: `step`, and a number for each measurement."""
        self._lines.write(json.dumps(line) + "\n")
        for name, value in line.items():
            if name != "step":
                self._board.add_scalar(name, value, int(line["step"]))

    def flush(self) -> None:
        self._lines.flush()
        if "_board" in self.__dict__:
            self._board.flush()

    def close(self) -> None:
        try:
            self._lines.close()
            if "_board" in self.__dict__:
                self._board.close()
        finally:
            threading.excepthook = self._hook

    def _print_unless_raised(self, failed: threading.ExceptHookArgs) -> None:
        """TensorBoard writes in a thread. What fails there, as on a full disk, is raised by the next call as well."""
        if not type(failed.thread).__module__.startswith("tensorboard."):
            self._hook(failed)


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Read metrics.jsonl without a last line that a crash cut off."""
    lines: list[dict[str, float]] = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines
