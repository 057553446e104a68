"""The engine of a service: the graph is built beside it, and nothing is lost, whatever happens when."""

from __future__ import annotations

import http.server
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from lookalike.errors import DiskFull, IndexInUse, IndexStoreError
from lookalike.index import Filters, FrameIndex, SourceRecord, open_index
from lookalike.index.embedded.disk_space import MIB, MIN_FREE_MB, size_bytes
from lookalike.index.embedded.folder import FolderLocation
from lookalike.index.embedded.live import LiveEngine
from lookalike.index.embedded.shard_process import Turns
from lookalike.index.embedded.shards import current_shard
from lookalike.index.embedded.snapshot import restore, snapshot
from lookalike.search_fields import SearchOptions
from tests.index.circle import OTHER, SPEC, at, frame
from tests.small_disk import read_only

ROOT = Path(__file__).resolve().parents[3]
FRAMES = [frame(f"s{number // 10}", number % 10, ("gate", "dock")[number % 2]) for number in range(200)]
LATER = [frame("later", second, "yard") for second in range(100)]
RELEASED_S = 60.0
Usage = namedtuple("Usage", "total used free")


def filled(folder: Path) -> FrameIndex:
    index = open_index(folder, SPEC, create=True, live=True)
    index.add(FRAMES, at(*range(len(FRAMES))))
    return index


def live(index: FrameIndex) -> LiveEngine:
    assert isinstance(index.engine, LiveEngine)
    return index.engine


def shards(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("shard*")]


def opened(folder: Path) -> FrameIndex:
    """Open it as soon as the processes of a killed one have let go."""
    deadline = time.monotonic() + RELEASED_S
    while True:
        try:
            return open_index(folder, SPEC)
        except IndexStoreError as error:
            if "in use" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_turns_are_had_in_the_order_in_which_they_were_asked_for() -> None:
    """Who has had one and asks at once for the next comes after those who waited."""
    turns, order, waiting = Turns(), [], []

    def take(name: str) -> None:
        with turns:
            order.append(name)

    with turns:
        for number, name in enumerate("abc"):
            waiting.append(threading.Thread(target=take, args=(name,)))
            waiting[-1].start()
            while turns._given < 2 + number:
                time.sleep(0.001)
    with turns:
        order.append("again")
    for thread in waiting:
        thread.join()
    assert order == ["a", "b", "c", "again"]


def test_what_is_written_while_the_graph_is_built_is_there_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames come, go, and take another name after the copy was made: it has to be told of all of them, in order."""
    copied = LiveEngine._copy
    with filled(tmp_path) as index:

        def copy_then_change(self: LiveEngine, copy: Path) -> None:
            copied(self, copy)
            index.add(LATER, at(*range(100)))
            index.forget(Filters(("yard",), until=49.0))
            index.add(LATER[:1], at(300))
            index.rename(SourceRecord("s0", "all", "gate/s0.mp4", 10, 10), "moved.mp4", "roof")
            index.forget(Filters(("dock",)))

        monkeypatch.setattr(LiveEngine, "_copy", copy_then_change)
        index.optimize()
        live(index).wait()
        assert shards(tmp_path) == [current_shard(tmp_path).name] != ["shard"]
        check_changed(index)
    with open_index(tmp_path, SPEC) as index:
        check_changed(index)
        assert index.source_record("s0", "all") == SourceRecord("s0", "all", "moved.mp4", 10, 10, camera="roof")


def check_changed(index: FrameIndex) -> None:
    """Of 200 frames the 95 of the dock that were not renamed are gone; of 100 later ones the first 50, but for one."""
    found = list(index.frames())
    assert {one.id for one in found if one.camera == "gate"} == {one.id for one in FRAMES[10::2]}
    assert {one.id for one in found if one.camera == "roof"} == {one.id for one in FRAMES[:10]}
    assert {one.id for one in found if one.camera == "yard"} == {one.id for one in [*LATER[50:], LATER[0]]}
    assert index.count() == len(found) == 95 + 10 + 51
    np.testing.assert_allclose(index.vector(LATER[0].id), at(300)[0], atol=1e-6)
    assert index.search(at(300)[0], options=SearchOptions(1))[0].id == LATER[0].id


def test_searches_are_answered_while_graph_after_graph_is_built(tmp_path: Path) -> None:
    """Four threads ask, one writes and builds three times: the answer is the same before, while and after."""
    failed: list[BaseException] = []
    done = threading.Event()
    with filled(tmp_path) as index:

        def ask() -> None:
            while not done.is_set():
                try:
                    assert index.search(at(20)[0], options=SearchOptions(1))[0].source == FRAMES[20].source
                    assert len(list(index.frames(Filters(("gate",))))) == 100
                except BaseException as error:  # noqa: BLE001 (told to the test, whatever it is)
                    failed.append(error)
                    return

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        seen = {current_shard(tmp_path)}
        for number in range(3):
            index.add([frame(f"n{number}", second, "yard") for second in range(100)], at(*range(200, 300)))
            index.optimize()
            live(index).wait()
            seen.add(current_shard(tmp_path))
        done.set()
        for thread in threads:
            thread.join()
        assert failed == []
        assert (index.count(), len(seen)) == (500, 4)


def test_a_graph_is_not_built_again_for_a_few_frames(tmp_path: Path) -> None:
    with filled(tmp_path) as index:
        index.optimize()
        live(index).wait()
        built = current_shard(tmp_path)
        index.add(LATER[:9], at(*range(9)))  # of 209 that is less than a twentieth
        index.optimize()
        live(index).wait()
        assert current_shard(tmp_path) == built
        index.add(LATER[9:20], at(*range(9, 20)))
        index.optimize()
        live(index).wait()
        assert current_shard(tmp_path) != built
        assert index.count() == 220


def test_a_build_that_fails_leaves_the_index_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What builds is killed, as by a machine that is out of memory."""
    begun = LiveEngine._open

    def open_and_die(self: LiveEngine, copy: Path, nice: int = 0):
        building = begun(self, copy, nice)
        building._process.kill()
        return building

    with filled(tmp_path) as index:
        monkeypatch.setattr(LiveEngine, "_open", open_and_die)
        index.optimize()
        live(index).wait()
        assert shards(tmp_path) == ["shard"]
        assert index.count() == len(FRAMES)
        index.add(LATER, at(*range(100)))
        assert index.count() == len(FRAMES) + len(LATER)


