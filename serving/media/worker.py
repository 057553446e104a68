"""Processes that decode footage, as the service uses them: one that dies or hangs costs its own work only."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from queue import LifoQueue
from typing import Any

import numpy as np

from lookalike.errors import FootageError
from lookalike.footage.playable import How, Playable
from lookalike.proxy_encoders import USUAL, ProxyEncoder

logger = logging.getLogger("bentoml.lookalike")

ROOT = Path(__file__).resolve().parents[2]
START_S, SILENT_S = 60.0, 120.0  # to wait for the first word of a process, and for the next one
MOST_BYTES = 512 * 1024**2  # of an answer: a picture of 64 megapixels has 192 MB
ARENAS = "4"  # of malloc: each thread of a decoder would reserve 64 MB of addresses
Progress = Callable[[float], None]


class Ended(Exception):
    """The process has died, or says nothing for too long."""


class MediaWorker:
    """A process that decodes, started when it is first asked and again when it has died. For one thread at a time."""

    def __init__(self, nice: int) -> None:
        """nice: what the priority of the process is lowered by."""
        self._nice, self._silent_s = nice, SILENT_S
        self._is_stopped = False
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    def picture(self, source: str, time_s: float, longest_px: int | None) -> bytes:
        """JPEG. longest_px: no side is longer; None for the full size. The recording stays open, see `release`.

        Raises: FootageError if it cannot be read, or if reading it ends the process.
        """
        return self._ask(source, "picture", True, time_s=time_s, longest_px=longest_px)[1]

    def release(self) -> None:
        """Let the process close the recording that it has open."""
        if self._process:
            try:
                self._exchange({"do": "close"}, False, None)
            except Ended:
                self._end()

    def pixels(self, source: str, time_s: float, fit_px: int | None) -> np.ndarray:
        """uint8 (H, W, 3), as `frame_at`. Raises: as `picture`."""
        shape, data = self._ask(source, "pixels", True, time_s=time_s, fit_px=fit_px)
        return np.frombuffer(data, np.uint8).reshape(*shape[:2], 3)

    def judge(self, source: str) -> Playable:
        """As `lookalike.footage.playable.judge`. Raises: as `picture`."""
        return Playable(**self._ask(source, "judge")[0])

    def make_playable(
        self, source: str, out: Path, how: How, progress: Progress, encoder: ProxyEncoder = USUAL
    ) -> None:
        """As `lookalike.footage.playable.make_playable`. What `progress` raises ends the process.

        Raises: as `picture`; OSError.
        """
        self._ask(source, "make", progress=progress, out=str(out), how=how, encoder=encoder)

    def stop(self) -> None:
        """End the process, whatever it does, and start no other. Safe to call from another thread."""
        self._is_stopped = True
        if process := self._process:
            process.kill()
            process.wait()

    def _ask(
        self, source: str, what: str, has_data: bool = False, progress: Progress | None = None, **named: Any
    ) -> tuple[Any, bytes]:
        try:
            if self._process is None:
                self._start()
            answer, data = self._exchange({"do": what, "source": source, **named}, has_data, progress)
        except Ended as error:
            self._end()
            logger.warning("%s: %s; the next one has another process", source, error)
            raise FootageError(f"{source}: cannot be decoded ({error})") from error
        except BaseException:
            self._end()  # it would go on with what nobody waits for
            raise
        if "error" in answer:
            text = str(answer.get("text"))
            raise FootageError(text) if answer["error"] == "footage" else OSError(text)
        return answer["ok"], data

    def _end(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
        if self._pipe:
            self._pipe.close()
        self._process = self._pipe = None

    def _start(self) -> None:
        if self._is_stopped:
            raise Ended("the service ends")
        self._pipe, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "serving.media.process", str(theirs.fileno()), str(self._nice)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=os.environ | self._env(),
                start_new_session=True,  # Ctrl-C is for the service, whose end is its end
            )
        if not self._receive(START_S)["ok"]["confined"]:
            logger.warning("this system does not keep processes that decode footage off the network (seccomp)")

    def _env(self) -> dict[str, str]:
        path = os.pathsep.join([str(ROOT), *sys.path])
        return {"PYTHONPATH": path, "MALLOC_ARENA_MAX": ARENAS, "SVT_LOG": "1"}  # SVT-AV1 logs errors only

    def _exchange(
        self, request: dict[str, Any], has_data: bool, progress: Progress | None
    ) -> tuple[dict[str, Any], bytes]:
        assert self._pipe is not None
        try:
            self._pipe.send_bytes(json.dumps(request).encode())
        except OSError as error:
            raise Ended(self._why()) from error
        while "progress" in (answer := self._receive(self._silent_s)):
            if progress is None:
                raise Ended("its process says what it should not")
            progress(float(answer["progress"]))
        return answer, self._bytes(self._silent_s) if has_data and "ok" in answer else b""

    def _receive(self, within_s: float) -> dict[str, Any]:
        try:
            message = json.loads(self._bytes(within_s))
        except ValueError as error:
            raise Ended("its process says what it should not") from error
        if not isinstance(message, dict) or not {"ok", "error", "progress"} & message.keys():
            raise Ended("its process says what it should not")
        return message

    def _bytes(self, within_s: float) -> bytes:
        assert self._pipe is not None
        late = threading.Timer(within_s, _cut, [self._pipe])  # a message that has begun may never end
        try:
            if not self._pipe.poll(within_s):
                raise Ended(f"nothing came of it for {within_s:g} s")
            late.start()
            return self._pipe.recv_bytes(MOST_BYTES)
        except (EOFError, OSError) as error:
            raise Ended(self._why()) from error
        finally:
            late.cancel()

    def _why(self) -> str:
        assert self._process is not None
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "its process does not listen"
        return f"its process ended by signal {-code}" if code < 0 else f"its process ended with code {code}"


def _cut(pipe: Connection) -> None:
    """Nothing more can be read from it, also if a further process has its other end."""
    with socket.socket(fileno=os.dup(pipe.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


class MediaPool:
    """Some workers, which processes are started for only as they are needed. Safe to use from any thread."""

    def __init__(self, workers: int, nice: int) -> None:
        self._all = [MediaWorker(nice) for _ in range(workers)]
        self._idle: LifoQueue[MediaWorker] = LifoQueue()  # the one that was used last has a process
        for worker in self._all:
            self._idle.put(worker)

    @contextmanager
    def worker(self) -> Iterator[MediaWorker]:
        """Lend a worker, when one is idle."""
        worker = self._idle.get()
        try:
            yield worker
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End all processes, whatever they do."""
        for worker in self._all:
            worker.stop()
