"""Threads that serve requests fairly: one with many large images delays the others by one image, not by all."""

from __future__ import annotations

import asyncio
import threading
import time
from bisect import insort
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from serving.inference.backlog import waited_too_long
from serving.inference.metrics import Queue

T = TypeVar("T")


@dataclass(frozen=True)
class Task:
    """work: must not raise. heavy: takes long."""

    work: Callable[[], None]
    heavy: bool = False


@dataclass(frozen=True)
class _Request:
    """The tasks that wait. turn: when the last one would run if requests took turns."""

    turn: float
    tasks: deque[Task]
    since_s: float  # when it joined the queue


class FairThreads:
    """Runs requests in the order in which they would be done if each in turn ran one task.

    So none is done later than by taking turns, and those of one size are done one after the other: the threads have
    work of the next while a client reads its response. Source: Demers, Keshav, Shenker, "Analysis and Simulation of a
    Fair Queueing Algorithm", 1989.
    """

    def __init__(self, threads: int, name: str, max_wait_s: float) -> None:
        """All but one thread may run heavy tasks, so that a light one starts at once.

        threads: at least 2. name: of the queue in /metrics. max_wait_s: how long `run` waits for its turn.
        """
        self._pool, self._threads, self._max_wait_s = ThreadPoolExecutor(threads, name), threads, max_wait_s
        self._free_heavy = threads - 1
        self._lock = threading.Lock()
        self._waiting: list[_Request] = []  # by turn
        self._turn = 0.0  # of all that wait; fractions of it are single tasks
        self._queue = Queue(name)

    def submit(self, tasks: Sequence[Task]) -> None:
        """tasks: of one request, at least one. Raises: RuntimeError after `shutdown`."""
        since_s = self._queue.join(len(tasks))
        with self._lock:
            request = _Request(self._turn + len(tasks), deque(tasks), since_s)
            insort(self._waiting, request, key=lambda request: request.turn)
        for _ in tasks[: self._threads]:
            self._pool.submit(self._run_all)

    async def run(self, work: Callable[[], T], heavy: bool = False) -> T:
        """Run one task. Raises: what it raises; Busy if its turn does not come in time."""
        future, due_s = Future[T](), time.monotonic() + self._max_wait_s

        def settle() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                if time.monotonic() > due_s:
                    raise waited_too_long(self._max_wait_s)
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 (passed on to who waits; a panic is a BaseException)
                future.set_exception(error)

        self.submit([Task(settle, heavy)])
        return await asyncio.wrap_future(future)

    def shutdown(self) -> None:
        """Wait for all tasks."""
        self._pool.shutdown()

    def _run_all(self) -> None:
        """Run tasks until none may run. One that must wait for heavy ones is run by the thread of one of these."""
        while taken := self._take():
            task, since_s = taken
            self._queue.leave(since_s)
            try:
                task.work()
            finally:
                with self._lock:
                    self._free_heavy += task.heavy

    def _take(self) -> tuple[Task, float] | None:
        """The next task of the first request whose next task may run now, and since when it waits."""
        with self._lock:
            for place, request in enumerate(self._waiting):
                if request.tasks[0].heavy and not self._free_heavy:
                    continue
                self._turn += 1 / len(self._waiting)
                task = request.tasks.popleft()
                self._free_heavy -= task.heavy
                if not request.tasks:
                    del self._waiting[place]
                return task, request.since_s
            return None
