"""kill -9 of a service with all its processes: while it is filled, while its graph is built, and while it exports."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from lookalike import session
from lookalike.encoder import Encoder
from lookalike.errors import IndexStoreError
from lookalike.footage import find_sources, read_frames
from lookalike.footage.sampling import ALL
from lookalike.index import FrameIndex, SourceRecord, open_index
from lookalike.index.embedded.shards import POINTER
from lookalike.index.maintenance import verify
from lookalike.ingest.index import index_footage
from lookalike.ingest.settings import WHOLE_FRAMES, IngestSettings
from tests.clips import noise, write_clip
from tests.faults.points import points
from tests.serving.running import ROOT, bentoml_env, free_port, serve_command, wait_until_ready
from tests.tiny import SPEC

pytestmark = [pytest.mark.trust, pytest.mark.long]
KILLS = 1
CLIPS, FRAMES = 8, 40
SETTINGS = IngestSettings(ALL, batch_frames=8, flush_batches=1)
BUILT_S, RELEASED_S = 120.0, 60.0
EXPORTED = 40  # frames of an export


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    for number in range(CLIPS):
        write_clip(folder / f"{number}.mp4", range(0, 40 * FRAMES, 40), noise(FRAMES, number))
    return folder


@contextmanager
def service(
    encoder: Path, index: Path, home: Path, port: int = 0
) -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes]]]:
    """Yield a client of a service, and its process. At the end, all of its processes are killed."""
    settings = {"LOOKALIKE_ENCODER": encoder, "LOOKALIKE_INDEX": index, "LOOKALIKE_WRITABLE": "1"}
    port = port or free_port()
    with (home / "log").open("w") as log:
        env = bentoml_env(home, settings)
        command = serve_command("serving.service:Lookalike", port)
        process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait_until_ready(client, process, home / "log")
            yield client, process
    finally:
        kill_all(process)


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its descendants at once."""
    for pid in (process.pid, *descendants(process.pid)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(60)


def descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            number, rest = path.parent.name, path.read_text().rpartition(")")[2].split()
            parents.setdefault(int(rest[1]), []).append(int(number))
    found = parents.get(pid, [])
    return [*found, *(below for child in found for below in descendants(child))]


@dataclass
class Ingest:
    """An ingest over HTTP, in a thread. on_wait: as for `open_index`. complete: sources that were acknowledged."""

    url: str
    encoder: Path
    recordings: Path
    on_wait: Callable[[str], None] | None = None
    complete: list[str] = field(default_factory=list)
    error: BaseException | None = None

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._run)
        thread.start()
        return thread

    def _run(self) -> None:
        try:
            encoder = Encoder(self.encoder, "cpu", threads=1)
            with open_index(self.url, SPEC, create=True, on_wait=self.on_wait) as index:
                self._note(index)
                index_footage(find_sources([str(self.recordings)]), encoder, index, SETTINGS)
        except IndexStoreError as error:
            self.error = error  # the service was killed

    def _note(self, index: FrameIndex) -> None:
        mark = index.mark_complete

        def mark_and_note(records: Sequence[SourceRecord]) -> None:
            mark(records)
            self.complete += [record.source_id for record in records]

        index.mark_complete = mark_and_note


