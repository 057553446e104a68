"""Upload points to a server in larger batches, over several connections."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from qdrant_client import models

BATCH = 128  # points of one request
STREAMS = 4  # requests at the same time

Send = Callable[[list[models.PointStruct]], object]


class Uploads:
    """Concurrent uploads. May be used from any thread. A failure is raised by the next call that waits for it."""

    def __init__(self, send: Send, streams: int) -> None:
        """streams: 0 sends in the calling thread, immediately."""
        self._send, self._streams = send, streams
        self._pool = ThreadPoolExecutor(streams, "upload") if streams else None
        self._lock = threading.Lock()
        self._waiting: list[models.PointStruct] = []
        self._running: deque[Future[object]] = deque()
        self._ids: set[str] = set()  # of points that may not be stored yet

    def add(self, points: Sequence[models.PointStruct]) -> None:
        """Queue points. Blocks while more than a few batches are queued."""
        if self._pool is None:
            self._send(list(points))
            return
        with self._lock:
            self._waiting += points
            self._ids |= {str(point.id) for point in points}
            while len(self._waiting) >= BATCH:
                self._start(self._pool)

    def under_way(self, ids: Sequence[str]) -> set[str]:
        """Return those of `ids` that may not be stored yet."""
        with self._lock:
            return self._ids.intersection(ids)

    def wait(self) -> None:
        """Wait until all added points are stored."""
        if self._pool is None:
            return
        with self._lock:
            while self._waiting:
                self._start(self._pool)
            while self._running:
                self._wait_for_first()
            self._ids.clear()

    def close(self) -> None:
        if self._pool:
            self._pool.shutdown()

    def _start(self, pool: ThreadPoolExecutor) -> None:
        if len(self._running) == 2 * self._streams:
            self._wait_for_first()
        self._running.append(pool.submit(self._send, self._waiting[:BATCH]))
        self._waiting = self._waiting[BATCH:]  # afterwards: if this is interrupted, they are sent twice, and not lost

    def _wait_for_first(self) -> None:
        """An interruption leaves the batch in its place, so that its failure is not lost."""
        self._running[0].exception()
        self._running.popleft().result()
