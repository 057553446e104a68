"""Retries of an ingest, while a server does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
OnWait = Callable[[str], None]
Reason = Callable[[Exception], str | None]

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 15.0  # between retries, doubled each time
RETRY_S = 300.0  # how long an ingest retries


class Patience:
    """Retries requests that fail for now, with growing pauses, for a limited time. May be used from any thread.

    Before the first success nothing is retried: a server that has never answered probably has another address.
    """

    def __init__(
        self, server: str, reason: Reason, for_s: float, on_wait: OnWait, now: Callable[[], float] = time.monotonic
    ) -> None:
        """server: its name in messages. reason: called with an error; returns why the request failed if it may succeed
        later, as one line, else None. on_wait: called with a line when an outage begins, and when it is over.
        """
        self._server, self._reason, self._for_s, self._on_wait, self._now = server, reason, for_s, on_wait, now
        self._over, self._lock = threading.Event(), threading.Lock()
        self._down_since: float | None = None
        self._has_answered = False

    def call(self, ask: Callable[[], T]) -> T:
        """Call a function until it succeeds. Raises: the error of the last attempt."""
        since, pause_s, failed = self._now(), FIRST_PAUSE_S, False
        while True:
            try:
                found = ask()
            except Exception as error:
                reason = self._reason(error)
                is_over = self._over.is_set() or self._now() - since >= self._for_s
                if is_over or reason is None or not self._has_answered:
                    raise
                self._failed(reason)
                failed = True
                self._over.wait(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                self._has_answered = True
                if failed:
                    self._succeeded()
                return found

    def end(self) -> None:
        """Stop retrying, in all threads: the next failure is raised."""
        self._over.set()

    def _failed(self, reason: str) -> None:
        with self._lock:
            first = self._down_since is None
            if first:
                self._down_since = self._now()
        if first:
            self._on_wait(f"{self._server} does not answer ({reason}); nothing is lost, retrying for {self._for_s:g} s")

    def _succeeded(self) -> None:
        with self._lock:
            since, self._down_since = self._down_since, None
        if since is not None:
            self._on_wait(f"{self._server} answers again after {self._now() - since:.0f} s; continuing")