def wait_until_built(index: Path) -> None:
    """Until a graph was built."""
    deadline = time.monotonic() + BUILT_S
    while not (index / POINTER).exists():
        assert time.monotonic() < deadline, "no graph was built"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def durations(tiny_encoder: Path, recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[float, float]:
    """How long a service takes to be filled, and to build its graph then, seconds."""
    home = tmp_path_factory.mktemp("whole")
    with service(tiny_encoder, home / "index", home) as (client, _):
        ingest = Ingest(str(client.base_url), tiny_encoder, recordings)
        started = time.monotonic()
        ingest.start().join()
        filled = time.monotonic()
        assert ingest.error is None
        assert len(ingest.complete) == CLIPS
        wait_until_built(home / "index")
        return filled - started, time.monotonic() - filled


@pytest.mark.parametrize("during", ["ingest", "build"])
def test_a_killed_service_loses_nothing(
    during: str, durations: tuple[float, float], recordings: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    fill_s, build_s = durations
    frames, chance = list(read_frames(find_sources([str(recordings)]))), random.Random(0)
    for number in range(points(KILLS)):
        home = tmp_path / f"{number}"
        home.mkdir()
        with service(tiny_encoder, home / "index", home) as (client, process):
            ingest = Ingest(str(client.base_url), tiny_encoder, recordings)
            thread = ingest.start()
            if during == "build":
                thread.join()
            time.sleep(chance.uniform(0, fill_s if during == "ingest" else build_s))
            kill_all(process)
            thread.join()
        with opened(home / "index") as index:
            done = set(ingest.complete)
            assert all(index.source_record(source_id, str(ALL)) for source_id in done)
            assert index.missing([frame for frame in frames if frame.source_id in done]) == []
            encoder = Encoder(tiny_encoder, "cpu", threads=1)
            index_footage(find_sources([str(recordings)]), encoder, index, WHOLE_FRAMES)
            assert index.missing(frames) == []
            assert (index.count(), verify(index).good) == (len(frames), True)
        assert len(list((home / "index").glob("shard*"))) == 1


def test_an_ingest_waits_for_a_killed_service_and_continues(
    recordings: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "FIRST_WAIT_S", 0.0)  # its attempts are over before the service is back
    index, lines = tmp_path / "index", list[str]()
    with service(tiny_encoder, index, tmp_path) as (client, process):
        ingest = Ingest(str(client.base_url), tiny_encoder, recordings, lines.append)
        thread = ingest.start()
        deadline = time.monotonic() + BUILT_S
        while not ingest.complete and time.monotonic() < deadline:
            time.sleep(0.01)
        kill_all(process)
        while not lines and time.monotonic() < deadline:
            time.sleep(0.01)
    with service(tiny_encoder, index, tmp_path, httpx.URL(ingest.url).port or 0) as (client, _):
        thread.join()
        assert (ingest.error, len(ingest.complete)) == (None, CLIPS)
        with open_index(ingest.url, SPEC) as stored:
            assert stored.missing(list(read_frames(find_sources([str(recordings)])))) == []
    assert [line.partition(" (")[0].partition(" after")[0] for line in lines] == [
        "the service does not answer",
        "the service answers again",
    ]


def opened(folder: Path) -> FrameIndex:
    """Open an index as soon as the processes of the killed service are gone; it may not have been made yet."""
    deadline = time.monotonic() + RELEASED_S
    while True:
        try:
            return open_index(folder, SPEC, create=True)
        except IndexStoreError as error:
            if "in use" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_a_service_that_is_killed_while_it_exports_exports_the_same_afterwards(
    recordings: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index"  # filled here: a service opens no recording that was named over HTTP
    with opened(index) as stored:
        index_footage(find_sources([str(recordings)]), Encoder(tiny_encoder, "cpu", threads=1), stored, WHOLE_FRAMES)
        ids = sorted(frame.id for frame in stored.frames())[:EXPORTED]
    form, chance = {"id": ids}, random.Random(0)
    with service(tiny_encoder, index, tmp_path) as (client, _):
        started = time.monotonic()
        expected = content(client.post("/export", data=form).content)
        took_s = time.monotonic() - started
    assert len(expected) == EXPORTED + 1
    for number in range(points(KILLS)):
        home = tmp_path / f"{number}"
        home.mkdir()
        with service(tiny_encoder, index, home) as (client, process):
            killer = threading.Timer(chance.uniform(0, took_s), kill_all, (process,))
            killer.start()
            with suppress(httpx.TransportError):
                client.post("/export", data=form)
            killer.join()
        with service(tiny_encoder, index, home) as (client, _):
            assert content(client.post("/export", data=form).content) == expected


def content(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
