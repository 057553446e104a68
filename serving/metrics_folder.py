"""Where the workers of one service write their counts: a folder of its own, in memory where there is one.

BentoML has one folder for all services of an account, and each that starts empties it. And the files are mapped: on a
full disk, a new label would end the worker. Source: prometheus_client, mmap_dict.py; mmap(2), SIGBUS.
"""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
from pathlib import Path

from bentoml._internal.configuration.containers import BentoMLContainer

from serving.http.traffic import MULTIPROCESS

MEMORY = Path("/dev/shm")


def use_own_folder() -> None:
    """Have BentoML use it. Call it in the process that starts the workers, before it does."""
    if MULTIPROCESS in os.environ:
        return  # a worker: the folder is chosen
    folder = own_folder(MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir()))
    BentoMLContainer.prometheus_multiproc_dir.set(str(folder))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def own_folder(parent: Path) -> Path:
    """Return a path for this process, and remove the folders of processes that were killed. BentoML creates it.

    Only this account can read what is in it: labels hold names of cameras.
    """
    ours = parent / f"lookalike-{os.getuid() if os.name == 'posix' else os.getlogin()}"
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
