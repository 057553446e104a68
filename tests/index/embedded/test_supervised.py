"""A shard whose process is killed: it is started again, with all that was stored, and it never outlives its parent."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lookalike.errors import IndexStoreError
from lookalike.index import Filters, StoredFrame
from lookalike.index.embedded.shard_process import ShardProcess
from lookalike.index.embedded.supervised import SupervisedShard
from tests.index.circle import at, frame

ROOT = Path(__file__).resolve().parents[3]
STORED = [StoredFrame.from_frame(frame("s", second)) for second in range(20)]
PATIENCE_S = 60.0


def until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return held


def kill(shard: SupervisedShard) -> None:
    """Kill its process, and wait until it is dead."""
    process = shard._process._process
    process.kill()
    process.wait()


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[SupervisedShard]:
    shard = SupervisedShard(tmp_path / "shard", "circle", 2)
    yield shard
    shard.close()


@pytest.mark.trust
def test_a_read_starts_the_process_again(
    shard: SupervisedShard, record_property: Callable[[str, object], None]
) -> None:
    shard.ask("upsert", STORED, at(*range(20)))
    shard.ask("flush")
    for _ in range(3):
        kill(shard)
        assert shard.ask("count") == 20
    record_property("tried", "3 kills of a shard's process")
    record_property("survived", "3")
    record_property("lost", "0 of 20 frames")


@pytest.mark.trust
def test_what_was_not_flushed_is_repeated(shard: SupervisedShard) -> None:
    shard.ask("upsert", STORED[:15], at(*range(15)))
    shard.ask("flush")
    shard.ask("upsert", STORED[10:], at(*range(10, 20)))
    shard.ask("delete", Filters(sources=(STORED[0].source,)))
    assert shard.ask("count") == 0
    shard.ask("upsert", STORED[:3], at(0, 1, 2))
    kill(shard)
    assert shard.ask("existing", [one.id for one in STORED]) == {one.id for one in STORED[:3]}


@pytest.mark.trust
def test_a_change_starts_the_process_again(shard: SupervisedShard) -> None:
    shard.ask("upsert", STORED[:10], at(*range(10)))
    kill(shard)
    shard.ask("upsert", STORED[10:], at(*range(10, 20)))
    kill(shard)
    shard.ask("flush")
    assert shard.ask("count") == 20


@pytest.mark.trust
def test_a_process_that_nobody_asks_is_started_again(shard: SupervisedShard) -> None:
    dead = shard._process
    kill(shard)
    assert until(lambda: shard._process is not dead and shard.trouble is None)
    assert shard.ask("count") == 0


def test_a_shard_that_does_not_start_says_so_until_it_does(
    shard: SupervisedShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> ShardProcess:
        raise IndexStoreError("no memory")

    with monkeypatch.context() as patched:
        patched.setattr("lookalike.index.embedded.supervised.ShardProcess", fails)
        kill(shard)
        with pytest.raises(IndexStoreError, match="no memory"):
            shard.ask("count")
        assert shard.trouble is not None
    assert shard.ask("count") == 0
    assert shard.trouble is None


@pytest.mark.trust
def test_a_shard_that_there_is_no_memory_for_is_started_again_later(
    shard: SupervisedShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch goes on: nobody asks meanwhile."""
    tried = 0

    def fails(*_: object, **__: object) -> None:
        nonlocal tried
        tried += 1
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    dead = shard._process
    with monkeypatch.context() as patched:
        patched.setattr("lookalike.index.embedded.shard_process.subprocess.Popen", fails)
        kill(shard)
        with pytest.raises(IndexStoreError, match=r"shard: cannot start its process \(Cannot allocate memory\)"):
            shard.ask("count")
        assert until(lambda: tried >= 2)
    assert until(lambda: shard._process is not dead)
    assert shard.trouble is None


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM TO A SHARD IS NOT TESTED: Windows has none")
def test_sigterm_ends_no_process_of_a_shard(tmp_path: Path) -> None:
    """BentoML sends it to the children of a service too, also to one that starts: the graph was not built."""
    shard = ShardProcess(tmp_path / "shard", "circle", 2)
    try:
        shard._process.terminate()
        time.sleep(0.2)
        assert shard.ask("count") == 0
    finally:
        shard.close()
    assert shard._process.returncode == 0


def test_a_closed_shard_is_not_started_again(tmp_path: Path) -> None:
    shard = SupervisedShard(tmp_path / "shard", "circle", 2)
    shard.close()
    with pytest.raises(IndexStoreError, match="is closed"):
        shard.ask("count")


PARENT = """
import os, signal, sys, time
from pathlib import Path
from lookalike.index.embedded.shard_process import ShardProcess
shard = ShardProcess(Path(sys.argv[1]), "circle", 2, int(sys.argv[2]))
if int(sys.argv[2]):
    os.kill(shard._process.pid, signal.SIGSTOP)  # as while a graph is built: it sees no pipe that closes
print(shard._process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.trust
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent was killed")
@pytest.mark.parametrize("nice", [0, 19])
def test_a_killed_parent_takes_the_process_with_it(tmp_path: Path, nice: int) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "shard"), str(nice)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.send_signal(signal.SIGKILL)
    assert until(lambda: not is_running(child))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_vectors_survive_as_they_were(shard: SupervisedShard) -> None:
    shard.ask("upsert", STORED[:1], at(30))
    kill(shard)
    [(vector, stored)] = shard.ask("points", [STORED[0].id]).values()
    np.testing.assert_allclose(vector, at(30)[0], atol=1e-6)
    assert stored == STORED[0]
