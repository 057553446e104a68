"""An evaluation as tables, on a page and in a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from lookalike.report.page import Table
from lookalike.report.retrieval import evaluation_tables, retrieval_table
from lookalike.report.text import table_lines


def row(name: str, trained: bool, **measures: Any) -> dict[str, Any]:
    return {"name": name, "trained": trained} | measures


def footage(**more: Any) -> dict[str, Any]:
    rows = [
        row(
            "this encoder",
            True,
            precision5_disturbed={"a.mp4": 0.5, "b.mp4": 0.25, "mean": 0.375},
            precision5_clean={"a.mp4": 1.0, "b.mp4": 0.75, "mean": 0.875},
            self_retrieval_disturbed=0.91234,
            temporal_recall_clean=0.5,
            camera_share=0.25,
        ),
        row(
            "raw pixels",
            False,
            precision5_disturbed={"a.mp4": 0.0, "b.mp4": 0.5, "mean": 0.25},
            precision5_clean={"a.mp4": 1.0, "b.mp4": 1.0, "mean": 1.0},
            self_retrieval_disturbed=1.0,
            temporal_recall_clean=0.125,
            camera_share=1.0,
        ),
    ]
    return {"rows": rows, "guard_s": 3.0, "window_s": 10.0, "seeds": [0]} | more


def test_every_measure_that_there_is_has_its_column() -> None:
    [table, disturbed, clean] = evaluation_tables(footage())
    assert table.header[1:] == [
        *("precision@5, disturbed", "precision@5, clean", "own moment first, disturbed"),
        *("near in time, clean", "camera share"),
    ]
    assert table.rows == [
        ["this encoder", "0.375", "0.875", "0.912", "0.500", "0.250"],
        ["raw pixels", "0.250", "1.000", "1.000", "0.125", "1.000"],
    ]
    assert table.strong == [0]
    assert "is 3 to 10 s away" in table.note
    assert "over" not in table.note
    assert (disturbed.title, clean.title) == ("Precision@5 by clip, disturbed", "Precision@5 by clip, clean")
    assert disturbed.header == ["", "this encoder", "raw pixels"]
    assert disturbed.rows == [["a.mp4", "0.500", "0.000"], ["b.mp4", "0.250", "0.500"], ["mean", "0.375", "0.250"]]
    assert clean.rows[0] == ["a.mp4", "1.000", "1.000"]


def test_several_seeds_show_their_deviation_where_there_is_one() -> None:
    evaluation = footage(seeds=[0, 1, 2])
    for one in evaluation["rows"]:
        one["std"] = {
            "precision5_disturbed": {"a.mp4": 0.1, "b.mp4": 0.2, "mean": 0.0311},
            "self_retrieval_disturbed": 0.002,
        }
    [table, disturbed, clean] = evaluation_tables(evaluation)
    assert table.rows[0] == ["this encoder", "0.375 +-0.031", "0.875", "0.912 +-0.002", "0.500", "0.250"]
    assert disturbed.rows[1] == ["b.mp4", "0.250 +-0.200", "0.500 +-0.200"]
    assert clean.rows[1] == ["b.mp4", "0.750", "1.000"]
    assert table.note.endswith("Mean and standard deviation over 3 draws of the disturbances.")


def test_labelled_pictures_say_how_many_were_learned_from() -> None:
    rows = [row("this encoder", True, knn200_weighted=0.5, knn10=0.25, linear_probe=0.75)]
    fine = [row("this encoder, fine-tuned", True, accuracy=0.875)]
    finetune = {"epochs": 5, "steps": 1955, "batch": 128, "train": 50_000, "test": 10_000, "rows": fine}
    [table, tuned] = evaluation_tables({"train": 50_000, "test": 10_000, "rows": rows, "finetune": finetune})
    assert table.header == ["", "kNN, 200 weighted", "kNN, 10", "linear probe"]
    assert table.rows == [["this encoder", "0.500", "0.250", "0.750"]]
    assert table.note == "Learned from 50,000 labelled pictures, asked about 10,000 others."
    assert (tuned.header, tuned.rows) == (["", "accuracy"], [["this encoder, fine-tuned", "0.875"]])
    assert tuned.note.startswith("5 epochs, 1,955 steps of 128, on 50,000 pictures; accuracy on 10,000 others.")


def test_pictures_of_one_folder_are_about_no_guard() -> None:
    table = retrieval_table({"images": 24, "rows": [row("this encoder", True, knn10=0.5)]})
    assert (table.header, table.note) == (["", "kNN, 10"], "")


def test_a_table_for_a_terminal_is_aligned() -> None:
    """Headers break at 12 characters and stand on their last line; names stand left, numbers right."""
    table = Table(
        "Against the floors",
        ["", "precision@5, disturbed", "camera"],
        [["this encoder", "0.375 +-0.031", "0.25"], ["raw", "1", "0.843"]],
    )
    assert table_lines(table) == [
        "Against the floors",
        "               precision@5,",
        "                  disturbed  camera",
        "this encoder  0.375 +-0.031    0.25",
        "raw                       1   0.843",
    ]


@pytest.mark.parametrize(("length", "shown"), [(36, "x" * 36), (37, "..." + "x" * 33)])
def test_of_a_long_name_the_end_is_shown(length: int, shown: str) -> None:
    assert table_lines(Table("", ["", "n"], [["x" * length, "1"]]))[-1] == f"{shown}  1"


def test_all_of_an_evaluation_fits_120_columns() -> None:
    """The widest there is: every measure, and five contenders by clip, with deviations and the longest clip name."""
    clips = {"x" * 60: 0.5, "mean": 0.5}
    numbers = ("self_retrieval_disturbed", "temporal_recall_disturbed")
    varying: dict[str, Any] = {"precision5_disturbed": clips} | dict.fromkeys(numbers, 0.5)
    fixed = {"precision5_clean": clips, "temporal_recall_clean": 0.5, "camera_share": 0.5}
    names = ["this encoder", "raw pixels 8x8", "raw pixels 32x32", "HSV histogram", "the same encoder, untrained"]
    rows = [row(name, not number, **varying, **fixed, std=varying) for number, name in enumerate(names)]
    tables = evaluation_tables({"rows": rows, "guard_s": 3.0, "window_s": 10.0, "seeds": [0, 1]})
    assert [len(table.rows[0]) for table in tables] == [7, 6, 6]
    assert max(len(line) for table in tables for line in table_lines(table)) <= 120
