"""An evaluation as tables: the encoder beside the floors that it has to beat."""

from __future__ import annotations

from typing import Any

from lookalike.report.page import Table

_NAMES = {
    "precision5_disturbed": "precision@5, disturbed",
    "precision5_clean": "precision@5, clean",
    "self_retrieval_disturbed": "own moment first, disturbed",
    "temporal_recall_disturbed": "near in time, disturbed",
    "temporal_recall_clean": "near in time, clean",
    "camera_share": "camera share",
    "knn200_weighted": "kNN, 200 weighted",
    "knn10": "kNN, 10",
    "linear_probe": "linear probe",
    "accuracy": "accuracy",
}
_BY_CLIP = {"precision5_disturbed": "Precision@5 by clip, disturbed", "precision5_clean": "Precision@5 by clip, clean"}


def evaluation_tables(evaluation: dict[str, Any]) -> list[Table]:
    """All that was measured. evaluation: as `lookalike evaluate --json` prints it."""
    tables = [retrieval_table(evaluation), *clip_tables(evaluation)]
    if "finetune" in evaluation:
        tables.append(finetune_table(evaluation["finetune"]))
    return tables


def retrieval_table(evaluation: dict[str, Any]) -> Table:
    """A row for each contender, a column for each measure; of several seeds, mean and standard deviation.

    evaluation: as `lookalike evaluate --json` prints it.
    """
    return _table("Against the floors", evaluation["rows"], _note(evaluation))


def finetune_table(finetune: dict[str, Any]) -> Table:
    """finetune: as `lookalike evaluate --finetune --json` prints it under that name."""
    note = (
        f"{finetune['epochs']} epochs, {finetune['steps']:,} steps of {finetune['batch']}, on {finetune['train']:,}"
        f" pictures; accuracy on {finetune['test']:,} others."
    )
    return _table("Fine-tuned", finetune["rows"], note)


def clip_tables(evaluation: dict[str, Any]) -> list[Table]:
    """Precision@5 of each clip, a column for each contender; none where nothing was labelled."""
    rows = evaluation["rows"]
    tables: list[Table] = []
    for measure, title in _BY_CLIP.items():
        if measure in rows[0]:
            clips = [clip for clip in rows[0][measure] if clip != "mean"]
            cells = [[clip, *(_cell(row, measure, clip) for row in rows)] for clip in [*clips, "mean"]]
            tables.append(Table(title, ["", *(row["name"] for row in rows)], cells, strong=[len(cells) - 1]))
    return tables


def _table(title: str, rows: list[dict[str, Any]], note: str) -> Table:
    measures = [name for name in _NAMES if name in rows[0]]
    return Table(
        title,
        ["", *(_NAMES[name] for name in measures)],
        [[row["name"], *(_cell(row, name, "mean") for name in measures)] for row in rows],
        note=note,
        strong=[number for number, row in enumerate(rows) if row["trained"]],
    )


def _note(evaluation: dict[str, Any]) -> str:
    """How to read the columns that are there."""
    own = evaluation["rows"][0]
    guard_s, notes = evaluation.get("guard_s", 0), []
    if "self_retrieval_disturbed" in own:
        notes.append(
            "Disturbed: each query is a frame of the footage, zoomed, recoloured and made noisy as cameras do."
        )
    if "precision5_clean" in own:
        notes.append(
            f"Precision: how many of the first five show the same labelled event, at least {guard_s:g} s away."
        )
    if "self_retrieval_disturbed" in own:
        notes.append("Own moment: whether the nearest frame is the one it was made from, to within 1 s.")
    if "temporal_recall_clean" in own:
        window_s = evaluation["window_s"]
        notes.append(
            f"Near in time: whether the nearest frame, own moment aside, is {guard_s:g} to {window_s:g} s away."
        )
    if "camera_share" in own:
        notes.append("Camera share: how much of the vectors' variance says only which camera it was, 0 to 1.")
    if "linear_probe" in own:
        notes.append(
            f"Learned from {evaluation['train']:,} labelled pictures, asked about {evaluation['test']:,} others."
        )
    if len(seeds := evaluation.get("seeds", [])) > 1:
        notes.append(f"Mean and standard deviation over {len(seeds)} draws of the disturbances.")
    return " ".join(notes)


def _cell(row: dict[str, Any], measure: str, part: str) -> str:
    """The value to three digits, with its deviation if there is one."""
    text = f"{_value(row[measure], part):.3f}"
    deviations = row.get("std", {})
    return f"{text} +-{_value(deviations[measure], part):.3f}" if measure in deviations else text


def _value(measure: float | dict[str, float], part: str) -> float:
    return measure[part] if isinstance(measure, dict) else measure
