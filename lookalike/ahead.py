"""Work ahead in threads: what is produced waits, up to a bound, for what consumes it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

LEAVE_S = 1.0  # how long producers are waited for that are to stop: one may hang on a camera


def read_ahead(items: Iterable[T], depth: int, beside: Sequence[Iterable[T]] = ()) -> Iterator[T]:
    """Produce items in a thread while the caller works; errors come out where the item would have.

    beside: produced at the same time, in a thread each; what they give is mixed, as it comes.
    """
    waiting: queue.Queue[T | Exception | None] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: T | Exception | None) -> None:
        while not stopped.is_set():
            try:
                return waiting.put(item, timeout=0.1)
            except queue.Full:
                continue

    def produce(items: Iterable[T]) -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
            put(None)
        except Exception as error:  # noqa: BLE001 - handed to the caller, whatever it is
            put(error)

    threads = [threading.Thread(target=produce, args=(one,), name="decode", daemon=True) for one in (items, *beside)]
    for thread in threads:
        thread.start()
    running = len(threads)
    try:
        while running:
            item = waiting.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                running -= 1
            else:
                yield item
    finally:
        stopped.set()
        leave_at = time.monotonic() + LEAVE_S
        for thread in threads:
            thread.join(max(0.0, leave_at - time.monotonic()))
