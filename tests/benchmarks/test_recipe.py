"""The table of a recipe, of measures that are written here."""

from __future__ import annotations

from benchmarks.recipe import table


def test_a_row_has_mean_and_deviation_where_there_were_several_draws() -> None:
    crops = [{"name": "raw pixels 8x8", "map": 0.25, "std": {"map": 0.0125}}, {"name": "HSV histogram", "map": 0.5}]
    frames = [{"name": "raw pixels 8x8", "map": 0.75}, {"name": "HSV histogram", "map": 1.0}]
    measures = [
        {"title": "Crops", "queries": 1200, "rows": crops},
        {"title": "Not asked", "queries": 0, "rows": []},
        {"title": "Frames", "queries": 12, "rows": frames},
    ]
    assert table(measures) == [
        "|  | Crops (1,200 queries) | Frames (12 queries) |",
        "|---|---|---|",
        "| raw pixels 8x8 | 0.250 +-0.013 | 0.750 |",
        "| HSV histogram | 0.500 | 1.000 |",
    ]
