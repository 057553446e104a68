"""Concurrent calls for the same thing share one run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Use it in the event loop that serves the requests."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[T]] = {}

    async def __call__(self, name: str, make: Callable[[], Awaitable[T]]) -> T:
        """Await `make`; while it runs, calls with the same name wait for its result, or its exception.

        It runs on if the callers are cancelled.
        """
        return await asyncio.shield(self.start(name, make))

    def start(self, name: str, make: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        """Start `make` without waiting, unless it runs under this name."""
        if name not in self._running:
            self._running[name] = asyncio.create_task(_awaited(make))
            self._running[name].add_done_callback(lambda task: self._settle(name, task))
        return self._running[name]

    def _settle(self, name: str, task: asyncio.Task[Any]) -> None:
        del self._running[name]
        if not task.cancelled():
            task.exception()  # retrieved, or asyncio logs exceptions that nobody awaited


async def _awaited(make: Callable[[], Awaitable[T]]) -> T:
    return await make()
