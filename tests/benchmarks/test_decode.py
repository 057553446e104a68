"""The benchmark of decoding runs, and its reference agrees with itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from benchmarks.decode import main


def test_each_way_is_compared_with_the_reference(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.radial_gradient("L").convert("RGB").save(tmp_path / "frame.png")
    main(tiny_encoder, str(tmp_path), rounds=1, simplejpeg=False)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()[-3:]]
    assert [row[0] for row in rows] == [
        "all pixels, one filter (reference)",
        "as frames of videos are",
        "as images are",
    ]
    assert rows[0][2] == "1.00"
    assert float(rows[0][3]) == pytest.approx(1, abs=1e-5)
    assert all(float(row[3]) > 0.99 for row in rows)  # a smooth picture loses nothing when detail is left out
