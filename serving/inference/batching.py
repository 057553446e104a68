"""Concurrent requests are batched: images are decoded in parallel, wait while a batch runs, and form the next batch.

There is no timer and no thread of its own for the encoder. A thread that has decoded an image while no batch runs
runs it next, and then all images that were decoded in the meantime. So a single image needs one thread.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import numpy as np

from serving.inference.backlog import waited_too_long
from serving.inference.fair_threads import FairThreads, Task

logger = logging.getLogger("bentoml.lookalike")

Decode = Callable[[], np.ndarray]  # -> uint8 (S, S, 3); an error fails this image only
Result = asyncio.Future[np.ndarray]


class RunFailed(Exception):
    """The session raised an error on the batch of this image."""


class _Request:
    """The images of one call. due_s: when its first image must be decoded, by the monotonic clock."""

    def __init__(self, max_wait_s: float) -> None:
        self.due_s, self._begun = time.monotonic() + max_wait_s, False

    def begins(self) -> bool:
        """Whether it has begun, or begins now in time."""
        self._begun = self._begun or time.monotonic() <= self.due_s
        return self._begun


class Batcher:
    """The queue of the session. Create and call it in the event loop that serves the requests."""

    def __init__(
        self, run: Callable[[np.ndarray], np.ndarray], threads: FairThreads, max_batch: int, max_wait_s: float
    ) -> None:
        """run: uint8 (N, S, S, 3) -> float32 (N, D), N from 1 to `max_batch`, called in one thread at a time.

        threads: decode images and run batches; with one more than should decode at a time, decoding never waits.
        max_wait_s: a request of which no image is decoded by then is dropped.
        """
        self._run, self._threads, self._max_batch, self._max_wait_s = run, threads, max_batch, max_wait_s
        self._lock = threading.Lock()  # guards the next two
        self._waiting: deque[tuple[np.ndarray, Result]] = deque()
        self._running = False

    async def embed(
        self, images: Sequence[Decode], heavy: Sequence[bool] | None = None
    ) -> list[np.ndarray | BaseException]:
        """Decode images and run them, batched with those of other callers.

        heavy: which images take long to decode. If the caller is cancelled, its images that still wait are dropped.
        Returns: for each image its float32 (D,), or its error: the decoder's own, RunFailed, or Busy.
        """
        loop, request = asyncio.get_running_loop(), _Request(self._max_wait_s)
        results: list[Result] = [loop.create_future() for _ in images]
        works = [partial(self._decode_and_run, *each, request, loop) for each in zip(images, results, strict=True)]
        tasks = [Task(*each) for each in zip(works, heavy or [False] * len(works), strict=True)]
        self._threads.submit(tasks[:1])  # begins in its first turn; in the turn of the last image, it may be too late
        if tasks[1:]:
            self._threads.submit(tasks[1:])
        try:
            return await asyncio.gather(*results, return_exceptions=True)
        finally:
            for result in results:
                result.cancel()  # no effect on those that are done

    def _decode_and_run(
        self, decode: Decode, result: Result, request: _Request, loop: asyncio.AbstractEventLoop
    ) -> None:
        if result.done():
            return
        if not request.begins():
            _settle(loop, [result], [waited_too_long(self._max_wait_s)])
            return
        try:
            pixels = decode()
        except BaseException as error:  # noqa: BLE001 (passed on to the request; a panic is a BaseException)
            _settle(loop, [result], [error])
            return
        with self._lock:
            self._waiting.append((pixels, result))
            if self._running:
                return
            self._running = True
        while batch := self._next_batch():
            _settle(loop, [result for _, result in batch], self._run_batch([pixels for pixels, _ in batch]))

    def _next_batch(self) -> list[tuple[np.ndarray, Result]]:
        batch: list[tuple[np.ndarray, Result]] = []
        with self._lock:
            while self._waiting and len(batch) < self._max_batch:
                if not (entry := self._waiting.popleft())[1].done():
                    batch.append(entry)
            self._running = bool(batch)
        return batch

    def _run_batch(self, pixels: list[np.ndarray]) -> Sequence[np.ndarray | BaseException]:
        try:
            embeddings = self._run(np.stack(pixels))
            if len(embeddings) != len(pixels):
                raise ValueError(f"{len(embeddings)} rows for {len(pixels)} images")
            return list(embeddings)
        except BaseException as error:  # these images fail, and the next batch runs
            logger.exception("a batch of %d images failed", len(pixels))
            return [RunFailed(f"the encoder failed ({type(error).__name__})")] * len(pixels)


def _settle(
    loop: asyncio.AbstractEventLoop, results: list[Result], outcomes: Sequence[np.ndarray | BaseException]
) -> None:
    def settle() -> None:
        for result, outcome in zip(results, outcomes, strict=True):
            if result.done():
                continue
            if isinstance(outcome, BaseException):
                result.set_exception(outcome)
            else:
                result.set_result(outcome)

    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(settle)
