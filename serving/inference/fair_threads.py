"""Threads that serve requests in turns: one with many large images delays the others by one image, not by all."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from serving.inference.backlog import waited_too_long
from serving.inference.metrics import Queue

T = TypeVar("T")


@dataclass(frozen=True)
class _Task:
    work: Callable[[], None]
    heavy: bool
    since_s: float  # when it joined the queue


class FairThreads:
    """Runs the first task of each owner, then the second of each, and so on."""

    def __init__(self, threads: int, name: str, max_wait_s: float) -> None:
        """All but one thread may run heavy tasks, so that a light one starts at once.

        threads: at least 2. name: of the queue in /metrics. max_wait_s: how long `run` waits for its turn.
        """
        self._pool, self._max_wait_s = ThreadPoolExecutor(threads, name), max_wait_s
        self._free_heavy = threads - 1
        self._lock = threading.Lock()
        self._waiting: OrderedDict[Hashable, deque[_Task]] = OrderedDict()  # by owner, whose turn is next first
        self._queue = Queue(name)
        self._skipped = 0  # turns that were given up, since only heavy tasks waited

    def submit(self, owner: Hashable, work: Callable[[], None], heavy: bool = False) -> None:
        """owner: whose turn it takes. work: must not raise. heavy: takes long.

        Raises: RuntimeError after `shutdown`.
        """
        with self._lock:
            self._waiting.setdefault(owner, deque()).append(_Task(work, heavy, self._queue.join()))
        self._pool.submit(self._run_next)

    async def run(self, work: Callable[[], T], heavy: bool = False) -> T:
        """Run one task of an owner of its own. Raises: what it raises; Busy if its turn does not come in time."""
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

        self.submit(future, settle, heavy)
        return await asyncio.wrap_future(future)

    def shutdown(self) -> None:
        """Wait for all tasks."""
        self._pool.shutdown()

    def _run_next(self) -> None:
        while task := self._take():
            self._queue.leave(task.since_s)
            try:
                task.work()
            finally:
                again = self._give_back(task)
            if not again:
                return

    def _take(self) -> _Task | None:
        """The first task of the owner who waits longest and whose task may run now."""
        with self._lock:
            for owner, tasks in self._waiting.items():
                if tasks[0].heavy and not self._free_heavy:
                    continue
                task = tasks.popleft()
                self._free_heavy -= task.heavy
                if tasks:
                    self._waiting.move_to_end(owner)
                else:
                    del self._waiting[owner]
                return task
            self._skipped += 1
            return None

    def _give_back(self, task: _Task) -> bool:
        """Returns: whether this thread takes a turn that another gave up."""
        with self._lock:
            self._free_heavy += task.heavy
            if not (task.heavy and self._skipped):
                return False
            self._skipped -= 1
            return True
