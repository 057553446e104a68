"""The benchmark of searches: what it makes is what it says, what it counts is right, and it runs through."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from benchmarks import search
from lookalike.index import Filters


def test_neighbours_are_alike_and_cameras_are_not() -> None:
    """The second clip of a camera comes after one of each of the others."""
    made = search.clustered(search.CAMERAS * search.CLIP + 1)
    assert np.linalg.norm(made, axis=1) == pytest.approx(np.ones(len(made)), abs=1e-5)
    assert made[0] @ made[1] > 0.97
    assert made[0] @ made[200] < made[0] @ made[20] < made[0] @ made[1]
    assert 0.6 < made[0] @ made[-1] < 0.9
    assert made[0] @ made[search.CLIP] < 0.4


def test_frames_are_those_that_the_conditions_say() -> None:
    """Clip 50 is the second one of the first camera, and begins 200 s after the first."""
    number = 50 * search.CLIP + 3
    one = search.frame(number)
    assert (one.camera, one.time_s) == ("camera0", 1.5)
    assert one.captured_at == search.BEGAN + timedelta(seconds=201.5)
    frames = 2 * search.CAMERAS * search.CLIP
    filters, meets = search.conditions(frames)["a camera, half of the time"]
    assert isinstance(filters.since, datetime)
    assert isinstance(filters.until, datetime)
    for number in range(0, frames, 37):
        one = search.frame(number)
        assert one.captured_at is not None
        expected = one.camera == "camera0" and filters.since <= one.captured_at <= filters.until
        assert meets[number] == expected
    assert not meets[search.CLIP : 2 * search.CLIP].any()


def test_recall_is_the_share_of_the_exact_answer_that_was_found() -> None:
    vectors = search.clustered(200)
    ask = search.by_numpy(vectors)
    exact = ask(vectors[5], Filters())
    nearest = search.exactly(vectors, vectors[5:6], search.meeting(200))["none"]
    assert search.recall_of([exact], nearest) == 1
    assert search.recall_of([exact[:7] + [0.0] * 3], nearest) == pytest.approx(0.7)


def test_the_exact_answer_is_that_of_all_blocks_and_of_the_frames_that_meet_a_condition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Frames on a circle, a degree apart, asked at 0: the ten nearest end 9 degrees away, of every other one 18."""
    monkeypatch.setattr(search, "BLOCK", 7)
    degrees = np.radians(np.arange(60))
    vectors = np.stack([np.cos(degrees), np.sin(degrees)], axis=1).astype(np.float32)
    meeting = {"all": np.ones(60, bool), "even": np.arange(60) % 2 == 0, "three": np.arange(60) < 3}
    nearest = search.exactly(vectors, vectors[:1], meeting)
    for name, degrees, count in (("all", 9, 10), ("even", 18, 10), ("three", 2, 3)):
        assert nearest[name].least == pytest.approx([np.cos(np.radians(degrees))], abs=1e-6)
        assert nearest[name].count == count


def test_recall_is_measured_for_each_weighing(capsys: pytest.CaptureFixture[str]) -> None:
    """Of frames so few that all are looked at, the ten nearest are found by any weights."""
    search.weights(frames=800, queries=5)
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert {row[1].strip(): float(row[3]) for row in rows[2:]} == dict.fromkeys(search.WEIGHTS, 1.0)


def test_an_index_that_is_kept_is_filled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = search.clustered(40)
    search.filled(tmp_path / "index", vectors).close()
    monkeypatch.setattr(search, "_fill", lambda *_: pytest.fail("filled again"))
    with search.filled(tmp_path / "index", vectors) as index:
        assert index.count() == 40


def test_it_runs_and_finds_nearly_all(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "IDLE_S", 1.0)
    search.main(frames=2000, peer_frames=400, ingest=200, queries=10)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    recall = {(row[0], row[2]): float(row[5]) for row in rows if len(row) == 6 and row[5].startswith(("0.", "1."))}
    assert {name for name, _ in recall} == {"embedded", "exact, numpy", "client, local mode"}
    assert min(recall.values()) >= 0.98
    live = {row[0]: row for row in rows if len(row) == 6 and row[0] in ("200 frames come in", "the graph is built")}
    assert [row[5] for row in live.values()] == ["0", "0"]  # none failed
