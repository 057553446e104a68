"""Health checks of the server of the index, in the background, for /readyz, /metrics and searches.

While it does not answer, searches are refused immediately with 503, instead of waiting for their timeouts.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from prometheus_client import Counter, Gauge

from lookalike.errors import IndexStoreError, IndexUnavailable
from lookalike.index import FrameIndex
from serving.http.errors import ApiError
from serving.http.limits import RETRY_AFTER_S
from serving.inference.operations import stored_points

logger = logging.getLogger("bentoml.lookalike")

PROBE_S = 5.0  # between health checks
NO_FRAME = str(UUID(int=0))  # an id that no frame has
UP = Gauge(
    "lookalike_index_up", "0 while the index does not answer, else 1; 1 without an index", multiprocess_mode="livemin"
)
UP.set(1)  # while a worker starts, next to others that serve; else its 0 would be an alarm
FAILURES = Counter("lookalike_index_failures", "Health checks that the server of the index failed")


class IndexHealth:
    """May be used from any thread. Use `start`, or `probe` for one health check."""

    def __init__(self, index: FrameIndex, probe_s: float = PROBE_S) -> None:
        self._index, self._probe_s = index, probe_s
        self._wake, self._closing = threading.Event(), False
        self._checking = threading.Thread(target=self._check_repeatedly, name="index-health", daemon=True)
        self.reason: str | None = None  # why the last health check failed; None if it succeeded
        UP.set(1)  # it was opened just now

    def start(self) -> None:
        """Check every few seconds from now on."""
        self._checking.start()

    def suspect(self) -> None:
        """Check now, since a request to the index failed."""
        self._wake.set()

    def check(self) -> None:
        """Raises: ApiError 503 if the last health check failed."""
        if self.reason is not None:
            raise unavailable()

    def probe(self) -> None:
        """Request a frame that does not exist, and note whether the server answers."""
        try:
            stored_points(self._index, [NO_FRAME])
        except IndexStoreError as error:
            self._note(str(error))
        except Exception as error:  # a search would fail as well
            logger.exception("the health check of the index failed")
            self._note(f"{type(error).__name__}: {error}")
        else:
            self._note(None)

    def close(self) -> None:
        """Stop, without waiting for a health check that runs."""
        self._closing = True
        self._wake.set()

    def _note(self, reason: str | None) -> None:
        if reason is not None:
            FAILURES.inc()
        if (reason is None) != (self.reason is None):
            logger.warning("the index answers again") if reason is None else logger.error("not ready: %s", reason)
        self.reason = reason
        UP.set(reason is None)

    def _check_repeatedly(self) -> None:
        while not self._closing:
            self.probe()
            self._wake.wait(self._probe_s)
            self._wake.clear()


@contextmanager
def noting_failures(health: IndexHealth | None) -> Iterator[None]:
    """Call the index within this. health: None for an index that is not on a server.

    Raises: ApiError 503 if the last health check failed, or instead of IndexUnavailable, which begins another check.
    """
    if health:
        health.check()
    try:
        yield
    except IndexUnavailable as error:
        logger.error("%s", error)
        if health:
            health.suspect()
        raise unavailable() from error


def unavailable() -> ApiError:
    """Return the error while the server of the index does not answer; its address is in the log only."""
    return ApiError(503, "index_unavailable", f"the index does not answer for now; try again in {RETRY_AFTER_S} s")
