"""Threads that serve requests in turns: one with many large images delays the others by one image, not by all."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass


@dataclass(frozen=True)
class _Task:
    work: Callable[[], None]
    heavy: bool


class FairThreads:
    """Runs the first task of each owner, then the second of each, and so on."""

    def __init__(self, threads: int, name: str) -> None:
        """All but one thread may run heavy tasks, so that a light one starts at once. threads: at least 2."""
        self._pool = ThreadPoolExecutor(threads, name)
        self._free_heavy = threads - 1
        self._lock = threading.Lock()
        self._waiting: OrderedDict[Hashable, deque[_Task]] = OrderedDict()  # by owner, whose turn is next first
        self._skipped = 0  # turns that were given up, since only heavy tasks waited

    def submit(self, owner: Hashable, work: Callable[[], None], heavy: bool = False) -> None:
        """owner: whose turn it takes. work: must not raise. heavy: takes long.

        Raises: RuntimeError after `shutdown`.
        """
        with self._lock:
            self._waiting.setdefault(owner, deque()).append(_Task(work, heavy))
        self._pool.submit(self._run_next)

    def shutdown(self) -> None:
        """Wait for all tasks."""
        self._pool.shutdown()

    def _run_next(self) -> None:
        while task := self._take():
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
