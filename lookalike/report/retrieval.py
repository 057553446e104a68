"""An evaluation as a table: the encoder beside the floors that it has to beat."""

from __future__ import annotations

from typing import Any

from lookalike.report.page import Table

_NAMES = {
    "precision5_disturbed": "precision@5, disturbed",
    "precision5_clean": "precision@5, clean",
    "self_retrieval_disturbed": "own moment first, disturbed",
    "knn10": "kNN accuracy",
}


def retrieval_table(evaluation: dict[str, Any]) -> Table:
    """evaluation: as `lookalike evaluate --json` prints it."""
    rows = evaluation["rows"]
    measures = [name for name in _NAMES if name in rows[0]]
    cells = [[row["name"], *(f"{_value(row[name]):.3f}" for name in measures)] for row in rows]
    return Table(
        "Against the floors",
        ["", *(_NAMES[name] for name in measures)],
        cells,
        note="Each query is a frame of the footage, zoomed, recoloured and made noisy as cameras do. Precision: how"
        f" many of the first five show the same labelled event, at least {evaluation.get('guard_s', 0):.0f} s away."
        " Own moment: whether the nearest frame is the one it was made from, to within 1 s.",
        strong=[number for number, row in enumerate(rows) if row["trained"]],
    )


def _value(measure: float | dict[str, float]) -> float:
    return measure["mean"] if isinstance(measure, dict) else measure
