"""Produce items in threads while the caller works, up to a bound of items that wait."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")

LEAVE_S = 1.0  # how long to wait for producers to stop: one may hang on a camera


class Prefetch(Generic[T]):
    """Iterate over it once: items are produced in threads meanwhile. An error is raised where its item would have come.

    After an iteration that was interrupted, `rest` has what was produced and not taken.
    """

    def __init__(self, items: Iterable[T], depth: int, alongside: Sequence[Iterable[T]] = ()) -> None:
        """alongside: produced at the same time, in a thread each; their items are mixed in as they come."""
        self._producers = (items, *alongside)
        self._waiting: queue.Queue[T | Exception | None] = queue.Queue(depth)  # None where a producer is done
        self._late: deque[T] = deque()  # for which there was no room when it stopped
        self._stopped = threading.Event()

    def __iter__(self) -> Iterator[T]:
        make = partial(threading.Thread, target=self._produce, name="decode", daemon=True)
        threads = [make(args=(items,)) for items in self._producers]
        for thread in threads:
            thread.start()
        running = len(threads)
        try:
            while running:
                item = self._waiting.get()
                if isinstance(item, Exception):
                    raise item
                if item is None:
                    running -= 1
                else:
                    yield item
        finally:
            self._stopped.set()
            leave_at = time.monotonic() + LEAVE_S
            for thread in threads:
                thread.join(max(0.0, leave_at - time.monotonic()))

    def rest(self) -> Iterator[T]:
        """What waits, in order."""
        while not self._waiting.empty():
            item = self._waiting.get()
            if item is not None and not isinstance(item, Exception):
                yield item
        yield from self._late

    def _produce(self, items: Iterable[T]) -> None:
        try:
            for item in items:
                if not self._put(item):
                    self._late.append(item)
                if self._stopped.is_set():
                    return
            self._put(None)
        except Exception as error:  # noqa: BLE001 - handed to the caller, whatever it is
            self._put(error)

    def _put(self, item: T | Exception | None) -> bool:
        """Returns: whether there was room before it stopped."""
        while not self._stopped.is_set():
            try:
                self._waiting.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False
