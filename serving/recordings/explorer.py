"""Explorations of an index, which take minutes: they run one at a time, and their results are cached."""

from __future__ import annotations

import contextvars
import copy
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lookalike.errors import LookalikeError
from lookalike.index import FrameIndex
from serving.http.errors import ApiError
from serving.inference.backlog import Busy
from serving.recordings.thumbnails import step_back

logger = logging.getLogger("bentoml.lookalike")

RESULTS = 32  # that are cached
MAX_QUEUED = 8  # explorations that run or wait; each may take a minute
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
        return self.frames == frames or self.settled_s is None or time.monotonic() - self.settled_s < VALID_S


class _Stopped(Exception):
    """The service ends while work runs."""


class Explorer:
    """Use it in the event loop that serves the requests."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "explore", step_back)
        self._results: OrderedDict[Hashable, _Result] = OrderedDict()
        self._queued: list[_Result] = []  # that run or wait, of all separate ones together
        self._stopping = threading.Event()

    def ask(self, question: Hashable, index: FrameIndex, frames: int, work: Work) -> Found | float | None:
        """The result of some work, or its progress. The work starts again when the number of frames changes.

        question: names the work. frames: how many the index has now. Raises: ApiError if the work failed; Busy.
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
        except LookalikeError as error:
            result.error = ApiError(400, "bad_request", str(error))
        except Exception as error:
            logger.exception("an exploration failed")
            result.error = ApiError(503, "index_failed", f"the exploration failed ({type(error).__name__})")
        result.settled_s = time.monotonic()
