"""How long new work would wait, and the decision to refuse it: by time, not by count, so that it suits any machine."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from statistics import median

MEMORY_S = 10.0  # busy seconds, after which what was measured counts a third
LAST = 100  # requests whose sizes say what to expect of the next
COMING_S = 1.0  # for which what was let in counts, if it is not accepted before: its client may be slow
MARGIN = 1.5  # times the wait: what is expected before a body is read errs, and what is read is seldom refused then


class Busy(Exception):
    """More concurrent work than the service does in the time that a request may wait."""


def waited_too_long(max_wait_s: float) -> Busy:
    """The error of accepted work that could not begin in time: it takes longer than the pace let expect."""
    return Busy(f"too many concurrent requests: this one waited more than {max_wait_s:g} s")


class Backlog:
    """The accepted work, and the pace at which it is done. Use it in the event loop that serves the requests.

    The unit of work is the caller's. Refusing early costs less than to let requests run out of time: see "Load
    shedding", Google SRE book, chapter 21.
    """

    def __init__(self, max_wait_s: float, at_first: float, clock: Callable[[], float] = time.monotonic) -> None:
        """max_wait_s: how long accepted work may wait. at_first: work to accept before the pace is known."""
        self._max_wait_s, self._at_first, self._clock = max_wait_s, at_first, clock
        self._accepted = Counter[float]()  # requests by their work: those of a camera have the same
        self._per_byte: deque[float] = deque(maxlen=LAST)  # the work that a byte of the last requests was
        self._coming: dict[object, tuple[float, float]] = {}  # when what is being read was let in, and expected work
        self._since = 0.0  # when work was done last, or when there was none before
        self._done = self._busy_s = 0.0  # of the last busy seconds, older ones weighted less

    def wait_s(self, work: float, coming: float = 0) -> float:
        """How long new work would wait; 0 while the pace is unknown and little is accepted.

        None is done later than by taking turns: of a larger one, no more is done first than the new one has itself.
        coming: work before it that is not accepted yet.
        """
        before = coming + _up_to(work, self._accepted.items())
        if not self._done:
            return 0.0 if before < self._at_first else math.inf
        return before * self._busy_s / self._done

    def let_in(self, size: int, most_per_byte: float) -> object:
        """Refuse by the bytes of a body, before it is read: reading what is refused then takes time from the others.

        A byte is expected to be as much work as those of the last requests, and not more than most_per_byte: a few
        that unpack into a lot must not close the door to all. size: in bytes. most_per_byte: work.
        Returns: for `gone`. Raises: Busy if it would wait too long behind what is accepted and what is being read.
        """
        work, now = size * min(median(self._per_byte or [0]), most_per_byte), self._clock()
        while self._coming and self._coming[next(iter(self._coming))][0] < now - COMING_S:
            self._forget_first()
        coming = _up_to(work, [(expected, 1) for _, expected in self._coming.values()])
        self._check(MARGIN * self.wait_s(work, coming))
        request = object()
        self._coming[request] = now, work
        return request

    def gone(self, request: object) -> None:
        """What was let in is over, maybe without having been accepted."""
        self._coming.pop(request, None)

    def _forget_first(self) -> None:
        del self._coming[next(iter(self._coming))]

    def _check(self, wait_s: float) -> None:
        if wait_s > self._max_wait_s:
            waits = "unknown" if math.isinf(wait_s) else f"{wait_s:.1f} s"
            raise Busy(f"too many concurrent requests: the wait would be {waits}, at most {self._max_wait_s:g} s")

    @contextmanager
    def admit(self, work: float, size: int = 0) -> Iterator[None]:
        """Accept work until the block ends. size: bytes that it came in. Raises: Busy if it would wait too long."""
        if size:
            self._per_byte.append(work / size)
            if self._coming:
                self._forget_first()  # it is this one, likely
        self._check(self.wait_s(work))
        if not self._accepted:
            self._since = self._clock()
        self._accepted[work] += 1
        try:
            yield
            self._note_done(work)
        finally:
            self._accepted[work] -= 1
            if not self._accepted[work]:
                del self._accepted[work]

    def _note_done(self, work: float) -> None:
        now = self._clock()
        took_s, self._since = now - self._since, now
        kept = math.exp(-took_s / MEMORY_S)
        self._done, self._busy_s = self._done * kept + work, self._busy_s * kept + took_s


def _up_to(most: float, works: Iterable[tuple[float, int]]) -> float:
    """The sum of works, of each no more than `most`. works: each, and how many there are."""
    # `min` takes five times as long
    return sum([count * (work if work < most else most) for work, count in works])  # noqa: FURB136
