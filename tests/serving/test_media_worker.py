"""Footage is decoded in processes that may do little else; one that dies or hangs costs its own work only."""

from __future__ import annotations

import io
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from lookalike.errors import FootageError
from lookalike.footage import frame_at
from lookalike.footage.playable import judge, make_playable
from lookalike.proxy_encoders import ProxyEncoder
from serving.media.worker import MediaPool, MediaWorker
from tests.clips import number_of, write_clip
from tests.serving.running import ROOT

linux = pytest.mark.skipif(sys.platform != "linux", reason="seccomp and /proc are Linux's; elsewhere it is documented")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Ten frames a second, each of which shows its number."""
    path = tmp_path / "clip.mp4"
    write_clip(path, range(0, 2000, 100))
    return path


@pytest.fixture
def worker() -> Iterator[MediaWorker]:
    worker = MediaWorker(nice=0)
    yield worker
    worker.stop()


def process_of(worker: MediaWorker) -> int:
    assert worker._process is not None
    return worker._process.pid


def shown_number(jpeg: bytes) -> int:
    return number_of(np.asarray(Image.open(io.BytesIO(jpeg))))


def test_pictures_are_those_that_are_decoded_here(worker: MediaWorker, clip: Path) -> None:
    assert [shown_number(worker.picture(str(clip), number / 10, None)) for number in (3, 7, 15)] == [3, 7, 15]
    small = Image.open(io.BytesIO(worker.picture(str(clip), 0.0, 32)))
    assert max(small.size) == 32
    for side in (None, 16):
        assert np.array_equal(worker.pixels(str(clip), 0.5, side), frame_at(str(clip), 0.5, side))
    assert worker.judge(str(clip)) == judge(str(clip))


def test_proxies_are_those_that_are_made_here(worker: MediaWorker, clip: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    worker.make_playable(str(clip), tmp_path / "there.mp4", "rewrapped", shares.append)
    make_playable(str(clip), tmp_path / "here.mp4", "rewrapped", lambda share: None)
    assert (tmp_path / "there.mp4").read_bytes() == (tmp_path / "here.mp4").read_bytes()
    assert shares == sorted(shares)
    assert shares[-1] > 0.9


@pytest.mark.parametrize("encoder", get_args(ProxyEncoder))
def test_each_encoder_works_within_the_limits_of_a_process(
    worker: MediaWorker, clip: Path, tmp_path: Path, encoder: ProxyEncoder
) -> None:
    worker.make_playable(str(clip), tmp_path / "out.mp4", "encoded", lambda share: None, encoder)
    assert shown_number(worker.picture(str(tmp_path / "out.mp4"), 0.5, None)) == 5


def test_what_cannot_be_read_is_an_error_and_the_process_goes_on(worker: MediaWorker, clip: Path) -> None:
    worker.picture(str(clip), 0.0, None)
    process = process_of(worker)
    broken = clip.with_name("broken.mp4")
    broken.write_bytes(clip.read_bytes()[:600])
    for ask in (lambda: worker.picture(str(broken), 0.0, None), lambda: worker.pixels("gone.mp4", 0.0, None)):
        with pytest.raises(FootageError, match=r"broken\.mp4|gone\.mp4: no such file"):
            ask()
    with pytest.raises(FootageError, match="cannot be made playable"):
        worker.make_playable(str(clip), clip / "no" / "folder.mp4", "rewrapped", lambda share: None)
    assert shown_number(worker.picture(str(clip), 0.5, None)) == 5
    assert process_of(worker) == process


@pytest.mark.trust
def test_a_process_that_is_killed_is_replaced(worker: MediaWorker, clip: Path) -> None:
    worker.picture(str(clip), 0.0, None)
    for _ in range(3):
        os.kill(process_of(worker), signal.SIGKILL)
        with pytest.raises(FootageError, match=r"clip\.mp4: cannot be decoded \(its process ended by signal 9\)"):
            worker.picture(str(clip), 0.5, None)
        assert shown_number(worker.picture(str(clip), 0.5, None)) == 5


@pytest.mark.trust
def test_a_process_that_hangs_is_replaced(clip: Path) -> None:
    worker = MediaWorker(nice=0)
    try:
        worker.picture(str(clip), 0.5, None)
        os.kill(process_of(worker), signal.SIGSTOP)
        worker._silent_s = 0.2
        with pytest.raises(FootageError, match=r"nothing came of it for 0\.2 s"):
            worker.picture(str(clip), 0.5, None)
        worker._silent_s = 60
        assert shown_number(worker.picture(str(clip), 0.5, None)) == 5
    finally:
        worker.stop()


@pytest.mark.trust
@pytest.mark.parametrize(
    "said",
    [struct.pack("!i", 100) + b"{", (struct.pack("!i", 17) + b'{"progress": 0.5}') * 3],
    ids=["half a message", "progress of a picture"],
)
def test_a_process_that_never_ends_its_answer_is_replaced(worker: MediaWorker, clip: Path, said: bytes) -> None:
    """As one may that was taken over: 120 s of silence are not all that keeps a worker from the others."""
    worker._pipe, theirs = Pipe()
    with theirs:
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        worker._process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        os.write(theirs.fileno(), said)
        worker._silent_s = 0.2
        with pytest.raises(FootageError, match=r"does not listen|says what it should not"):
            worker.picture(str(clip), 0.5, None)
    worker._silent_s = 60
    assert shown_number(worker.picture(str(clip), 0.5, None)) == 5


def test_work_that_nobody_wants_any_more_ends(worker: MediaWorker, clip: Path, tmp_path: Path) -> None:
    class Unwanted(Exception):
        pass

    def progress(share: float) -> None:
        raise Unwanted

    with pytest.raises(Unwanted):
        worker.make_playable(str(clip), tmp_path / "out.mp4", "encoded", progress)
    assert worker._process is None
    assert shown_number(worker.picture(str(clip), 0.5, None)) == 5


def test_a_pool_that_is_closed_ends_its_processes_and_starts_none(clip: Path) -> None:
    pool = MediaPool(2, nice=0)
    with pool.worker() as worker:
        worker.picture(str(clip), 0.0, None)
        process = worker._process
        pool.close()
        assert process is not None
        assert process.returncode == -signal.SIGKILL
        for _ in range(2):
            with pytest.raises(FootageError):
                worker.picture(str(clip), 0.0, None)
    with pool.worker() as worker, pytest.raises(FootageError, match="the service ends"):
        worker.picture(str(clip), 0.0, None)


@linux
@pytest.mark.trust
def test_a_process_ends_with_the_one_that_started_it(clip: Path) -> None:
    script = (
        "import sys, time; from serving.media.worker import MediaWorker; worker = MediaWorker(0);"
        "worker.picture(sys.argv[1], 0.0, None); print(worker._process.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(clip)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 60
    while is_running(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def confined(lines: str) -> subprocess.CompletedProcess[str]:
    """Run lines in a process that has confined itself, after a thread was started."""
    script = f"""
