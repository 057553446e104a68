"""Images are decoded side by side and run together: while a batch runs, what is decoded waits, and goes with the next.

There is no timer and no thread that only runs: whichever thread decodes an image while nothing runs goes on to run it,
and then all that has come meanwhile. So an image that comes alone meets one thread, once.
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

Decode = Callable[[], np.ndarray]  # -> uint8 (S, S, 3); what it raises goes to the caller, with none other touched
Answer = asyncio.Future[np.ndarray]


class Busy(Exception):
    """More images are on their way than the queue may hold."""


class RunFailed(Exception):
    """The session raised while it ran this image's batch."""


class Batcher:
    """One before the one session. Made and called in the event loop that serves the requests."""

    def __init__(self, run: Callable[[np.ndarray], np.ndarray], threads: Executor, max_batch: int, capacity: int):
        """run: uint8 (N, S, S, 3) -> float32 (N, D), N from 1 to `max_batch`, called in one thread at a time.

        threads: where images are decoded and run; with one more than shall decode at a time, decoding never waits.
        capacity: images that may be admitted at a time, the running ones included.
        """
        self._run, self._threads, self._max_batch, self._free = run, threads, max_batch, capacity
        self._turn = threading.Lock()  # guards the next two
        self._waiting: deque[tuple[np.ndarray, Answer]] = deque()
        self._running = False

    @contextmanager
    def admit(self, images: int) -> Iterator[None]:
        """Hold room for images from before they are decoded until they are answered. Raises: Busy if there is none."""
        if images > self._free:
            raise Busy(f"{images} more images do not fit into the queue")
        self._free -= images
        try:
            yield
        finally:
            self._free += images

    async def embed(self, images: Sequence[Decode]) -> list[np.ndarray | BaseException]:
        """Decode images and run them, in whatever batches they fall into.

        If the caller is cancelled, those of its images that still wait are dropped.
        Returns: for each image its float32 (D,), or what it failed with: its decoder's own error, or RunFailed.
        """
        loop = asyncio.get_running_loop()
        answers: list[Answer] = [loop.create_future() for _ in images]
        for decode, answer in zip(images, answers, strict=True):
            self._threads.submit(self._decode_and_run, decode, answer, loop)
        try:
            return await asyncio.gather(*answers, return_exceptions=True)
        finally:
            for answer in answers:
                answer.cancel()  # does nothing to those that are done

    def _decode_and_run(self, decode: Decode, answer: Answer, loop: asyncio.AbstractEventLoop) -> None:
        if answer.done():
            return
        try:
            pixels = decode()
        except BaseException as error:  # noqa: BLE001 (told to the image's request; a panic is no Exception)
            _tell(loop, [answer], [error])
            return
        with self._turn:
            self._waiting.append((pixels, answer))
            if self._running:
                return
            self._running = True
        while batch := self._next_batch():
            _tell(loop, [answer for _, answer in batch], self._run_batch([pixels for pixels, _ in batch]))

    def _next_batch(self) -> list[tuple[np.ndarray, Answer]]:
        batch: list[tuple[np.ndarray, Answer]] = []
        with self._turn:
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
        except BaseException as error:  # whatever the session raises: these images fail, the next batch runs
            logger.exception("a run of %d images failed", len(pixels))
            return [RunFailed(f"the encoder failed ({type(error).__name__})")] * len(pixels)


def _tell(
    loop: asyncio.AbstractEventLoop, answers: list[Answer], outcomes: Sequence[np.ndarray | BaseException]
) -> None:
    def settle() -> None:
        for answer, outcome in zip(answers, outcomes, strict=True):
            if answer.done():
                continue
            if isinstance(outcome, BaseException):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(settle)
