"""Format an evaluation as tables: the encoder next to its baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lookalike.report.page import Table

_ON_FOOTAGE = {
    "map": "mAP, perturbed",
    "map_clean": "mAP, unperturbed",
    "p5": "P@5, perturbed",
    "p5_clean": "P@5, unperturbed",
}
_MOMENTS = {
    "self_retrieval": "own moment first",
    "temporal_recall": "near in time",
    "camera_share": "camera share",
}
_ON_PICTURES = {
    "knn200_weighted": "kNN, 200 weighted",
    "knn10": "kNN, 10",
    "linear_probe": "linear probe",
    "accuracy": "accuracy",
}
SHORT = {
    "crops_another_pass": "crops, another pass",
    "crops_another_of_kind": "crops, another of its kind",
    "crops_other_cameras": "crops, other cameras",
    "frames_another_pass": "frames, another pass",
    "frames_another_of_kind": "frames, another of its kind",
    "frames_other_cameras": "frames, other cameras",
    "frames_state": "frames, state again",
    "crops_same_track_later": "crops, same track later",
}

Evaluation = dict[str, Any]
Row = dict[str, Any]


def evaluation_tables(evaluation: Evaluation) -> list[Table]:
    """Format all tables. evaluation: as `lookalike evaluate --json` prints it."""
    if "measures" in evaluation:
        labelled = [images_table(evaluation["pictures"])] if "pictures" in evaluation else []
        return [*labelled, *judged_tables(evaluation), *label_tables(evaluation), moments_table(evaluation)]
    tables = [_table("Compared with the baselines", evaluation["rows"], _ON_PICTURES, _note(evaluation))]
    if "finetune" in evaluation:
        tables.append(finetune_table(evaluation["finetune"]))
    return tables


def summary_table(evaluation: Evaluation, names: Sequence[str], note: str) -> Table:
    """Format the named rows only, with their mAP in every measure that has queries."""
    measures = [one for one in evaluation["measures"] if one["queries"]]
    values = [{row["name"]: row for row in one["rows"]} for one in measures]
    shown = [name for name in names if all(name in rows for rows in values)] if measures else []
    rows = [[name, *(_both_lights(rows[name]) for rows in values)] for name in shown]
    own = [number for number, name in enumerate(shown) if values[0][name]["role"] == "own"]
    header = ["", *(f"{SHORT[one['name']]} ({one['queries']:,} queries)" for one in measures)]
    return Table("Side by side", header, rows, note=f"mAP of perturbed queries (unperturbed). {note}", strong=own)


def _both_lights(row: Row) -> str:
    return f"{row['map']:.2f}" + (f" ({row['map_clean']:.2f})" if "map_clean" in row else "")


def judged_tables(evaluation: Evaluation) -> list[Table]:
    """Format a table for each measure that has queries."""
    seeds = len(evaluation["seeds"])
    tables: list[Table] = []
    for one in evaluation["measures"]:
        if one["queries"]:
            [(unit, count)] = one["units"].items()
            note = f"{one['note']} {one['queries']:,} queries of {count:,} {unit}."
            note += f" Mean and standard deviation over {seeds} seeds." if seeds > 1 else ""
            tables.append(_table(one["title"], one["rows"], _ON_FOOTAGE, note))
    return tables


def label_tables(evaluation: Evaluation) -> list[Table]:
    """Format every label of every camera: its queries with the encoder's mAP and P@5, or why it has none.

    Measures without a query are listed in a separate table, with the reason.
    """
    measures = [one for one in evaluation["measures"] if one["labels"]]
    tables: list[Table] = []
    for start in range(0, len(measures), _COLUMNS):
        part = measures[start : start + _COLUMNS]
        cells: dict[tuple[str, str], dict[str, str]] = {}
        for one in part:
            for label in one["labels"]:
                cells.setdefault((label["label"], label["camera"]), {})[one["name"]] = _asked(label, one)
        rows = [[*names, *(found.get(one["name"], "") for one in part)] for names, found in cells.items()]
        tables.append(Table("By label", ["", "camera", *(SHORT[one["name"]] for one in part)], rows, note=_BY_LABEL))
    if none := [[one["title"], one["reason"]] for one in evaluation["measures"] if not one["queries"]]:
        tables.append(Table("Not measured", ["", "reason"], none))
    return tables


def moments_table(evaluation: Evaluation) -> Table:
    """Format what whole frames find of their own recording, which the verdict ignores."""
    moments = evaluation["moments"]
    note = (
        f"Of {moments['frames']:,} perturbed whole frames. The verdict ignores them, since they measure whether an"
        " empty scene is recognised. Own moment first: the nearest frame is the query's own, to within 1 s."
    )
    if any("temporal_recall" in row for row in moments["rows"]):
        note += (
            f" Near in time: the nearest frame outside the own moment is {evaluation['guard_s']:g} to"
            f" {evaluation['window_s']:g} s away."
        )
    if any("camera_share" in row for row in moments["rows"]):
        note += " Camera share: share of the vectors' variance that lies between cameras, 0 to 1."
    return _table("Moments of whole frames", moments["rows"], _MOMENTS, note)


def images_table(images: Evaluation) -> Table:
    """images: as `lookalike evaluate --images --json` prints it."""
    note = f"Leave-one-out on {images['images']:,} labelled pictures of {len(images['classes']):,} classes."
    return _table("Labelled pictures, by their nearest neighbours", images["rows"], _ON_PICTURES, note)


def finetune_table(finetune: Evaluation) -> Table:
    """finetune: as `lookalike evaluate --finetune --json` prints it under that name."""
    note = (
        f"{finetune['epochs']} epochs, {finetune['steps']:,} steps of {finetune['batch']}, on {finetune['train']:,}"
        f" pictures; accuracy on {finetune['test']:,} others."
    )
    return _table("Fine-tuned", finetune["rows"], _ON_PICTURES, note)


_COLUMNS = 2  # measures side by side, so that a terminal's line holds them
_BY_LABEL = (
    "Number of queries, and this encoder's mAP, P@5 of perturbed queries (unperturbed). 0: no query, with the reason."
    " Things that pass are searched for at other passes, states of the scene in other intervals."
)


def _asked(label: Row, measure: Row) -> str:
    if not label["queries"]:
        return f"0: {label['reason'].split(':')[0]}"
    own = next(row["name"] for row in measure["rows"] if row["role"] == "own")
    clean = f" ({label['map_clean'][own]:.2f}, {label['p5_clean'][own]:.2f})" if "map_clean" in label else ""
    return f"{label['queries']}: {label['map'][own]:.2f}, {label['p5'][own]:.2f}{clean}"


def _table(title: str, rows: list[Row], names: dict[str, str], note: str) -> Table:
    measures = [name for name in names if any(name in row for row in rows)]
    return Table(
        title,
        ["", *(names[name] for name in measures)],
        [[row["name"], *(_cell(row, name) for name in measures)] for row in rows],
        note=note,
        strong=[number for number, row in enumerate(rows) if row["role"] == "own"],
    )


def _note(evaluation: Evaluation) -> str:
    if "train" in evaluation:
        return f"Fitted to {evaluation['train']:,} labelled pictures, tested on {evaluation['test']:,} others."
    return f"Leave-one-out on {evaluation['images']:,} pictures of {len(evaluation['classes']):,} classes."


def _cell(row: Row, measure: str) -> str:
    """Format a value to three digits, with its standard deviation if there is one."""
    if measure not in row:
        return ""
    deviations = row.get("std", {})
    return f"{row[measure]:.3f}" + (f" +-{deviations[measure]:.3f}" if measure in deviations else "")
