"""A folder of one service for one use, and what killed ones have left."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

from serving.own_folder import own_folder


def test_a_folder_is_private_and_those_of_dead_processes_are_removed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    ours = own_folder(tmp_path, "counts").parent
    dead, alive = ours / str(process.pid), ours / str(os.getppid())
    dead.mkdir()
    alive.mkdir()
    assert own_folder(tmp_path, "counts") == ours / str(os.getpid())
    assert (dead.exists(), alive.exists()) == (False, True)
    assert stat.S_IMODE(ours.stat().st_mode) == 0o700


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    """In a folder that everybody writes to, somebody may have made ours."""
    ours = own_folder(tmp_path, "counts").parent
    ours.chmod(0o777)
    folder = own_folder(tmp_path, "counts")
    assert folder.parent == tmp_path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
