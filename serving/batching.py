"""One batcher before the one session: while it runs, images queue, and the next run takes what waits.

There is no timer: an image that comes when nothing runs is run at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Self

import numpy as np

logger = logging.getLogger("bentoml.lookalike")


class Busy(Exception):
    """More images are on their way than the queue may hold."""


class RunFailed(Exception):
    """The session raised while it ran this image's batch."""


class Batcher:
    """Use as an async context manager, inside the event loop that serves the requests."""

    def __init__(self, run: Callable[[np.ndarray], np.ndarray], max_batch: int, capacity: int) -> None:
        """run: uint8 (N, S, S, 3) -> float32 (N, D), called in one thread, N from 1 to `max_batch`.

        capacity: images that may be admitted at a time, the running ones included.
        """
        self._run, self._max_batch, self._free = run, max_batch, capacity
        self._waiting: deque[tuple[np.ndarray, asyncio.Future[np.ndarray]]] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "encoder")

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._work())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown()

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

    async def embed(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """Embed images, each uint8 (S, S, 3), in whatever runs they fall into. Returns: float32 (len(pixels), D).

        If the caller is cancelled, those of its images that still wait are dropped.
        Raises: RunFailed if a run that held one of them failed.
        """
        loop = asyncio.get_running_loop()
        answers = [loop.create_future() for _ in pixels]
        self._waiting.extend(zip(pixels, answers, strict=True))
        self._arrived.set()
        try:
            return np.stack(await asyncio.gather(*answers))
        finally:
            for answer in answers:
                answer.cancel()  # does nothing to those that are done

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while batch := self._next_batch():
                await self._run_batch(*batch)

    def _next_batch(self) -> tuple[list[np.ndarray], list[asyncio.Future[np.ndarray]]] | None:
        batch: list[tuple[np.ndarray, asyncio.Future[np.ndarray]]] = []
        while self._waiting and len(batch) < self._max_batch:
            pixels, answer = self._waiting.popleft()
            if not answer.done():
                batch.append((pixels, answer))
        return ([pixels for pixels, _ in batch], [answer for _, answer in batch]) if batch else None

    async def _run_batch(self, pixels: list[np.ndarray], answers: list[asyncio.Future[np.ndarray]]) -> None:
        loop = asyncio.get_running_loop()
        try:
            embeddings = await loop.run_in_executor(self._thread, lambda: self._run(np.stack(pixels)))
            for answer, embedding in zip(answers, embeddings, strict=True):
                if not answer.done():
                    answer.set_result(embedding)
        except Exception as error:  # whatever the session raises: these images fail, the next batch runs
            logger.exception("a run of %d images failed", len(pixels))
            for answer in answers:
                if not answer.done():
                    answer.set_exception(RunFailed(f"the encoder failed ({type(error).__name__})"))
