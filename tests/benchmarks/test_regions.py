"""The benchmark of regions counts what is stored of each frame."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.regions import main
from tests.clips import write_clip


def test_vectors_of_each_kind_are_counted(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One a frame, and nine more with a grid."""
    clip = write_clip(tmp_path / "a.mp4", range(0, 3000, 250))
    main(tiny_encoder, str(clip))
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert [row[0] for row in rows] == ["| whole frames", "| grid", "| motion", "| auto"]
    assert [row[1] for row in rows[:2]] == ["1.0", "10.0"]
    assert rows[0][2:] == ["1.00", "1.0 |"]
