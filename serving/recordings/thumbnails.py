"""Pictures of recordings, as JPEG, decoded in their own threads, so that searches do not wait for them."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from lookalike.errors import FootageError
from lookalike.footage.still import pictures_of
from serving.http.limits import MAX_QUEUED_THUMBNAILS, THUMBNAIL_THREADS
from serving.inference.backlog import Busy
from serving.recordings.source_verifier import SourceVerifier

NICE = 5  # a search comes first
SMALL_QUALITY, WHOLE_QUALITY = 80, 90


@dataclass(frozen=True, eq=False)
class Moment:
    """A time of a stored recording."""

    source: str
    source_id: str
    time_s: float


@dataclass(frozen=True, eq=False)
class _Request:
    """A picture to decode. longest_px: no side is longer; None for the full size."""

    time_s: float
    longest_px: int | None
    jpeg: Future[bytes] = field(default_factory=Future)


class Thumbnails:
    """Recordings are decoded in parallel, each by one thread, which handles all requests for it that come meanwhile.

    So a recording is opened once for many frames, and frames between two key frames are decoded once.
    """

    def __init__(self, verifier: SourceVerifier) -> None:
        self._verifier = verifier
        self._threads = ThreadPoolExecutor(THUMBNAIL_THREADS, "thumbnail", step_back)
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str], list[_Request]] = {}  # by recording; a thread works on each entry

    async def jpeg(self, moment: Moment, longest_px: int | None) -> bytes:
        """longest_px: no side is longer; None for the full size.

        Raises: FootageError if the recording is gone, was replaced, or cannot be read; Busy.
        """
        request, recording = _Request(moment.time_s, longest_px), (moment.source, moment.source_id)
        with self._lock:
            if sum(len(requests) for requests in self._waiting.values()) >= MAX_QUEUED_THUMBNAILS:
                raise Busy("too many pictures are being decoded")
            idle = recording not in self._waiting
            self._waiting.setdefault(recording, []).append(request)
        if idle:
            self._threads.submit(self._decode, recording)
        return await asyncio.wrap_future(request.jpeg)

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    def _decode(self, recording: tuple[str, str]) -> None:
        try:
            self._verifier.check(*recording)
            with pictures_of(recording[0]) as picture:
                while requests := self._next(recording):
                    for request in sorted(requests, key=lambda request: request.time_s):
                        _settle(request, picture)
        except BaseException as error:  # noqa: BLE001 (passed on to all requests)
            with self._lock:
                rest = self._waiting.pop(recording, [])
            for request in rest:
                if request.jpeg.set_running_or_notify_cancel():
                    request.jpeg.set_exception(error)

    def _next(self, recording: tuple[str, str]) -> list[_Request]:
        with self._lock:
            requests = self._waiting[recording]
            if requests:
                self._waiting[recording] = []
            else:
                del self._waiting[recording]
            return requests


def jpeg_of(rgb: np.ndarray, small: bool = False) -> bytes:
    """rgb: uint8 (H, W, 3). small: for display only, not for searches."""
    file = io.BytesIO()
    quality = {"quality": SMALL_QUALITY} if small else {"quality": WHOLE_QUALITY, "subsampling": 0}
    Image.fromarray(rgb).save(file, "JPEG", **quality)
    return file.getvalue()


def step_back(nice: int = NICE) -> None:
    """Lower the priority of this thread and of those that it starts, where the system supports it."""
    if hasattr(os, "setpriority") and hasattr(threading, "get_native_id"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)  # of one thread, on Linux


def _settle(request: _Request, picture: Callable[[float, int | None], np.ndarray]) -> None:
    if not request.jpeg.set_running_or_notify_cancel():
        return
    try:
        rgb = picture(request.time_s, request.longest_px)
        request.jpeg.set_result(jpeg_of(rgb, small=request.longest_px is not None))
    except FootageError as error:
        request.jpeg.set_exception(error)
