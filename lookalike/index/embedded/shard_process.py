"""A shard in a separate process: the embedded engine blocks all threads of a process while it flushes or builds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from lookalike.errors import IndexStoreError
from lookalike.parent import end_with_parent

ROOT = Path(__file__).resolve().parents[3]
LOW_PRIORITY = 19  # what `nice` adds, for a process that builds in the background
STOP_S = 60.0  # closing a shard takes seconds


def _block_sigterm() -> None:
    """Block SIGTERM in this thread, and so in the processes it starts, which end with the pipe.

    BentoML sends it to them as well, while the service still answers what has begun.
    """
    if os.name == "posix":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


# A process ends with the thread that started it, see `parent`. This thread lives until the interpreter ends.
_STARTER = ThreadPoolExecutor(1, "shard-starter", _block_sigterm)


class ShardEnded(IndexStoreError):
    """The process of a shard has ended, and may be started again."""


class Turns:
    """A fair lock: an uploading thread would take a plain lock again before a waiting thread wakes up."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._given = self._now = 0

    def __enter__(self) -> None:
        with self._changed:
            mine, self._given = self._given, self._given + 1
            self._changed.wait_for(lambda: self._now == mine)

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._now += 1
            self._changed.notify_all()


class ShardProcess:
    """A shard in another process. Several threads may call it; calls are served one at a time."""

    def __init__(self, folder: Path, space: str, dim: int, nice: int = 0) -> None:
        """Open the shard in `folder`, or create it. Raises: IndexStoreError as `edge.Shard`."""
        self.folder = folder
        self._turn = Turns()
        try:
            self._pipe, self._process = _start(folder, space, dim, nice)
        except OSError as error:  # such as too little memory, which may be why there is none
            raise IndexStoreError(f"{folder}: cannot start its process ({error.strerror})") from error
        try:
            self._answer()
        except BaseException:
            self.kill()
            raise

    def ask(self, operation: str, *arguments: Any) -> Any:
        """Call a method of the shard. Raises: IndexStoreError if it fails; ShardEnded if the process has ended."""
        with self._turn:
            try:
                self._pipe.send((operation, arguments))
            except (OSError, ValueError) as error:
                raise self._ended() from error
            return self._answer()

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """Make the shard durable, and release it."""
        with self._turn:
            self._pipe.close()
        self._process.wait(STOP_S)

    def kill(self) -> None:
        """End the process immediately; the shard must be removed afterwards."""
        self._process.kill()
        self._process.wait()
        self._pipe.close()

    def _answer(self) -> Any:
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if isinstance(answer, IndexStoreError):
            raise answer
        return answer

    def _ended(self) -> ShardEnded:
        return ShardEnded(f"{self.folder}: the process that had it open has ended")


def _start(folder: Path, space: str, dim: int, nice: int) -> tuple[Connection, subprocess.Popen[bytes]]:
    """Start a process, and return it with its pipe. Raises: OSError."""
    pipe, theirs = Pipe()
    with theirs:
        arguments = [str(theirs.fileno()), str(folder), space, str(dim), str(nice), str(os.getpid())]
        process = _STARTER.submit(
            subprocess.Popen,
            [sys.executable, "-m", "lookalike.index.embedded.shard_process", *arguments],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
            start_new_session=True,  # Ctrl-C goes to the owner, and this process ends with it
        ).result()
    return pipe, process


def main(pipe: Connection, folder: Path, space: str, dim: int, nice: int, parent: int) -> None:
    """Serve calls until the other end of the pipe is closed or gone."""
    if nice:
        end_with_parent(parent=parent)  # it builds for minutes, and does not see the pipe close
    from lookalike.index.embedded.edge import Shard

    os.nice(nice)
    try:
        shard = Shard(folder, space, dim)
    except IndexStoreError as error:
        pipe.send(error)
        return
    pipe.send(None)
    with suppress(EOFError, OSError):
        while True:
            operation, arguments = pipe.recv()
            pipe.send(_called(shard, operation, arguments))
    shard.close()


def _called(shard: Any, operation: str, arguments: tuple[Any, ...]) -> Any:
    try:
        return getattr(shard, operation)(*arguments)
    except BaseException as error:  # noqa: BLE001 (an engine's panic is a BaseException; the next call may succeed)
        return IndexStoreError(f"the embedded engine failed in {operation} ({' '.join(str(error).split())})")


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])), Path(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:]))
