"""Folders that recordings arrive in -> the index. It looks again and again: shares over a network tell nobody."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lookalike.footage import Source
from lookalike.footage.sources import split_track
from lookalike.ingest.summary import Summary

POLL_S = 2.0
IMAGES = 256  # taken in together


@dataclass(frozen=True)
class TakenIn:
    """One recording, or some images, that were taken in together."""

    sources: Sequence[Source]
    summary: Summary


def watch(
    find: Callable[[], Iterable[Source]],
    take: Callable[[Sequence[Source]], Summary],
    settle_s: float,
    poll_s: float = POLL_S,
) -> Iterator[TakenIn]:
    """Yield what was taken in, forever: one recording at a time, or some images.

    find: all files that are there now. take: puts them into the index, and makes that durable.
    settle_s: a file is taken when its size and its time of change have stood still for so long.
    poll_s: between two looks.
    """
    arrivals = Arrivals(settle_s)
    while True:
        for group in _groups(arrivals.settled(list(find()), time.monotonic())):
            if unchanged := [source for source in group if arrivals.take(source)]:
                yield _without_vanished(TakenIn(unchanged, take(unchanged)))
        time.sleep(poll_s)


@dataclass(frozen=True)
class _Look:
    """How a file was seen, and since when it is so."""

    size_bytes: int
    changed_ns: int
    since_s: float


class Arrivals:
    """Which files are new or changed, and stand still. What was taken is not given out again until it changes."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._looks: dict[str, _Look] = {}  # of the files that are there
        self._taken: dict[str, _Look] = {}

    def settled(self, sources: Sequence[Source], now_s: float) -> list[Source]:
        """Look at all files that are there now. now_s: by a clock that only goes forward."""
        looks = {source.path: self._look(source.path, now_s) for source in sources}
        self._looks = {path: look for path, look in looks.items() if look}
        self._taken = {path: look for path, look in self._taken.items() if path in self._looks}
        return [source for source in sources if self._is_due(source.path, now_s)]

    def take(self, source: Source) -> bool:
        """Whether a file is still as it was when it was given out; then it counts as taken."""
        look = self._looks[source.path]
        if self._look(source.path, look.since_s) != look:
            return False
        self._taken[source.path] = look
        return True

    def _is_due(self, path: str, now_s: float) -> bool:
        look = self._looks.get(path)
        return look is not None and look != self._taken.get(path) and now_s - look.since_s >= self._settle_s

    def _look(self, path: str, now_s: float) -> _Look | None:
        """None if there is no such file, such as one that was removed a moment ago."""
        try:
            stat = os.stat(path)
        except OSError:
            return None
        before = self._looks.get(path)
        if before and (before.size_bytes, before.changed_ns) == (stat.st_size, stat.st_mtime_ns):
            return before
        return _Look(stat.st_size, stat.st_mtime_ns, now_s)


def _groups(sources: Sequence[Source]) -> Iterator[list[Source]]:
    """Recordings one by one, so that each is there when it is done; images together."""
    yield from ([source] for source in sources if source.kind == "video")
    images = iter([source for source in sources if source.kind == "image"])
    while group := list(itertools.islice(images, IMAGES)):
        yield group


def _without_vanished(taken: TakenIn) -> TakenIn:
    """A file that was removed before it could be opened does not count as unreadable."""
    taken.summary.skipped = [one for one in taken.summary.skipped if Path(split_track(one.source)[0]).exists()]
    return taken
