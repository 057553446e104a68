"""The table of a recipe, of rows that are written here."""

from __future__ import annotations

from benchmarks.recipe import table


def test_a_row_has_mean_and_deviation_where_there_were_several_draws() -> None:
    row = {
        "name": "raw pixels 8x8",
        "precision5_disturbed": {"gate.mp4": 0.5, "mean": 0.25},
        "precision5_clean": {"gate.mp4": 1.0, "mean": 0.9},
        "self_retrieval_disturbed": 0.125,
        "camera_share": 0.843,
    }
    spread = {"std": {"precision5_disturbed": {"gate.mp4": 0.1, "mean": 0.0125}}}
    one, several = table([row, row | spread])[2:]
    assert one == "| raw pixels 8x8 | 0.250 | 0.900 | 0.125 | 0.84 |"
    assert several == "| raw pixels 8x8 | 0.250 +-0.013 | 0.900 | 0.125 | 0.84 |"
