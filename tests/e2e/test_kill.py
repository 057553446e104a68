"""kill -9 while footage is indexed, at twenty moments: run again, no frame is there twice, and none is missing."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lookalike import pixels
from lookalike.encoder import Encoder
from lookalike.footage import Frame, find_sources, read_frames
from lookalike.index import FrameIndex, open_index
from lookalike.ingest import index_footage
from lookalike.sampling import ALL
from tests.clips import noise, write_clip
from tests.tiny import SPEC, tiny_embedding

ROOT = Path(__file__).resolve().parents[2]
CLIPS, FRAMES, KILLS = 6, 40, 20
# Every batch is flushed, so that kills also fall between storing, flushing and noting what is finished.
SCRIPT = """
import sys
from lookalike import ingest
from lookalike.encoder import Encoder
from lookalike.footage import find_sources
from lookalike.index import open_index
from lookalike.sampling import ALL

ingest.BATCH, ingest.FLUSH_EVERY = 8, 1
encoder = Encoder(sys.argv[2], "cpu", threads=1)
with open_index(sys.argv[3], encoder.spec, create=True) as index:
    print("begun", flush=True)
    ingest.index_footage(find_sources([sys.argv[1]]), encoder, index, ALL, lambda frames: None)
"""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    for number in range(CLIPS):
        write_clip(folder / f"{number:02}.mp4", range(0, 40 * FRAMES, 40), noise(FRAMES, number))
    return folder


@pytest.fixture(scope="module")
def frames(recordings: Path) -> list[Frame]:
    return list(read_frames(find_sources([recordings])))


def begin(recordings: Path, encoder: Path, index: Path) -> subprocess.Popen[str]:
    """Start indexing. Returns: the process, when it has opened the index."""
    command = [sys.executable, "-c", SCRIPT, str(recordings), str(encoder), str(index)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def check_finished(index: FrameIndex, frames: list[Frame]) -> int:
    """Whatever is said to be finished is there. Returns: how many sources are."""
    finished = {one.source_id for one in frames if index.finished(one.source_id, "all")}
    assert index.missing([one for one in frames if one.source_id in finished]) == []
    return len(finished)


def test_a_kill_loses_nothing_and_doubles_nothing(
    recordings: Path, frames: list[Frame], tiny_encoder: Path, tmp_path: Path
) -> None:
    started = time.monotonic()
    assert begin(recordings, tiny_encoder, tmp_path / "whole").wait(60) == 0
    whole_s = time.monotonic() - started
    chance, found = random.Random(0), []
    for kill in range(KILLS):
        folder = tmp_path / f"index{kill}"
        process = begin(recordings, tiny_encoder, folder)
        time.sleep(chance.uniform(0, whole_s / 2))
        process.kill()
        assert process.wait(60) in (-signal.SIGKILL, 0)
        with open_index(folder, SPEC) as index:
            found.append((check_finished(index, frames), index.count()))
            index_footage(find_sources([recordings]), Encoder(tiny_encoder, "cpu"), index, ALL, lambda batch: None)
            assert index.count() == len(frames) == CLIPS * FRAMES
            assert index.missing(frames) == []
            assert check_finished(index, frames) == CLIPS
            for one in frames[:: FRAMES // 2]:
                expected = tiny_embedding(pixels.fit(one.image, SPEC.input_px))
                np.testing.assert_allclose(index.vector(one.id), expected, atol=1e-5)
    assert any(0 < count < len(frames) for _, count in found), f"no kill came in between: {found}"
