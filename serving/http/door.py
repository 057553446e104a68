"""Refuses requests with images by the size of their body, before it is read.

Past what the service can do most requests are refused. Reading, routing and parsing them first took a millisecond of
the event loop each, so that half of what could be answered was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from serving.http.limits import RETRY_AFTER_S
from serving.inference.backlog import Busy

DROPPED_BYTES = 1024 * 1024  # of a refused body are read, so that its connection stays; past that it is closed


class Door:
    """Of one worker: its protocol asks it about each head."""

    def __init__(self, paths: Collection[str], let_in: Callable[[int], None]) -> None:
        """paths: that take images. let_in: raises Busy if a body of so many bytes would wait too long."""
        self._paths, self._let_in = frozenset(path.encode() for path in paths), let_in

    def refusal(self, path: bytes, size: int | None) -> str | None:
        """Why a request is refused, in one line; None if it is not. size: of its body, if that was stated."""
        if size is None or path not in self._paths:
            return None
        try:
            self._let_in(size)
        except Busy as busy:
            return f"{busy}; try again in {RETRY_AFTER_S} s"
        return None


def stated_size(headers: Sequence[tuple[bytes, bytes]]) -> int | None:
    """The Content-Length of a request; None without one."""
    return next((int(value) for name, value in headers if name == b"content-length" and value.isdigit()), None)
