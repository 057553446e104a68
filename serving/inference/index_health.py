"""Whether the server of the index answers: asked in the background, so that /readyz, /metrics and searches know it.

While it does not, searches are refused at once, with 503, instead of each waiting for its own timeout.
"""

from __future__ import annotations

import logging
import threading
from uuid import UUID

from prometheus_client import Counter, Gauge

from lookalike.errors import IndexStoreError
from lookalike.index.engine import Engine
from serving.http.errors import ApiError
from serving.http.limits import RETRY_AFTER_S

logger = logging.getLogger("bentoml.lookalike")

PROBE_S = 5.0  # between two questions
NOBODY = str(UUID(int=0))  # the id of no frame
UP = Gauge(
    "lookalike_index_up", "1 if the server of the index answered last, 0 if it did not", multiprocess_mode="livemin"
)
FAILURES = Counter("lookalike_index_failures", "Questions of the health check that the server of the index failed")


class IndexHealth:
    """May be used from any thread. Use `start`, or `probe` for one question."""

    def __init__(self, engine: Engine, probe_s: float = PROBE_S) -> None:
        self._engine, self._probe_s = engine, probe_s
        self._wake, self._closing = threading.Event(), False
        self._asking = threading.Thread(target=self._ask_again_and_again, name="index-health", daemon=True)
        self.reason: str | None = None  # why it does not answer; None if it does
        UP.set(1)  # it was opened just now

    def start(self) -> None:
        """Ask every few seconds from now on."""
        self._asking.start()

    def suspect(self) -> None:
        """Ask now: a search was not answered."""
        self._wake.set()

    def check(self) -> None:
        """Raises: ApiError 503 if the index did not answer when it was last asked."""
        if self.reason is not None:
            raise unavailable()

    def probe(self) -> None:
        """Ask for a frame that does not exist, and note whether there was an answer."""
        try:
            self._engine.existing([NOBODY])
        except IndexStoreError as error:
            self._note(str(error))
        except Exception as error:  # whatever it is, a search would fail as well
            logger.exception("the index could not be asked")
            self._note(f"{type(error).__name__}: {error}")
        else:
            self._note(None)

    def close(self) -> None:
        """Ask no more; a question that waits for its answer is left behind."""
        self._closing = True
        self._wake.set()

    def _note(self, reason: str | None) -> None:
        if reason is not None:
            FAILURES.inc()
        if (reason is None) != (self.reason is None):
            logger.warning("the index answers again") if reason is None else logger.error("not ready: %s", reason)
        self.reason = reason
        UP.set(reason is None)

    def _ask_again_and_again(self) -> None:
        while not self._closing:
            self.probe()
            self._wake.wait(self._probe_s)
            self._wake.clear()


def unavailable() -> ApiError:
    """The answer while the server of the index does not answer; its address is in the log only."""
    return ApiError(503, "index_unavailable", f"the index does not answer for now; try again in {RETRY_AFTER_S} s")
