"""The benchmark of finding runs on a small clip, and its tables say what was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.finding import VARIANTS, by_label, main, remembered, with_own
from tests.clips import write_clip
from training.evaluation.contenders import Contender

RECIPE = """
arch = "compact"
init = "none"
input_px = 32
batch = 8
hidden = 16
projection = 8
content = 8
layout = 8
colour = 8
compile = "off"
"""
PRETRAINED = "pretrained, same head"


def square_at(left: int) -> np.ndarray:
    """A white square on grey, if it is within the picture."""
    picture = np.full((48, 64, 3), 90, np.uint8)
    picture[16:32, left : left + 16] = 250
    return picture


def write_passes(folder: Path) -> Path:
    """A square crosses twice, 4 s each, with 3 s of nothing before, between and after. Returns: the events."""
    still, passing = [square_at(64)] * 12, [square_at(3 * step) for step in range(16)]
    pictures = [*still, *passing, *still, *passing, *still]
    write_clip(folder / "a.mp4", range(0, 250 * len(pictures), 250), pictures)
    events = folder / "events.csv"
    events.write_text("clip,start_s,end_s,label\na.mp4,0,2.5,empty\na.mp4,3.5,6.5,square\na.mp4,10.5,13.5,square\n")
    return events


def tables(printed: str) -> dict[str, list[list[str]]]:
    """By the heading above: the rows of the first table below it, without its header."""
    found: dict[str, list[list[str]]] = {}
    for section in printed.split("\n### "):
        first = section.split("\n\nmAP, P@5 of perturbed queries, by label")[0]
        lines = [line for line in first.split("\n") if line[:2] == "| "]
        found[section.splitlines()[0]] = [line.strip("| ").split(" | ") for line in lines[1:]]
    return found


def test_it_measures_what_is_pretrained_and_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """68 frames at 4 a second. Of those, 13 lie within each of the two passes, both ends included."""
    events, recipe = write_passes(tmp_path), tmp_path / "small.toml"
    recipe.write_text(RECIPE)
    main(
        str(tmp_path),
        events=events,
        recipe=str(recipe),
        steps=2,
        vary=("region_share=0,steps=1",),
        seeds=2,
        device="cpu",
    )
    printed = capsys.readouterr().out
    assert "68 frames (4 a second)" in printed
    assert "of 1 camera(s); 2 seed(s)" in printed
    assert "26 queries of 2 passes" in printed
    assert "| square (26) |" in printed
    assert "Not measured: Whole frames, other cameras: no label has a query." in printed
    assert "Beats every baseline in " in printed  # or in none of them: what was trained is in question
    found = tables(printed)
    frames = {name: cells for name, *cells in found["Whole frames, another pass"]}
    crops = {name: cells for name, *cells in found["Crops of what moves, another pass"]}
    plain = [name for one in ("8x8", "32x32") for name in (f"raw pixels {one}", f"raw pixels {one}, with colour")]
    rows = [*plain, "HSV histogram", "untrained, same head", "16x16 pixels, same head", PRETRAINED]
    assert list(frames) == [
        *rows,
        *(f"pretrained, {name}" for name in VARIANTS),
        "trained, 2 steps",
        "trained, region_share=0,steps=1",
    ]
    assert frames["pretrained, content+layout"] == frames[PRETRAINED]  # as a search weighs whole frames, and crops
    assert crops["pretrained, content+colour"] == crops[PRETRAINED]


def test_without_training_the_pretrained_encoder_is_in_question() -> None:
    plain, pretrained = (Contender(name, lambda pictures: np.eye(len(pictures))) for name in ("plain", PRETRAINED))
    assert [one.role for one in with_own([plain, pretrained])] == ["baseline", "own"]
    first, second = (Contender(name, plain.embed, "own") for name in ("first", "second"))
    assert [one.role for one in with_own([plain, pretrained, first, second])] == [
        "baseline",
        "baseline",
        "own",
        "compared",
    ]


def test_pictures_are_embedded_once_for_all_variants() -> None:
    asked: list[int] = []

    def embed(pictures: list[np.ndarray]) -> np.ndarray:
        asked.append(len(pictures))
        return np.eye(len(pictures))

    once, searched, queries = remembered(embed), [np.zeros(1)] * 3, [np.zeros(1)] * 2
    for _ in range(2):
        assert len(once(searched)) == 3
    assert len(once(queries)) == 2
    assert len(once(list(queries))) == 2  # equal, but others
    assert asked == [3, 2, 2]


def test_a_label_at_several_cameras_is_one_column() -> None:
    """Three queries of .5 and one of 1: .625; P@5 of .2 and .6: .3. A label without queries is left out."""
    labels = [
        {"label": "car", "queries": 3, "map": {"plain": 0.5}, "p5": {"plain": 0.2}},
        {"label": "car", "queries": 1, "map": {"plain": 1.0}, "p5": {"plain": 0.6}},
        {"label": "dog", "queries": 0, "reason": "one camera only"},
    ]
    table = by_label({"labels": labels, "rows": [{"name": "plain"}]})
    assert (table.header, table.rows) == (["", "car (4)"], [["plain", "0.625, 0.300"]])
