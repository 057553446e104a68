"""The benchmark of ingest runs, and every way sees every frame."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import ingest
from lookalike.encoder import Encoder
from lookalike.footage import find_sources, read_frames
from tests.clips import write_clip


def test_each_stage_sees_every_frame(tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = write_clip(tmp_path / "a.mp4", range(0, 2000, 40))
    found, model = find_sources([clip]), Encoder(tiny_encoder, "cpu")
    for way in (lambda: ingest.decode(found), lambda: ingest.read(found, model)):
        assert way()[0] == 50
    assert ingest.index(found, model, tmp_path)[0] == 50
    ingest.main(tiny_encoder, str(clip), rounds=1, loop=False, hour=False)
    printed = capsys.readouterr().out
    assert "tiny, 50 frames" in printed
    assert [line.split("|")[3].strip() for line in printed.splitlines() if line.startswith("| lookalike")] == ["1.00"]


def test_a_clip_is_repeated_to_a_length_and_its_key_frames_indexed(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two seconds with a key frame in each, five times: the first length of at least nine seconds."""
    clip = write_clip(tmp_path / "a.mp4", range(0, 2000, 40), codec_options={"g": "25", "sc_threshold": "0"})
    longer = ingest.repeat(str(clip), 9, tmp_path)
    frames = list(read_frames(find_sources([longer])))
    assert [frame.pts_us for frame in frames] == [40_000 * number for number in range(250)]
    ingest.by_key_frames(longer, Encoder(tiny_encoder, "cpu"), 1, tmp_path)
    assert "Key frames only, 10 of an hour" in capsys.readouterr().out
    assert 50 < ingest.peak_mb(longer, tiny_encoder) < 2000
