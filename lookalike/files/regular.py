"""Open only regular files: a named pipe would block forever, and /dev/zero has no end."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from lookalike.errors import FootageError

_SPECIAL = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISDIR, "a folder"),
)


def special(mode: int) -> str | None:
    """Describe a file that is not regular; None for a regular file. mode: `st_mode`, links followed."""
    if stat.S_ISREG(mode):
        return None
    return next((what for test, what in _SPECIAL if test(mode)), "a special file")


def check_regular(path: str | Path) -> None:
    """Refuse anything but a regular file. A missing path passes: opening it reports it. Raises: FootageError."""
    try:
        what = special(os.stat(path).st_mode)
    except OSError:
        return
    if what:
        raise FootageError(f"{path}: {what}, expected a file")


def open_regular(path: str | Path) -> BinaryIO:
    """Open a file to read its bytes, without blocking. Raises: FootageError if it is not a regular file; OSError."""
    check_regular(path)
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - the caller closes it
    if what := special(os.fstat(file.fileno()).st_mode):  # it was replaced in the meantime
        file.close()
        raise FootageError(f"{path}: {what}, expected a file")
    return file


def read_regular(path: str | Path) -> bytes:
    """Read all bytes of a file. Raises: as `open_regular`."""
    with open_regular(path) as file:
        return file.read()


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
