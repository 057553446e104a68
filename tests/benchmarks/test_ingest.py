"""The benchmark of ingest runs, and every way sees every frame."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import ingest
from lookalike.encoder import Encoder
from lookalike.footage import find_sources
from tests.clips import write_clip


def test_each_stage_sees_every_frame(tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = write_clip(tmp_path / "a.mp4", range(0, 2000, 40))
    found, model = find_sources([clip]), Encoder(tiny_encoder, "cpu")
    for way in (lambda: ingest.decode(found), lambda: ingest.read(found, model)):
        assert way()[0] == 50
    assert ingest.index(found, model, tmp_path)[0] == 50
    ingest.main(tiny_encoder, str(clip), rounds=1, loop=False)
    printed = capsys.readouterr().out
    assert "tiny, 50 frames" in printed
    assert [line.split("|")[3].strip() for line in printed.splitlines() if line.startswith("| lookalike")] == ["1.00"]
