"""What several wait for is made once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Used in the event loop that serves the requests."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[T]] = {}

    async def __call__(self, name: str, make: Callable[[], Awaitable[T]]) -> T:
        """What `make` gives, or raises; while it runs, others that ask for the same name wait for it.

        It goes on when those who wait have left.
        """
        return await asyncio.shield(self.start(name, make))

    def start(self, name: str, make: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        """The same without waiting."""
        if name not in self._running:
            self._running[name] = asyncio.create_task(_awaited(make))
            self._running[name].add_done_callback(lambda task: self._settle(name, task))
        return self._running[name]

    def _settle(self, name: str, task: asyncio.Task[Any]) -> None:
        del self._running[name]
        if not task.cancelled():
            task.exception()  # looked at, else asyncio logs those that nobody waited for


async def _awaited(make: Callable[[], Awaitable[T]]) -> T:
    return await make()
