"""Recordings as browsers play them: the file itself, or a proxy that is made on the first request."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from lookalike.errors import FootageError
from lookalike.footage.playable import Playable
from lookalike.proxy_encoders import USUAL, ProxyEncoder
from serving.http.limits import PROXY_THREADS
from serving.inference.backlog import Busy
from serving.inference.counted_threads import CountedThreads
from serving.media.worker import MediaPool
from serving.recordings.disk_cache import DiskCache
from serving.recordings.source_verifier import RECORDINGS, SourceVerifier

logger = logging.getLogger("bentoml.lookalike")

State = Literal["ready", "preparing", "none"]
LEAST_NICE = 19  # a proxy takes minutes anyway
MAX_QUEUED = 16  # proxies that are made or wait
FAILED_S = 600.0  # until a proxy that failed is tried again: it may have been for lack of room
MAX_JUDGED = 64  # requests that wait for a look at their recording


@dataclass(frozen=True)
class Media:
    """The file of a recording that browsers play.

    path: the file, if it is ready. progress: of making it, 0 to 1. reason: why there is no such file.
    offset_s: how far a browser's time is ahead of the recording's.
    """

    state: State
    path: Path | None = None
    media_type: str = ""
    progress: float = 0.0
    reason: str | None = None
    offset_s: float = 0.0
    fps: float | None = None


class _Stopped(Exception):
    """The service ends while a proxy is being made."""


class Player:
    """Use it in the event loop that serves the requests."""

    def __init__(
        self, verifier: SourceVerifier, pool: MediaPool, proxies: DiskCache, encoder: ProxyEncoder = USUAL
    ) -> None:
        """pool: of workers that look at recordings; proxies are made by workers of their own, with this encoder."""
        self._verifier, self._pool, self._proxies = verifier, pool, proxies
        self._encoder: ProxyEncoder = encoder
        self._judged = lru_cache(RECORDINGS)(lambda source, source_id: self._look(source))
        self._judges = CountedThreads(PROXY_THREADS, "playback")
        self._makers, self._making = CountedThreads(PROXY_THREADS, "proxy"), MediaPool(PROXY_THREADS, LEAST_NICE)
        self._progress: dict[str, float] = {}  # of the proxies that are made or queued, by source_id
        self._failed: dict[str, tuple[str, float]] = {}  # why there is no proxy, and since when, by source_id
        self._judging = 0
        self._stopping = threading.Event()

    async def media(self, source: str, source_id: str) -> Media:
        """What browsers play of a stored recording. If it needs a proxy, work on it begins. Raises: Busy."""
        try:
            playable = await self._judge_in_turn(source, source_id)
        except FootageError as error:
            return Media("none", reason=str(error))
        if playable.how == "as it is":
            return Media("ready", Path(source), playable.media_type, 1.0, None, playable.offset_s, playable.fps)
        if (progress := self._progress.get(source_id)) is not None:
            return Media("preparing", progress=progress, fps=playable.fps)
        if proxy := self._proxies.find(_name(source_id)):
            return Media("ready", proxy, playable.media_type, 1.0, None, playable.offset_s, playable.fps)
        if reason := self._reason(source_id):
            return Media("none", reason=reason, fps=playable.fps)
        if len(self._progress) >= MAX_QUEUED:
            raise Busy(f"{MAX_QUEUED} recordings are being made playable")
        self._progress[source_id] = 0.0
        self._makers.submit(contextvars.copy_context().run, self._make, source, source_id, playable)  # with the ids
        return Media("preparing", fps=playable.fps)

    def close(self) -> None:
        """Stop making proxies."""
        self._stopping.set()
        self._making.close()
        self._judges.shutdown(cancel_futures=True)
        self._makers.shutdown(cancel_futures=True)

    async def _judge_in_turn(self, source: str, source_id: str) -> Playable:
        """Judge a recording in a thread. Raises: FootageError; Busy."""
        if self._judging >= MAX_JUDGED:
            raise Busy(f"{MAX_JUDGED} recordings are being looked at")
        self._judging += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._judges, self._judge, source, source_id)
        finally:
            self._judging -= 1

    def _reason(self, source_id: str) -> str | None:
        """Why there is no proxy; None if it was not tried, or long ago."""
        reason, since_s = self._failed.get(source_id, (None, 0.0))
        return reason if time.monotonic() - since_s < FAILED_S else None

    def _judge(self, source: str, source_id: str) -> Playable:
        self._verifier.check(source, source_id)
        return self._judged(source, source_id)

    def _look(self, source: str) -> Playable:
        with self._pool.worker() as worker:
            return worker.judge(source)

    def _make(self, source: str, source_id: str, playable: Playable) -> None:
        def progress(share: float) -> None:
            if self._stopping.is_set():
                raise _Stopped
            self._progress[source_id] = share

        try:
            with self._proxies.writing(_name(source_id)) as part, self._making.worker() as worker:
                worker.make_playable(source, part, playable.how, progress, self._encoder)
        except _Stopped:
            pass
        except (FootageError, OSError) as error:
            self._failed[source_id] = str(error), time.monotonic()
        except Exception as error:
            logger.exception("%s: making a proxy failed", source)
            self._failed[source_id] = f"{source}: cannot be made playable ({type(error).__name__})", time.monotonic()
        finally:
            del self._progress[source_id]


def _name(source_id: str) -> str:
    return f"{source_id}.mp4"