import errno, os, socket, threading
from serving.media import confine
released, failed = threading.Event(), []
def refused(call, *arguments):
    try:
        call(*arguments)
    except PermissionError as error:
        return error.errno == errno.EACCES
    return False
def early():
    released.wait()
    failed.append(not refused(socket.socket, socket.AF_INET))
thread = threading.Thread(target=early)
thread.start()
confine.CPU_S = 1
assert confine.confine()
released.set()
thread.join()
assert failed == [False]
{lines}
print("done")
"""
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)


# Source: the kernel's syscall_64.tbl, and asm-generic/unistd.h for aarch64.
SYSTEM_CALL = """
import ctypes, platform
numbers = {"x86_64": {"tgkill": 234, "tkill": 200}, "aarch64": {"tgkill": 131, "tkill": 130}}[platform.machine()]
def system_call(name, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(*map(ctypes.c_long, (numbers.get(name, 438), *arguments))):
        raise OSError(ctypes.get_errno(), name)
"""


@linux
@pytest.mark.trust
@pytest.mark.parametrize(
    "lines",
    [
        "assert all(refused(socket.socket, family) for family in (socket.AF_INET, socket.AF_INET6, socket.AF_PACKET))",
        "assert refused(socket.socket, socket.AF_UNIX)",
        "assert refused(os.execv, '/bin/true', ['true'])",
        "assert socket.socketpair()",
        "import subprocess\nassert refused(subprocess.run, ['/bin/true'])",
    ],
)
def test_network_and_programs_are_out_of_reach(lines: str) -> None:
    got = confined(lines)
    assert (got.stdout, got.stderr) == ("done\n", "")


@linux
@pytest.mark.trust
@pytest.mark.parametrize(
    "lines",
    [
        "assert refused(os.kill, os.getppid(), 0)",
        "assert refused(os.killpg, os.getppid(), 0)",
        "assert refused(os.pidfd_open, os.getppid())",
        "assert refused(system_call, 'tgkill', os.getppid(), os.getppid(), 0)",
        "assert refused(system_call, 'tkill', os.getppid(), 0)",
        "assert refused(system_call, 'pidfd_getfd', 0, 0, 0)",
        "import resource\nassert refused(resource.prlimit, os.getppid(), resource.RLIMIT_CPU, (0, 0))",
        "system_call('tgkill', os.getpid(), threading.get_native_id(), 0)",
    ],
)
def test_the_service_is_out_of_reach(lines: str) -> None:
    """A decoder that is taken over would end the service, or borrow its sockets."""
    got = confined(SYSTEM_CALL + lines)
    assert (got.stdout, got.stderr) == ("done\n", "")


@linux
@pytest.mark.trust
def test_memory_and_time_are_bounded() -> None:
    assert "MemoryError" in confined("bytearray(confine.ADDRESS_BYTES)").stderr
    assert confined("while True: pass").returncode == -signal.SIGXCPU
