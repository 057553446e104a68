"""kill -9 while footage is indexed, at twenty moments: run again, no frame is there twice, and none is missing."""

from __future__ import annotations

import itertools
import multiprocessing
import random
import signal
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event, Semaphore
from pathlib import Path

import numpy as np
import pytest

from lookalike import pixels
from lookalike.encoder import Encoder
from lookalike.footage import Frame, find_sources, read_frames
from lookalike.footage.sampling import ALL
from lookalike.index import FrameIndex, open_index
from lookalike.ingest.index import index_footage
from lookalike.ingest.settings import WHOLE_FRAMES, IngestSettings
from tests.clips import noise, write_clip
from tests.tiny import SPEC, tiny_embedding

CLIPS, FRAMES, KILLS = 6, 40, 20
BATCH, BATCHES = 8, CLIPS * FRAMES // 8
SETTINGS = IngestSettings(ALL, batch_frames=BATCH, flush_batches=1)
AHEAD = 3  # batches that may be stored while the test wakes up to kill: a slow machine must not let it come too late
# Of a process that has imported what they need: a second less for each.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["lookalike.ingest.index", "lookalike.index", "lookalike.encoder"])


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    for number in range(CLIPS):
        write_clip(folder / f"{number:02}.mp4", range(0, 40 * FRAMES, 40), noise(FRAMES, number))
    return folder


@pytest.fixture(scope="module")
def frames(recordings: Path) -> list[Frame]:
    return list(read_frames(find_sources([recordings])))


def run(recordings: Path, encoder: Path, index: Path, begun: Event, stored: Semaphore, most: int) -> None:
    """Every batch is flushed, so that kills also fall between storing, flushing and noting what is complete.

    most: batches after which it waits to be killed.
    """
    model, number = Encoder(encoder, "cpu", threads=1), itertools.count(1)

    def on_frames(frames: Sequence[Frame]) -> None:
        stored.release()
        if next(number) == most:
            signal.pause()

    with open_index(index, model.spec, create=True) as store:
        begun.set()
        index_footage(find_sources([recordings]), model, store, SETTINGS, on_frames)


def begin(recordings: Path, encoder: Path, index: Path, batches: int, most: int = BATCHES + 1) -> BaseProcess:
    """Start indexing. Returns: the process, when it has opened the index and stored so many batches."""
    begun, stored = FORKS.Event(), FORKS.Semaphore(0)
    process = FORKS.Process(target=run, args=(recordings, encoder, index, begun, stored, most), daemon=True)
    process.start()
    assert begun.wait(60)
    assert all(stored.acquire(timeout=60) for _ in range(batches))
    return process


def check_finished(index: FrameIndex, frames: list[Frame]) -> int:
    """Whatever is said to be complete is there. Returns: how many sources are."""
    complete = {one.source_id for one in frames if index.source_record(one.source_id, "all")}
    assert index.missing([one for one in frames if one.source_id in complete]) == []
    return len(complete)


def test_a_kill_loses_nothing_and_doubles_nothing(
    recordings: Path, frames: list[Frame], tiny_encoder: Path, tmp_path: Path
) -> None:
    whole = begin(recordings, tiny_encoder, tmp_path / "whole", 0)
    started = time.monotonic()
    whole.join(60)
    whole_s = time.monotonic() - started
    assert whole.exitcode == 0
    chance, found = random.Random(0), []
    for kill in range(KILLS):
        folder = tmp_path / f"index{kill}"
        batches = chance.randrange(BATCHES + 1)
        process = begin(recordings, tiny_encoder, folder, batches, batches + AHEAD)
        time.sleep(chance.uniform(0, AHEAD * whole_s / BATCHES))
        process.kill()
        process.join(60)
        assert process.exitcode in (-signal.SIGKILL, 0)
        with open_index(folder, SPEC) as index:
            found.append((check_finished(index, frames), index.count()))
            again = Encoder(tiny_encoder, "cpu", threads=1)
            index_footage(find_sources([recordings]), again, index, WHOLE_FRAMES)
            assert index.count() == len(frames) == CLIPS * FRAMES
            assert index.missing(frames) == []
            assert check_finished(index, frames) == CLIPS
            for one in frames[:: FRAMES // 2]:
                expected = tiny_embedding(pixels.fit(one.image, SPEC.input_px))
                np.testing.assert_allclose(index.vector(one.id), expected, atol=1e-5)
    assert any(0 < count < len(frames) for _, count in found), f"no kill came in between: {found}"
