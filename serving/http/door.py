"""Refuses requests with images by the size of their body, before it is read.

Past what the service can do most requests are refused. Reading, routing and parsing them first took a millisecond of
the event loop each, so that half of what could be answered was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from serving.http.limits import MAX_BODY_BYTES

DROPPED_BYTES = 1024 * 1024  # of a refused body are read, so that its connection stays; past that it is closed


class Door:
    """Of one worker: its protocol asks it about each head."""

    def __init__(self, paths: Collection[str], let_in: Callable[[int], Callable[[], None]]) -> None:
        """paths: that take images. let_in: is given the bytes of a body, and returns what to call when the request is
        over; raises Busy if it would wait too long."""
        self._paths, self._let_in = frozenset(path.encode() for path in paths), let_in

    def let_in(self, path: bytes, headers: Sequence[tuple[bytes, bytes]]) -> Callable[[], None] | None:
        """Returns: what to call when the request is over, if anything.

        Bodies that state no size, and those that are refused anyway since they are too large, are let in.
        Raises: Busy.
        """
        size = stated_size(headers)
        return self._let_in(size) if path in self._paths and size is not None and size <= MAX_BODY_BYTES else None


def stated_size(headers: Sequence[tuple[bytes, bytes]]) -> int | None:
    """The Content-Length of a request; None without one."""
    return next((int(value) for name, value in headers if name == b"content-length" and value.isdigit()), None)
