"""Pictures cut out of recordings, as JPEG, in threads of their own, so that searches do not wait for them."""

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
from serving.http.limits import MAX_QUEUED_STILLS, STILL_THREADS
from serving.inference.batching import Busy
from serving.recordings.source_verifier import SourceVerifier

NICE = 5  # a search comes first
SMALL_QUALITY, WHOLE_QUALITY = 80, 90


@dataclass(frozen=True, eq=False)
class Moment:
    """What a recording that the index knows shows at a time."""

    source: str
    source_id: str
    time_s: float


@dataclass(frozen=True, eq=False)
class _Wanted:
    time_s: float
    longest_px: int | None
    jpeg: Future[bytes] = field(default_factory=Future)


class Thumbnails:
    """Recordings are cut side by side, each by one thread, which takes all that is asked of it meanwhile.

    So a recording is opened once for many frames, and what lies between two key frames is decoded once.
    """

    def __init__(self, unchanged: SourceVerifier) -> None:
        self._unchanged = unchanged
        self._threads = ThreadPoolExecutor(STILL_THREADS, "still", step_back)
        self._turn = threading.Lock()
        self._waiting: dict[tuple[str, str], list[_Wanted]] = {}  # by recording; those with an entry are worked on

    async def jpeg(self, moment: Moment, longest_px: int | None) -> bytes:
        """longest_px: no side is longer; None for the whole picture.

        Raises: FootageError if the recording is gone, is another now, or cannot be read; Busy.
        """
        wanted, recording = _Wanted(moment.time_s, longest_px), (moment.source, moment.source_id)
        with self._turn:
            if sum(len(some) for some in self._waiting.values()) >= MAX_QUEUED_STILLS:
                raise Busy("too many pictures are being cut")
            idle = recording not in self._waiting
            self._waiting.setdefault(recording, []).append(wanted)
        if idle:
            self._threads.submit(self._cut, recording)
        return await asyncio.wrap_future(wanted.jpeg)

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    def _cut(self, recording: tuple[str, str]) -> None:
        try:
            self._unchanged.check(*recording)
            with pictures_of(recording[0]) as picture:
                while some := self._next(recording):
                    for one in sorted(some, key=lambda wanted: wanted.time_s):
                        _settle(one, picture)
        except BaseException as error:  # noqa: BLE001 (told to all who wait)
            with self._turn:
                rest = self._waiting.pop(recording, [])
            for one in rest:
                if one.jpeg.set_running_or_notify_cancel():
                    one.jpeg.set_exception(error)

    def _next(self, recording: tuple[str, str]) -> list[_Wanted]:
        with self._turn:
            some = self._waiting[recording]
            if some:
                self._waiting[recording] = []
            else:
                del self._waiting[recording]
            return some


def jpeg_of(rgb: np.ndarray, small: bool = False) -> bytes:
    """rgb: uint8 (H, W, 3). small: to be looked at only, not to be cut and compared."""
    file = io.BytesIO()
    quality = {"quality": SMALL_QUALITY} if small else {"quality": WHOLE_QUALITY, "subsampling": 0}
    Image.fromarray(rgb).save(file, "JPEG", **quality)
    return file.getvalue()


def step_back(nice: int = NICE) -> None:
    """Let this thread, and those that it starts, come after others, where the system can do that."""
    if hasattr(os, "setpriority") and hasattr(threading, "get_native_id"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)  # of one thread, on Linux


def _settle(wanted: _Wanted, picture: Callable[[float, int | None], np.ndarray]) -> None:
    if not wanted.jpeg.set_running_or_notify_cancel():
        return
    try:
        shown = picture(wanted.time_s, wanted.longest_px)
        wanted.jpeg.set_result(jpeg_of(shown, small=wanted.longest_px is not None))
    except FootageError as error:
        wanted.jpeg.set_exception(error)