def test_closing_gives_a_build_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied, copying = LiveEngine._copy, threading.Event()

    def copy_and_say(self: LiveEngine, copy: Path) -> None:
        copied(self, copy)
        copying.set()

    monkeypatch.setattr(LiveEngine, "_copy", copy_and_say)
    with filled(tmp_path) as index:
        index.optimize()
        assert copying.wait(RELEASED_S)
    assert len(shards(tmp_path)) == 1
    with open_index(tmp_path, SPEC) as index:
        assert index.count() == len(FRAMES)


@pytest.mark.trust
def test_a_shard_whose_process_has_ended_is_started_again(tmp_path: Path) -> None:
    with filled(tmp_path) as index:
        assert live(index).trouble() is None
        live(index)._shard._process.kill()
        assert index.count() == len(FRAMES)
        live(index)._shard._process.kill()
        index.add(LATER, at(*range(100)))
        assert index.count() == len(FRAMES) + len(LATER)
        assert live(index).trouble() is None


@pytest.mark.trust
def test_a_full_disk_takes_no_frames_and_still_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(tmp_path) as index:
        live(index).flush()
        used = size_bytes(tmp_path)
        with monkeypatch.context() as full:
            full.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, MIN_FREE_MB * MIB - 1))
            with pytest.raises(DiskFull, match="are free on its disk"):
                index.add(LATER, at(*range(100)))
            assert index.count() == len(FRAMES)
            assert index.search(at(0)[0])
            index.optimize()  # is given up, with a line in the log
            live(index).wait()
        assert size_bytes(tmp_path) == used
        index.add(LATER, at(*range(100)))
        assert index.count() == len(FRAMES) + len(LATER)


@pytest.mark.trust
def test_a_folder_that_was_removed_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    with filled(folder) as index:
        shutil.rmtree(folder)
        assert live(index).trouble() == "the folder of the index was removed or replaced; start again"
        with pytest.raises(IndexStoreError, match="was removed or replaced"):
            index.add(LATER, at(*range(100)))
        live(index)._shard.kill()  # it has nothing left to make durable


@pytest.mark.trust
def test_a_folder_that_became_read_only_is_noticed(tmp_path: Path) -> None:
    with filled(tmp_path) as index:
        with read_only(tmp_path):
            assert live(index).trouble() == "the folder of the index cannot be written"
            with pytest.raises(IndexStoreError, match="cannot be written"):
                index.add(LATER, at(*range(100)))
            assert index.search(at(0)[0])
        assert live(index).trouble() is None
        index.add(LATER, at(*range(100)))
        assert index.count() == len(FRAMES) + len(LATER)


