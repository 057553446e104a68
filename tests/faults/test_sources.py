"""Sources that change while they are read, clocks that jump, and several writers at once.

Elsewhere: cameras that drop, stall, are refused or come back (tests/footage/test_stream.py, tests/e2e/test_watch.py);
clocks of cameras that restart or are set back (tests/footage/test_cases_time.py); files that are written, replaced or
removed while a folder is watched (tests/ingest/test_watch.py); a second process that opens an index
(tests/index/test_open.py, embedded/test_live.py).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from lookalike.encoder import Encoder
from lookalike.footage import Frame, Source, find_sources
from lookalike.footage.sampling import ALL
from lookalike.footage.sources import find_in_folders
from lookalike.footage.stream import stream_frames
from lookalike.index import FrameIndex, open_index
from lookalike.index.maintenance import verify
from lookalike.ingest.index import index_footage
from lookalike.ingest.settings import IngestSettings
from lookalike.ingest.summary import Summary
from lookalike.ingest.watch import Arrivals, watch
from tests.clips import noise, write_clip
from tests.footage.rtsp_server import Visit, rtsp_server
from tests.footage.test_stream import CAMERA, QUICK, taken
from tests.tiny import SPEC

pytestmark = pytest.mark.trust
FRAMES = 60
SETTINGS = IngestSettings(ALL, batch_frames=8, queue_frames=8, flush_batches=1)
Change = Callable[[Path, bytes], None]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[FrameIndex]:
    with open_index(tmp_path / "index", SPEC, create=True) as index:
        yield index


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A transport stream of 60 frames, which can be read at any length."""
    path = tmp_path_factory.mktemp("whole") / "a.ts"
    return write_clip(path, range(0, 40 * FRAMES, 40), noise(FRAMES)).read_bytes()


def half_of(whole: bytes) -> bytes:
    return whole[: len(whole) // 2 // 188 * 188]


def grow(path: Path, whole: bytes) -> None:
    with path.open("ab") as file:
        file.write(whole[path.stat().st_size :])


def shrink(path: Path, whole: bytes) -> None:
    os.truncate(path, 188 * 20)


def replace(path: Path, whole: bytes) -> None:
    other = path.with_name("other")
    other.write_bytes(whole)
    other.replace(path)


@pytest.mark.parametrize("change", [grow, shrink, replace])
def test_a_recording_that_changes_while_it_is_read_is_not_complete(
    change: Change, whole: bytes, tiny: Encoder, index: FrameIndex, tmp_path: Path
) -> None:
    """Its id is the hash of what it was before. It is reported, and read again once it stands still."""
    path, seen = tmp_path / "a.ts", list[Frame]()
    path.write_bytes(half_of(whole))

    def change_once(frames: Sequence[Frame]) -> None:
        if not seen:
            change(path, whole)
        seen.extend(frames)

    summary = index_footage(find_sources([str(path)]), tiny, index, SETTINGS, change_once)
    assert [skipped.reason for skipped in summary.skipped] == ["it changed while it was read; index it again"]
    assert list(index.source_records()) == []
    path.write_bytes(whole)
    summary = index_footage(find_sources([str(path)]), tiny, index, SETTINGS)
    assert (summary.frames, summary.skipped) == (FRAMES, [])
    (record,) = index.source_records()
    assert (record.frames, verify(index).good) == (FRAMES, True)


def test_of_a_recording_that_vanishes_while_it_is_read_all_frames_are_kept_and_it_is_reported(
    whole: bytes, tiny: Encoder, index: FrameIndex, tmp_path: Path
) -> None:
    """It is open already. What is looked at behind its last frame, such as whether it is cut off, is not known."""
    path = tmp_path / "a.ts"
    path.write_bytes(whole)
    summary = index_footage(
        find_sources([str(path)]), tiny, index, SETTINGS, lambda frames: path.unlink(missing_ok=True)
    )
    assert summary.frames == index.count() == FRAMES
    assert [skipped.reason for skipped in summary.skipped] == ["cannot be read (No such file or directory)"]
    assert verify(index).gone == [str(path)]


@pytest.mark.parametrize("by_s", [-86_400.0, 86_400.0], ids=["back", "ahead"])
def test_a_watch_goes_by_a_clock_that_never_jumps(by_s: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the clock of the day nor the times of files, which another machine may write, delay a file."""
    path = tmp_path / "a.mp4"
    path.touch()
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + by_s)
    os.utime(path, (now_s - by_s, now_s - by_s))
    arrivals, sources = Arrivals(settle_s=10), [Source(str(path), "video", "gate")]
    assert [len(arrivals.settled(sources, second)) for second in (0.0, 9.0, 10.0)] == [0, 0, 1]
    assert arrivals.take(sources[0])
    assert arrivals.settled(sources, 20.0) == []


@pytest.mark.parametrize("by_s", [-86_400.0, 86_400.0], ids=["back", "ahead"])
def test_a_stream_goes_on_when_the_clock_of_the_machine_jumps(
    by_s: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It drops meanwhile. Its times rise, by less than a minute."""
    clip = write_clip(tmp_path / "gate.mp4", range(0, 2000, 40), codec_options=CAMERA)
    real = time.time

    def jump(message: str) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + by_s)

    with rtsp_server(clip, Visit("drop", 10), Visit("drop"), speed=4) as server:
        _, times_us = taken(stream_frames(server.url, on_reconnect=jump, patience=QUICK), 30)
    assert times_us == sorted(set(times_us))
    assert times_us[-1] < 60e6


def test_two_watches_of_one_folder_store_each_frame_once(tiny_encoder: Path, tmp_path: Path) -> None:
    """Into the index of one service, as two machines that watch a share would."""
    folder, names = tmp_path / "recordings", [f"{number}.mp4" for number in range(3)]
    folder.mkdir()
    for number, name in enumerate(names):
        write_clip(folder / name, range(0, 40 * 10, 40), noise(10, number))
    with open_index(tmp_path / "index", SPEC, create=True, live=True) as index:

        def take_in(found: list[Summary]) -> None:
            encoder = Encoder(tiny_encoder, "cpu", threads=1)
            rounds = watch(
                lambda: find_in_folders([folder]),
                lambda sources: index_footage(sources, encoder, index, SETTINGS),
                settle_s=0.05,
                poll_s=0.02,
            )
            found.extend(next(rounds).summary for _ in names)

        summaries: list[list[Summary]] = [[], []]
        threads = [threading.Thread(target=take_in, args=(found,)) for found in summaries]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert [sum(summary.frames for summary in found) for found in summaries] == [30, 30]
        assert (index.count(), len(list(index.source_records())), verify(index).good) == (30, 3, True)
