"""A pool of threads whose queue is in /metrics."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from serving.inference.metrics import Queue

P = ParamSpec("P")
T = TypeVar("T")


class CountedThreads(ThreadPoolExecutor):
    """Work counts as waiting until a thread takes it, or until it is cancelled."""

    def __init__(self, threads: int, name: str, initializer: Callable[[], None] | None = None) -> None:
        """name: of the queue in /metrics. initializer: called in each thread first."""
        super().__init__(threads, name, initializer)
        self._queue = Queue(name)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As ThreadPoolExecutor does."""
        since_s = self._queue.join()

        def begin() -> T:
            self._queue.leave(since_s)
            return fn(*args, **kwargs)

        future = super().submit(begin)
        future.add_done_callback(partial(self._queue.leave_if_cancelled, since_s))
        return future