def test_a_second_owner_is_refused_with_the_url_of_the_service(tmp_path: Path) -> None:
    with filled(tmp_path):
        for live_too in (False, True):
            with pytest.raises(IndexStoreError, match=r"in use by another process; .* --index http://127.0.0.1:3000"):
                open_index(tmp_path, SPEC, live=live_too)
    open_index(tmp_path, SPEC).close()


@pytest.mark.parametrize("live_too", [False, True])
def test_an_index_in_use_by_a_service_is_refused_with_its_url(tmp_path: Path, live_too: bool) -> None:
    with filled(tmp_path), answering({"space": SPEC.space}) as url:
        FolderLocation(tmp_path).say_served(url)
        with pytest.raises(IndexInUse) as caught:
            open_index(tmp_path, SPEC, live=live_too)
    assert str(caught.value) == (
        f"{tmp_path}: in use by the service at {url}; give that URL, as --index {url}, or stop it"
    )


@pytest.mark.parametrize("about", [{"space": OTHER.space}, {"version": "1.18"}, [], None])
def test_a_url_without_this_service_is_not_reported(tmp_path: Path, about: object) -> None:
    """The file stays when a service is killed, and its port may be anyone's."""
    with filled(tmp_path), answering(about) as url:
        FolderLocation(tmp_path).say_served(url)
        with pytest.raises(IndexInUse, match="in use by another process; stop it first"):
            open_index(tmp_path, SPEC)
    with filled(tmp_path), pytest.raises(IndexInUse, match="in use by another process; stop it first"):
        open_index(tmp_path, SPEC)  # nobody answers now


@contextmanager
def answering(about: object) -> Iterator[str]:
    """A server whose /readyz answers this; None is no JSON. Yields: its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"busy" if about is None else json.dumps(about).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_snapshot_has_the_graph_that_was_built(tmp_path: Path) -> None:
    with filled(tmp_path / "index") as index:
        index.optimize()
        live(index).wait()
    assert snapshot(FolderLocation(tmp_path / "index"), tmp_path / "index.tar").points == len(FRAMES)
    restore(tmp_path / "index.tar", tmp_path / "restored")
    with open_index(tmp_path / "restored", SPEC) as index:
        assert {one.id for one in index.frames()} == {one.id for one in FRAMES}


CRASHES = {
    "after the copy is begun": ("shutil.copytree", "before"),
    "after the copy is made": ("shutil.copytree", "after"),
    "while it is optimised": ("LiveEngine._closed", "before"),
    "before the switch": ("use_shard", "before"),
    "after the switch": ("use_shard", "after"),
    "while the old one is removed": ("shutil.rmtree", "before"),
}


@pytest.mark.parametrize(("where", "when"), CRASHES.values(), ids=CRASHES)
def test_a_crash_loses_nothing_that_was_made_durable(tmp_path: Path, where: str, when: str) -> None:
    """100 more frames come while the graph is built, and are flushed before the crash."""
    script = f"""
import os, signal
from pathlib import Path
from lookalike.index.embedded import live
from lookalike.index.embedded.live import LiveEngine
from tests.index.embedded.test_live import FRAMES, LATER, filled
from tests.index.circle import at

index, copied = filled(Path({str(tmp_path)!r})), LiveEngine._copy
index.mark_complete([])

def copy_then_add(self, copy):
    copied(self, copy)
    index.add(LATER, at(*range(100)))
    index.mark_complete([])

LiveEngine._copy = copy_then_add
*path, name = "live.{where}".split(".")
target = live
for part in path[1:]:
    target = getattr(target, part)
whole = getattr(target, name)

def crash(*arguments, **named):
    if "{when}" == "after":
        whole(*arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(target, name, crash)
index.optimize()
index.engine.wait()
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    expected = FRAMES if where == "shutil.copytree" else [*FRAMES, *LATER]
    with opened(tmp_path) as index:
        assert {one.id for one in index.frames()} == {one.id for one in expected}
        assert index.count() == len(expected)
        index.add(LATER, at(*range(100)))
        index.optimize()
        assert index.count() == len(FRAMES) + len(LATER)
    assert len(shards(tmp_path)) == 1


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    filled(tmp_path).close()
    shutil.copytree(tmp_path / "shard", tmp_path / "shard-0123")
    with open_index(tmp_path, SPEC) as index:
        assert index.count() == len(FRAMES)
    assert shards(tmp_path) == ["shard"]
