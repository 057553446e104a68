"""Explorations of an index, which take minutes: they run one at a time, and their results are cached."""

from __future__ import annotations

import contextvars
import copy
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from lookalike.errors import IndexStoreError, LookalikeError
from lookalike.index import FrameIndex
from serving.http.errors import ApiError
from serving.inference.backlog import Busy
from serving.inference.counted_threads import CountedThreads
from serving.recordings.thumbnails import step_back

logger = logging.getLogger("bentoml.lookalike")

RESULTS = 32  # that are cached
MAX_QUEUED = 8  # explorations that run or wait; each may take a minute
FAILED_S = 5.0  # that a 503 is the result; those who ask again after Retry-After get to know of it
VALID_S = 60.0  # a result is, in any case: while an index is filled, every result would be outdated at once

Found = list[dict[str, Any]]
Report = Callable[[float], None]  # called with the share that is done; an exception ends the work
Work = Callable[[FrameIndex, Report], Found]


@dataclass
class _Result:
    """found, error: None while the work runs. progress: 0 to 1, None if it is unknown.

    frames: how many the index had when the work began. settled_s: when it ended, by the monotonic clock.
    """

    frames: int
    progress: float | None = None
    found: Found | None = None
    error: ApiError | None = None
    settled_s: float | None = None

    def is_valid(self, frames: int) -> bool:
        if self.settled_s is None:
            return True
        age_s = time.monotonic() - self.settled_s
        if self.error and self.error.status == 503:
            return age_s < FAILED_S
        return self.frames == frames or age_s < VALID_S


class _Stopped(Exception):
    """The service ends while work runs."""


class Explorer:
    """Use it in the event loop that serves the requests."""

    def __init__(self) -> None:
        self._thread = CountedThreads(1, "explore", step_back)
        self._results: OrderedDict[Hashable, _Result] = OrderedDict()
        self._queued: list[_Result] = []  # that run or wait, of all separate ones together
        self._stopping = threading.Event()

    def ask(self, question: Hashable, index: FrameIndex, frames: int, work: Work) -> Found | float | None:
        """The result of some work, or its progress. The work starts again when the number of frames changes.

        question: names the work. frames: how many the index has now.
        Raises: ApiError if the work failed; after a 503 it starts again as well, some seconds later. Busy.
        """
        result = self._results.get(question)
        if result is None or not result.is_valid(frames):
            self._queued[:] = [queued for queued in self._queued if queued.settled_s is None]
            if len(self._queued) >= MAX_QUEUED:
                raise Busy(f"{MAX_QUEUED} explorations run or wait")
            result = self._results[question] = _Result(frames)
            self._queued.append(result)
            self._thread.submit(contextvars.copy_context().run, self._work, result, index, work)  # with the ids
            self._forget_the_oldest()
        self._results.move_to_end(question)
        if result.error:
            raise result.error
        return result.progress if result.found is None else result.found

    def separate(self) -> Explorer:
        """One with results of its own, for another index. It works in the same thread, and is closed with this one."""
        separate = copy.copy(self)
        separate._results = OrderedDict()
        return separate

    def close(self) -> None:
        """Stop all work."""
        self._stopping.set()
        self._thread.shutdown(cancel_futures=True)

    def _forget_the_oldest(self) -> None:
        settled = [question for question, result in self._results.items() if result.settled_s]
        for question in settled[: max(len(self._results) - RESULTS, 0)]:
            del self._results[question]

    def _work(self, result: _Result, index: FrameIndex, work: Work) -> None:
        def report(share: float) -> None:
            if self._stopping.is_set():
                raise _Stopped
            result.progress = share

        try:
            result.found = work(index, report)
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 (a panic of the embedded engine is one; it must not end the queue)
            result.error = _error_of(error)
        result.settled_s = time.monotonic()


def _error_of(error: BaseException) -> ApiError:
    """The response to an exploration that failed. What a server of the index says is in the log only."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, LookalikeError) and not isinstance(error, IndexStoreError):
        return ApiError(400, "bad_request", str(error))
    logger.error("an exploration failed", exc_info=error)
    return ApiError(503, "index_failed", f"the exploration failed ({type(error).__name__})")
