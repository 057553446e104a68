"""A folder of one service for one use, which no other account reads."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path


def own_folder(parent: Path, use: str) -> Path:
    """Return a path for this process, and remove the folders of processes that were killed. The caller creates it.

    Only this account can read what is in it: labels hold names of cameras.
    """
    ours = parent / f"lookalike-{use}-{os.getuid() if os.name == 'posix' else os.getlogin()}"
    if not _is_private(ours):
        return Path(tempfile.mkdtemp(prefix="lookalike-", dir=parent))
    for folder in ours.iterdir():
        if not _is_alive(folder.name):
            shutil.rmtree(folder, ignore_errors=True)
    return ours / str(os.getpid())


def _is_private(folder: Path) -> bool:
    """Whether a folder, which is created if it is missing, belongs to this account alone."""
    folder.mkdir(0o700, exist_ok=True)
    status = folder.lstat()
    if os.name != "posix":
        return True
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


def _is_alive(name: str) -> bool:
    if not name.isdecimal() or os.name != "posix":
        return True
    try:
        os.kill(int(name), 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another account
        return True
    return True
