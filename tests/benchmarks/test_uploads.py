"""The benchmark of uploads asks pictures of events that it kept out of the index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.uploads import main
from tests.clips import write_clip

COLOURS = {"red": (220, 40, 40), "blue": (40, 40, 220)}


def test_pictures_of_what_is_not_stored_find_what_is_alike(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twelve times red and blue in turn, four frames each, with twelve of grey after them. Six of each are stored, so
    all of the first five hits can be right; of each of the others the second and the third frame are asked."""
    names = ["red", "blue"] * 12
    pictures = [
        np.full((48, 64, 3), colour, np.uint8) for name in names for colour in [COLOURS[name]] * 4 + [(70, 70, 70)] * 12
    ]
    clip = write_clip(tmp_path / "a.mp4", range(0, 500 * len(pictures), 500), pictures)
    events = tmp_path / "events.csv"
    lines = [f"a.mp4,{8 * number},{8 * number + 1.9},{name}" for number, name in enumerate(names)]
    events.write_text("\n".join(["clip,start_s,end_s,label", *lines]))
    main(tiny_encoder, str(clip), events=events)
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert [row[:2] for row in rows] == [["blue", "12"], ["red", "12"], ["all but empty", "24"]]
    assert [row[3] for row in rows] == ["1.00", "1.00", "1.00"]  # as they are
