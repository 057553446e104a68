"""The standard streams, as a verb needs them: each is open, and none ends a job because of a message."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

NAMES = ("stdin", "stdout", "stderr")


def prepare_streams() -> None:
    """Open the streams that are closed, and let standard error drop what it cannot take.

    A daemon may start a verb without streams: then the first file that it opens would be its standard output. A full
    disk below a log must not end `index --watch`. Names that the encoding of standard output lacks are escaped.
    """
    for number, name in enumerate(NAMES):
        if _is_closed(number):
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115 - as long as the process
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors != "surrogateescape":
        sys.stdout.reconfigure(errors="backslashreplace")
    if sys.stderr is sys.__stderr__:  # else the caller has put another there
        dropping = io.BufferedWriter(_Dropping(2, "w", closefd=False))
        sys.stderr = io.TextIOWrapper(dropping, sys.stderr.encoding, "backslashreplace", line_buffering=True)


class _Dropping(io.FileIO):
    """A file that drops what it cannot take, such as on a full disk. What is kept back would be an error at exit."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or len(data)
        except OSError:
            return len(data)


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return True
    return False
