"""An index on a server that does not answer while a worker starts: it is opened when it is asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, cast

from lookalike.contract import EncoderSpec
from lookalike.errors import IndexUnavailable
from lookalike.index import FrameIndex
from lookalike.index.engine import Engine

logger = logging.getLogger("bentoml.lookalike")


def open_soon(open_: Callable[[], FrameIndex], spec: EncoderSpec) -> FrameIndex:
    """Open an index on a server now, or when it is asked.

    A worker that ended would be started again every few seconds while its server is down, and no client answered.
    open_: raises IndexUnavailable while the server does not answer. spec: of the encoder. Raises: what it raises else.
    """
    try:
        return open_()
    except IndexUnavailable as error:
        logger.error("not ready: %s", error)
        return FrameIndex(cast(Engine, _LateEngine(open_)), spec)


class _LateEngine:
    """The engine of an index that is not open yet. Safe to use from any thread."""

    def __init__(self, open_: Callable[[], FrameIndex]) -> None:
        self._open, self._index = open_, None
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        """Raises: IndexStoreError if the index cannot be opened."""
        with self._lock:
            self._index = self._index or self._open()
        return getattr(self._index.engine, name)

    def close(self) -> None:
        if self._index:
            self._index.close()
