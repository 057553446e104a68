"""Produce items in threads while the caller works, up to a bound of items that wait."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

LEAVE_S = 1.0  # how long to wait for producers to stop: one may hang on a camera


def prefetch(items: Iterable[T], depth: int, alongside: Sequence[Iterable[T]] = ()) -> Iterator[T]:
    """Produce items in a thread while the caller works; an error is raised where its item would have come.

    alongside: produced at the same time, in a thread each; their items are mixed in as they come.
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

    threads = [threading.Thread(target=produce, args=(one,), name="decode", daemon=True) for one in (items, *alongside)]
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
