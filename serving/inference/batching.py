"""Concurrent requests are batched: images are decoded in parallel, wait while a batch runs, and form the next batch.

There is no timer and no thread of its own for the encoder. A thread that has decoded an image while no batch runs goes
on to run it, and then all images that were decoded in the meantime. So a single image needs one thread.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress

import numpy as np

logger = logging.getLogger("bentoml.lookalike")

Decode = Callable[[], np.ndarray]  # -> uint8 (S, S, 3); an error fails this image only
Result = asyncio.Future[np.ndarray]


class Busy(Exception):
    """More concurrent images, or other work, than the service accepts."""


class RunFailed(Exception):
    """The session raised an error on the batch of this image."""


class Batcher:
    """The queue of the session. Create and call it in the event loop that serves the requests."""

    def __init__(self, run: Callable[[np.ndarray], np.ndarray], threads: Executor, max_batch: int, capacity: int):
        """run: uint8 (N, S, S, 3) -> float32 (N, D), N from 1 to `max_batch`, called in one thread at a time.

        threads: decode images and run batches; with one more than should decode at a time, decoding never waits.
        capacity: concurrent images, those of the running batch included.
        """
        self._run, self._threads, self._max_batch, self._free = run, threads, max_batch, capacity
        self._lock = threading.Lock()  # guards the next two
        self._waiting: deque[tuple[np.ndarray, Result]] = deque()
        self._running = False

    @contextmanager
    def admit(self, images: int) -> Iterator[None]:
        """Reserve room for images from before they are decoded until they are done. Raises: Busy if it is full."""
        if images > self._free:
            raise Busy(f"{images} more images do not fit into the queue")
        self._free -= images
        try:
            yield
        finally:
            self._free += images

    async def embed(self, images: Sequence[Decode]) -> list[np.ndarray | BaseException]:
        """Decode images and run them, batched with those of other callers.

        If the caller is cancelled, its images that still wait are dropped.
        Returns: for each image its float32 (D,), or its error: the decoder's own, or RunFailed.
        """
        loop = asyncio.get_running_loop()
        results: list[Result] = [loop.create_future() for _ in images]
        for decode, result in zip(images, results, strict=True):
            self._threads.submit(self._decode_and_run, decode, result, loop)
        try:
            return await asyncio.gather(*results, return_exceptions=True)
        finally:
            for result in results:
                result.cancel()  # no effect on those that are done

    def _decode_and_run(self, decode: Decode, result: Result, loop: asyncio.AbstractEventLoop) -> None:
        if result.done():
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
