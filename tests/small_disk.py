"""Disks that are really full or read-only, made by mounting: for root on Linux."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def mount_or_skip(*arguments: str) -> None:
    """Call mount(8). Skips the test where that is not allowed."""
    try:
        done = subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"NOT TRIED: nothing can be mounted here ({error}); run as root on Linux")
    if done.returncode:
        pytest.skip(f"NOT TRIED: nothing can be mounted here ({done.stderr.strip()}); run as root on Linux")


@contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[Path]:
    """Mount a file system of so many MiB at a new folder, until the block ends."""
    folder.mkdir()
    mount_or_skip("-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder read-only for everyone, root included, until the block ends. Open files stay writable."""
    mount_or_skip("--bind", str(folder), str(folder))
    try:
        mount_or_skip("-o", "remount,bind,ro", str(folder))
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, free_bytes: int) -> Path:
    """Write a file that leaves so many bytes of its disk. Returns: the file."""
    path = folder / "other"
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free - free_bytes)
    return path
