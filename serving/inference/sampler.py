"""Measures what changes without a request, in the background, for /metrics: the index, its cameras, the disks."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from lookalike.errors import IndexStoreError
from lookalike.index import Filters, FrameIndex, StoredFrame
from lookalike.index.embedded.disk_space import size_bytes
from serving.inference.cameras import Cameras, newest
from serving.inference.index_health import UP
from serving.inference.metrics import DISK_FREE, INDEX_BUILDING, INDEX_BYTES, INDEX_FRAMES, INDEX_UNINDEXED

logger = logging.getLogger("bentoml.lookalike")

EVERY_S = 15.0  # as often as Prometheus asks by default
CAMERAS_EVERY_S, CAMERAS_SHARE = 60.0, 100  # reading the times of all frames takes at most one part in so many


class Sampler:
    """Use `start`, or `sample` once. Close it before the index."""

    def __init__(
        self,
        index: FrameIndex | None,
        cameras: Cameras,
        disks: Mapping[str, Path],
        folder: Path | None = None,
        is_up: Callable[[], bool] = lambda: True,
    ) -> None:
        """disks: folders by name, whose disks are watched. folder: of an embedded index.

        is_up: whether the index answers, without asking it.
        """
        self._index, self._cameras, self._disks, self._folder = index, cameras, disks, folder
        self._is_up = is_up
        self._cameras_due_s = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self) -> None:
        """Measure every few seconds from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and wait until the index is no longer used."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def sample(self) -> None:
        """Measure once. What cannot be measured keeps its last value, and /readyz says what is wrong."""
        for name, folder in self._disks.items():
            DISK_FREE.labels(name).set(free_bytes(folder))
        if self._folder:
            INDEX_BYTES.set(size_bytes(self._folder))
        is_up = self._is_up()
        UP.set(is_up)
        if self._index is None or not is_up:
            return
        try:
            self._sample_index(self._index)
        except IndexStoreError as error:
            logger.debug("the index was not measured: %s", error)

    def _sample_index(self, index: FrameIndex) -> None:
        if state := index.state():
            INDEX_FRAMES.set(state.frames)
            INDEX_UNINDEXED.set(state.unindexed)
            INDEX_BUILDING.set(state.building)
        if time.monotonic() >= self._cameras_due_s:
            started = time.monotonic()
            self._cameras.begin()
            known = newest(self._frames(index))
            if self._closing.is_set():
                return
            self._cameras.replace(known)
            took_s = time.monotonic() - started
            self._cameras_due_s = time.monotonic() + max(CAMERAS_EVERY_S, CAMERAS_SHARE * took_s)

    def _frames(self, index: FrameIndex) -> Iterator[StoredFrame]:
        """All whole frames, until it is closed."""
        for frame in index.frames(Filters(whole=True)):
            if self._closing.is_set():
                return
            yield frame

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self.sample()
            except Exception:
                logger.exception("measuring for /metrics failed")
            self._closing.wait(EVERY_S)


def free_bytes(folder: Path) -> int:
    """The room on the disk of a folder, which may not exist yet; 0 if it cannot be measured."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    try:
        return shutil.disk_usage(there).free
    except OSError:
        return 0
