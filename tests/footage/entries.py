"""Entries of a folder: what becomes of each, and some that are not footage."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from PIL import Image

from lookalike.errors import FootageError
from lookalike.footage import find_sources
from lookalike.footage.selection import Selection
from lookalike.footage.sources import LeftOut
from tests.clips import picture


def listed(*given: Path | str, selection: Selection | None = None) -> tuple[list[str], dict[str, tuple[str, str]]]:
    """Names of what is read, in order; and of each other entry, its group and why."""
    left_out: list[LeftOut] = []
    try:
        found = find_sources(given, on_left_out=left_out.append, selection=selection or Selection())
    except FootageError:
        found = []
    return [Path(one.path).name for one in found], {Path(one.path).name: (one.group, one.reason) for one in left_out}


def write_image(path: Path, kind: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(3)).save(path, kind)
    return path


def special_files(folder: Path) -> list[Path]:
    """A named pipe, a socket and a link to /dev/zero, named as if they were footage."""
    made = [folder / "pipe.jpg", folder / "sock.mp4", folder / "zero.jpg"]
    os.mkfifo(made[0])
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(os.path.relpath(made[1]) if len(str(made[1])) > 100 else str(made[1]))
    made[2].symlink_to("/dev/zero")
    return made
