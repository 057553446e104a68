"""Draw curves as SVG, with matplotlib."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

from lookalike.report.page import Chart

MONITORED = {
    "effective_rank": (
        "Effective rank",
        "How many dimensions the embeddings of a sample use, during training.",
    ),
    "self_retrieval": (
        "Own moment first",
        "Share of perturbed frames whose nearest frame is their own moment, during training.",
    ),
    "precision5": ("Precision@5", "Of perturbed queries among the labelled events, during training."),
}


def training_charts(metrics: Path) -> list[Chart]:
    """Draw loss and feature_std of a run, and what its monitor measured at least twice, from its metrics.jsonl.

    Returns: an empty list for a run that did not train.
    """
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    if not lines:
        return []
    steps = [line["step"] for line in lines]
    charts = [
        curve(
            "Loss", "Sum over both directions; 0 when the views are aligned.", steps, [line["loss"] for line in lines]
        ),
        curve(
            "Collapse meter",
            "Standard deviation of the features: near the dashed line they fill the sphere, at 0 they have collapsed.",
            steps,
            [line["feature_std"] for line in lines],
            healthy=1.0,
        ),
    ]
    for name, (title, note) in MONITORED.items():
        measured = [line for line in lines if name in line]
        if len(measured) > 1:
            at = [line["step"] for line in measured]
            charts.append(curve(title, note, at, [line[name] for line in measured]))
    return charts


def curve(
    title: str, note: str, steps: Sequence[float], values: Sequence[float], healthy: float | None = None
) -> Chart:
    """Draw a curve over steps. healthy: the value it should have, as a dashed line."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "lookalike", "font.family": "sans-serif", "font.size": 9}
    ):
        figure = Figure(figsize=(4.6, 2.1), layout="constrained")
        axes = figure.subplots()
        axes.plot(steps, values, color="#2f6f8f", linewidth=1.6)
        axes.fill_between(steps, values, min(0, *values), color="#2f6f8f", alpha=0.08, linewidth=0)
        if healthy is not None:
            axes.axhline(healthy, color="#8a8a8a", linewidth=0.9, linestyle=(0, (4, 3)))
        axes.set_xlabel("step")
        axes.set_ylim(bottom=0)
        axes.margins(x=0)
        axes.locator_params(axis="x", integer=True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#000000", alpha=0.08)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()[buffer.getvalue().index("<svg") :]
    return Chart(title, re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1), note)
