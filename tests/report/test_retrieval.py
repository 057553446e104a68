"""An evaluation as tables, on a page and in a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from lookalike.report.page import Table
from lookalike.report.retrieval import SHORT, evaluation_tables, summary_table
from lookalike.report.text import table_lines


def row(name: str, role: str, **measures: Any) -> dict[str, Any]:
    return {"name": name, "role": role} | measures


def measure(**changes: Any) -> dict[str, Any]:
    """Crops at another pass: two queries of a car, none of a dog and of nothing."""
    rows = [row("this encoder", "own", map=0.61234, p5=0.5, map_clean=0.7, p5_clean=0.75)]
    rows.append(row("HSV histogram", "baseline", map=0.5, p5=0.25, map_clean=1.0, p5_clean=1.0))
    labels = [
        {
            "label": "car",
            "camera": "gate",
            "queries": 2,
            "map": {"this encoder": 0.6},
            "map_clean": {"this encoder": 1.0},
            "p5": {"this encoder": 0.4},
            "p5_clean": {"this encoder": 0.8},
        },
        {"label": "dog", "camera": "gate", "queries": 0, "reason": "one interval only"},
        {"label": "empty", "camera": "gate", "queries": 0, "reason": "a state: nothing is there"},
    ]
    found = {"name": "crops_another_pass", "title": "Crops, another pass", "note": "Asked.", "queries": 2}
    return found | {"units": {"passes": 2}, "rows": rows, "labels": labels, "reason": ""} | changes


def footage(*measures: dict[str, Any], **more: Any) -> dict[str, Any]:
    rows = [
        row("this encoder", "own", self_retrieval=0.5, temporal_recall=0.5, camera_share=0.25),
        row("HSV histogram", "baseline", self_retrieval=1.0, temporal_recall=0.125, camera_share=1.0),
    ]
    about = {"guard_s": 3.0, "window_s": 10.0, "seeds": [0], "moments": {"frames": 300, "rows": rows}}
    return about | {"measures": list(measures)} | more


def test_every_measure_has_a_table_and_the_encoder_stands_out() -> None:
    [crops, *_] = evaluation_tables(footage(measure()))
    assert crops.title == "Crops, another pass"
    assert crops.header == ["", "mAP, perturbed", "mAP, unperturbed", "P@5, perturbed", "P@5, unperturbed"]
    assert crops.rows == [
        ["this encoder", "0.612", "0.700", "0.500", "0.750"],
        ["HSV histogram", "0.500", "1.000", "0.250", "1.000"],
    ]
    assert crops.strong == [0]
    assert crops.note == "Asked. 2 queries of 2 passes."


def test_a_summary_has_the_named_rows_in_their_order_and_a_column_for_each_measure() -> None:
    """A measure without queries has no column; one that is not asked as it is has one number."""
    later = measure(name="crops_same_track_later", queries=1200, rows=[row("HSV histogram", "baseline", map=0.25)])
    later["rows"].append(row("this encoder", "own", map=0.3))
    none = measure(name="frames_state", queries=0, rows=[])
    table = summary_table(footage(measure(), later, none), ["HSV histogram", "not there", "this encoder"], "Note.")
    assert table.header == ["", "crops, another pass (2 queries)", "crops, same track later (1,200 queries)"]
    assert table.rows == [["HSV histogram", "0.50 (1.00)", "0.25"], ["this encoder", "0.61 (0.70)", "0.30"]]
    assert table.strong == [1]
    assert table.note == "mAP of perturbed queries (unperturbed). Note."


def test_a_summary_of_nothing_is_empty() -> None:
    assert summary_table(footage(), ["this encoder"], "").rows == []


def test_several_seeds_show_their_deviation_where_there_is_one() -> None:
    rows = [row("this encoder", "own", map=0.5, p5=0.25, map_clean=0.7, std={"map": 0.0311, "p5": 0.2})]
    [crops, *_] = evaluation_tables(footage(measure(rows=rows), seeds=[0, 1, 2]))
    assert crops.rows == [["this encoder", "0.500 +-0.031", "0.700", "0.250 +-0.200"]]
    assert crops.note.endswith("Mean and standard deviation over 3 seeds.")


def test_every_label_is_listed_with_its_queries_or_why_there_are_none() -> None:
    none = measure(
        name="crops_other_cameras", title="Crops, other cameras", queries=0, rows=[], reason="no label has a query"
    )
    none["labels"] = [{"label": "car", "camera": "gate", "queries": 0, "reason": "one camera only"}]
    [_, labels, missing, _] = evaluation_tables(footage(measure(), none))
    assert labels.header == ["", "camera", "crops, another pass", "crops, other cameras"]
    assert labels.rows == [
        ["car", "gate", "2: 0.60, 0.40 (1.00, 0.80)", "0: one camera only"],
        ["dog", "gate", "0: one interval only", ""],
        ["empty", "gate", "0: a state", ""],
    ]
    assert labels.note.startswith("Number of queries, and this encoder's mAP, P@5 of perturbed queries (unperturbed).")
    assert (missing.title, missing.rows) == ("Not measured", [["Crops, other cameras", "no label has a query"]])


def test_a_label_that_is_asked_in_other_light_only_has_two_numbers() -> None:
    label = {"label": "car", "camera": "gate", "queries": 60, "map": {"this encoder": 0.5}, "p5": {"this encoder": 0.2}}
    [_, labels, _] = evaluation_tables(footage(measure(labels=[label])))
    assert labels.rows == [["car", "gate", "60: 0.50, 0.20"]]


def test_moments_stand_last_and_say_that_they_are_not_judged() -> None:
    table = evaluation_tables(footage(measure()))[-1]
    assert table.header == ["", "own moment first", "near in time", "camera share"]
    assert table.rows == [["this encoder", "0.500", "0.500", "0.250"], ["HSV histogram", "1.000", "0.125", "1.000"]]
    assert "The verdict ignores them" in table.note
    assert "is 3 to 10 s away" in table.note


def test_labelled_pictures_say_how_many_were_learned_from() -> None:
    rows = [row("this encoder", "own", knn200_weighted=0.5, knn10=0.25, linear_probe=0.75)]
    fine = [row("this encoder, fine-tuned", "own", accuracy=0.875)]
    finetune = {"epochs": 5, "steps": 1955, "batch": 128, "train": 50_000, "test": 10_000, "rows": fine}
    [table, tuned] = evaluation_tables({"train": 50_000, "test": 10_000, "rows": rows, "finetune": finetune})
    assert table.header == ["", "kNN, 200 weighted", "kNN, 10", "linear probe"]
    assert table.rows == [["this encoder", "0.500", "0.250", "0.750"]]
    assert table.note == "Fitted to 50,000 labelled pictures, tested on 10,000 others."
    assert (tuned.header, tuned.rows) == (["", "accuracy"], [["this encoder, fine-tuned", "0.875"]])
    assert tuned.note.startswith("5 epochs, 1,955 steps of 128, on 50,000 pictures; accuracy on 10,000 others.")


def test_pictures_of_one_folder_say_how_many_and_of_how_many_classes() -> None:
    rows = [row("this encoder", "own", knn10=0.5)]
    [table] = evaluation_tables({"images": 24, "classes": ["cat", "dog"], "rows": rows})
    assert (table.header, table.note) == (["", "kNN, 10"], "Leave-one-out on 24 pictures of 2 classes.")


def test_a_table_for_a_terminal_is_aligned() -> None:
    """Headers break at 12 characters and stand on their last line; names stand left, numbers right."""
    table = Table(
        "Compared",
        ["", "precision@5, perturbed", "camera"],
        [["this encoder", "0.375 +-0.031", "0.25"], ["raw", "1", "0.843"]],
    )
    assert table_lines(table) == [
        "Compared",
        "               precision@5,",
        "                  perturbed  camera",
        "this encoder  0.375 +-0.031    0.25",
        "raw                       1   0.843",
    ]


@pytest.mark.parametrize(("length", "shown"), [(36, "x" * 36), (37, "..." + "x" * 33)])
def test_of_a_long_name_the_end_is_shown(length: int, shown: str) -> None:
    assert table_lines(Table("", ["", "n"], [["x" * length, "1"]]))[-1] == f"{shown}  1"


def test_all_of_an_evaluation_fits_120_columns() -> None:
    """The widest there is: deviations, the longest name of a baseline, long labels and cameras, and all measures."""
    std = dict.fromkeys(("map", "p5"), 0.5)
    values = dict.fromkeys(("map", "p5", "map_clean", "p5_clean"), 0.5)
    names = ["this encoder", "16x16 pixels, same head, with colour"]
    rows = [row(name, "baseline" if number else "own", **values, std=std) for number, name in enumerate(names)]
    label = {"label": "person2_black_hoodie", "camera": "one-by-one-person-detection"}
    none = label | {"queries": 0, "reason": "one interval only"}
    asked = label | {"label": "person1_white_hoodie", "queries": 60} | {name: {"this encoder": 1.0} for name in values}
    measures = [measure(name=name, rows=rows, labels=[none, asked]) for name in SHORT]
    lines = [line for table in evaluation_tables(footage(*measures)) for line in table_lines(table)]
    assert max(map(len, lines)) <= 120
