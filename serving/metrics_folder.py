"""Where the workers of one service write their counts: a folder of its own, in memory where there is one.

BentoML has one folder for all services of an account, and each that starts empties it. And the files are mapped: on a
full disk, a new label would end the worker. Source: prometheus_client, mmap_dict.py; mmap(2), SIGBUS.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from bentoml._internal.configuration.containers import BentoMLContainer

from serving.http.traffic import MULTIPROCESS
from serving.own_folder import own_folder

MEMORY = Path("/dev/shm")


def use_own_folder() -> None:
    """Have BentoML use it. Call it in the process that starts the workers, before it does."""
    if MULTIPROCESS in os.environ:
        return  # a worker: the folder is chosen
    folder = own_folder(MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir()), "counts")
    BentoMLContainer.prometheus_multiproc_dir.set(str(folder))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
