"""Only regular files are opened: a named pipe would be waited for without an end, and /dev/zero has none."""

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
    """What a file is, in words, if it is not a regular one. mode: `st_mode`, links followed."""
    if stat.S_ISREG(mode):
        return None
    return next((what for test, what in _SPECIAL if test(mode)), "a special file")


def check_regular(path: str | Path) -> None:
    """Raises: FootageError if there is something else than a regular file; if nothing is there, the opener will say."""
    try:
        what = special(os.stat(path).st_mode)
    except OSError:
        return
    if what:
        raise FootageError(f"{path}: {what}, expected a file")


def open_regular(path: str | Path) -> BinaryIO:
    """Open a file to read its bytes, without waiting. Raises: FootageError if it is not a regular one; OSError."""
    check_regular(path)
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - the caller closes it
    if what := special(os.fstat(file.fileno()).st_mode):  # it was put there since
        file.close()
        raise FootageError(f"{path}: {what}, expected a file")
    return file


def read_regular(path: str | Path) -> bytes:
    """All bytes of a file. Raises: as `open_regular`."""
    with open_regular(path) as file:
        return file.read()


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
