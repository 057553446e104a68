"""The benchmark of the page: its copies are recordings of their own, its times add up, and it runs through."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import page
from lookalike.encoder import Encoder
from lookalike.footage import find_sources, frame_at
from lookalike.index import open_index
from tests.clips import write_clip
from tests.serving.running import ROOT
from tests.tiny import SPEC


def test_copies_are_other_files_that_show_the_same(tiny: Encoder, tmp_path: Path) -> None:
    """Two frames a second of a clip of 4 s are 8; 20 of them take three days, the third of them half."""
    clip = write_clip(tmp_path / "a.mp4", range(0, 4000, 40))
    with open_index(tmp_path / "index", SPEC, create=True) as index:
        page.fill(index, tiny, find_sources([clip]), 20, tmp_path)
        stored = list(index.frames())
    assert len(stored) == 20
    by_camera = {camera: [one for one in stored if one.camera == camera] for camera in ("a-0", "a-1", "a-2")}
    assert [len(some) for some in by_camera.values()] == [8, 8, 4]
    assert len({one.source_id for one in stored}) == 3
    for some in by_camera.values():
        assert np.array_equal(frame_at(some[0].source, 2.0), frame_at(str(clip), 2.0))


def test_perturbed_vectors_are_near_theirs() -> None:
    vectors = np.eye(64, dtype=np.float32)
    assert np.array_equal(page.perturbed(vectors, 0), vectors)
    cosines = np.sum(page.perturbed(vectors, 1) * vectors, axis=1)
    assert cosines == pytest.approx(np.full(64, 1 / np.sqrt(1 + 0.3**2)), abs=0.05)


def test_what_the_time_went_to_adds_up() -> None:
    """A second request ran beside the first one for 10 ms; one that was answered too late has no part."""
    requests = [["/pictures", 5, 35], ["/search", 40, 90], ["/search", 80, 110], ["/frames/1/thumb", 120, 160]]
    assert page.spent({"answer": 130, "requests": requests}) == {
        "of that, /pictures": 30,
        "of that, /search": 70,
        "of that, the page, before the answer came": 10,
        "of that, the page, then": 20,
    }


def test_it_runs_and_says_how_often_the_aim_is_met(tiny_encoder: Path, tmp_path: Path) -> None:
    """In a process of its own: Playwright has one browser session in a process, and other tests may have it."""
    clip = write_clip(tmp_path / "a.mp4", range(0, 4000, 40))
    command = [sys.executable, "-m", "benchmarks.page", str(tiny_encoder), str(clip), "--frames", "16", "--drops", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "tiny, 16 frames" in done.stdout
    rows = {line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("| ")}
    assert {"until the first answer is on the page", "of that, /search", "search, alone"} <= rows
    assert "of 2 first answers" in done.stdout
