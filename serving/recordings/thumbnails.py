"""Pictures of recordings, as JPEG, decoded in processes of their own, so that searches do not wait for them."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial

from serving.http.limits import MAX_WAIT_S, THUMBNAIL_THREADS
from serving.inference.backlog import waited_too_long
from serving.inference.metrics import Queue
from serving.media.worker import MediaPool, MediaWorker
from serving.recordings.source_verifier import SourceVerifier

NICE = 5  # a search comes first

Recording = tuple[str, str]  # its source and source_id


@dataclass(frozen=True, eq=False)
class Moment:
    """A time of a stored recording."""

    source: str
    source_id: str
    time_s: float


@dataclass(eq=False)
class _Request:
    """A picture to decode. longest_px: no side is longer; None for the full size. since_s: when it joined the queue.

    context: with the ids of the request, for the log. timer: runs while it waits for its turn. is_late: its turn did
    not come in time.
    """

    time_s: float
    longest_px: int | None
    since_s: float
    jpeg: Future[bytes] = field(default_factory=Future)
    context: Context = field(default_factory=copy_context)
    timer: asyncio.TimerHandle | None = None
    is_late: bool = False


class Thumbnails:
    """Recordings are decoded in parallel, each by one process, which handles all requests for it that come meanwhile.

    So a recording is opened once for many frames, and frames between two key frames are decoded once.
    While more recordings are requested than there are threads, they take turns.
    """

    def __init__(self, verifier: SourceVerifier, pool: MediaPool, max_wait_s: float = MAX_WAIT_S) -> None:
        """max_wait_s: how long a picture waits for its turn."""
        self._verifier, self._pool, self._max_wait_s = verifier, pool, max_wait_s
        self._threads = ThreadPoolExecutor(THUMBNAIL_THREADS, "thumbnail")
        self._queue = Queue("thumbnail")
        self._lock = threading.Lock()  # guards the next two
        self._waiting: dict[Recording, list[_Request]] = {}  # by recording; a thread works on each entry, or will
        self._verifying: set[Recording] = set()

    async def jpeg(self, moment: Moment, longest_px: int | None) -> bytes:
        """longest_px: no side is longer; None for the full size.

        Raises: FootageError if the recording is gone, was replaced, or cannot be read; Busy if its turn does not come
        in time. The time in which a recording is read for the first time, to verify it, does not count.
        """
        request, recording = self._request(moment.time_s, longest_px), (moment.source, moment.source_id)
        with self._lock:
            idle = recording not in self._waiting
            self._waiting.setdefault(recording, []).append(request)
        if idle:
            self._threads.submit(self._decode, recording)
        self._limit_wait(request, recording)
        try:
            return await asyncio.wrap_future(request.jpeg)
        except asyncio.CancelledError:
            if request.is_late:
                raise waited_too_long(self._max_wait_s) from None
            raise
        finally:
            if request.timer:
                request.timer.cancel()  # it would keep the picture in memory

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    def _request(self, time_s: float, longest_px: int | None) -> _Request:
        request = _Request(time_s, longest_px, self._queue.join())
        request.jpeg.add_done_callback(partial(self._queue.leave_if_cancelled, request.since_s))
        return request

    def _limit_wait(self, request: _Request, recording: Recording) -> None:
        loop = asyncio.get_running_loop()
        request.timer = loop.call_later(self._max_wait_s, self._drop_late, request, recording)

    def _drop_late(self, request: _Request, recording: Recording) -> None:
        with self._lock:
            verifying = recording in self._verifying
        if verifying:
            self._limit_wait(request, recording)
        else:
            request.is_late = request.jpeg.cancel()  # False if its turn has come

    def _decode(self, recording: Recording) -> None:
        try:
            self._verify(recording)
            with self._pool.worker() as worker:
                while requests := self._next(recording):
                    for request in sorted(requests, key=lambda request: request.time_s):
                        self._settle(request, worker, recording[0])
                    if self._others_wait():
                        self._threads.submit(self._decode, recording)
                        break
                worker.release()
        except BaseException as error:  # noqa: BLE001 (passed on to all requests)
            with self._lock:
                rest = self._waiting.pop(recording, [])
            for request in rest:
                if self._begins(request):
                    request.jpeg.set_exception(error)

    def _settle(self, request: _Request, worker: MediaWorker, source: str) -> None:
        if not self._begins(request):
            return
        try:
            request.jpeg.set_result(request.context.run(worker.picture, source, request.time_s, request.longest_px))
        except Exception as error:  # noqa: BLE001 (passed on to who asked)
            request.jpeg.set_exception(error)

    def _begins(self, request: _Request) -> bool:
        """Whether its turn has come while somebody waits for it."""
        begins = request.jpeg.set_running_or_notify_cancel()
        if begins:
            self._queue.leave(request.since_s)
        return begins

    def _verify(self, recording: Recording) -> None:
        with self._lock:
            self._verifying.add(recording)
        try:
            self._verifier.check(*recording)
        finally:
            with self._lock:
                self._verifying.discard(recording)

    def _others_wait(self) -> bool:
        with self._lock:
            return len(self._waiting) > THUMBNAIL_THREADS

    def _next(self, recording: Recording) -> list[_Request]:
        with self._lock:
            requests = self._waiting[recording]
            if requests:
                self._waiting[recording] = []
            else:
                del self._waiting[recording]
            return requests


def step_back(nice: int = NICE) -> None:
    """Lower the priority of this thread and of those that it starts, where the system supports it."""
    if hasattr(os, "setpriority") and hasattr(threading, "get_native_id"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)  # of one thread, on Linux
