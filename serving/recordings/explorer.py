"""What takes minutes to find out about an index: one question at a time, and the answers are kept."""

from __future__ import annotations

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
from serving.recordings.thumbnails import step_back

logger = logging.getLogger("bentoml.lookalike")

ANSWERS = 32  # that are kept
GOOD_S = 60.0  # an answer is, in any case: of an index that is being filled there would be none

Found = list[dict[str, Any]]
Report = Callable[[float], None]  # told the share that is done; what it raises ends the work
Work = Callable[[FrameIndex, Report], Found]


@dataclass
class _Answer:
    """found, refused: None until it is known. progress: 0 to 1, None where that is not known.

    frames: how many the index had when it was begun. settled_s: by the monotonic clock, when it was known.
    """

    frames: int
    progress: float | None = None
    found: Found | None = None
    refused: ApiError | None = None
    settled_s: float | None = None

    def is_good(self, frames: int) -> bool:
        return self.frames == frames or self.settled_s is None or time.monotonic() - self.settled_s < GOOD_S


class _Stopped(Exception):
    """The service ends while something is being found out."""


class Explorer:
    """Used in the event loop that serves the requests."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "explore", step_back)
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()
        self._stopping = threading.Event()

    def ask(self, question: Hashable, index: FrameIndex, frames: int, work: Work) -> Found | float | None:
        """What was found, or how much of the work is done; it is begun anew when the index has other frames.

        frames: how many it has now.

        Raises: ApiError for what cannot be found out.
        """
        answer = self._answers.get(question)
        if answer is None or not answer.is_good(frames):
            answer = self._answers[question] = _Answer(frames)
            self._thread.submit(self._work, answer, index, work)
            self._forget_the_oldest()
        self._answers.move_to_end(question)
        if answer.refused:
            raise answer.refused
        return answer.progress if answer.found is None else answer.found

    def close(self) -> None:
        """What is being found out is given up."""
        self._stopping.set()
        self._thread.shutdown(cancel_futures=True)

    def _forget_the_oldest(self) -> None:
        settled = [question for question, one in self._answers.items() if one.settled_s]
        for question in settled[: max(len(self._answers) - ANSWERS, 0)]:
            del self._answers[question]

    def _work(self, answer: _Answer, index: FrameIndex, work: Work) -> None:
        def report(share: float) -> None:
            if self._stopping.is_set():
                raise _Stopped
            answer.progress = share

        try:
            answer.found = work(index, report)
        except _Stopped:
            pass
        except LookalikeError as error:
            answer.refused = ApiError(400, "bad_request", str(error))
        except Exception as error:
            logger.exception("an exploration failed")
            answer.refused = ApiError(503, "index_failed", f"that could not be found out ({type(error).__name__})")
        answer.settled_s = time.monotonic()
