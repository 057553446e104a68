"""Recordings of several cameras whose names say when they began: real ones where they are there, else rendered ones."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from lookalike.demo.scenes import render_scenes
from lookalike.footage import frame_at
from tests.conftest import SHARED_DATA
from tests.explore.copies import write_copy

NAME_PATTERN = r"(?P<camera>[\w-]+?)_(?P<time>\d{8}_\d{6})"
BEGAN = ("20260105_080000", "20260105_093000", "20260106_080000", "20260106_214500")  # in UTC
RENDERED_S = 25.0
COPY, COPIED_FROM_S, COPIED_S = "copy", 13.77, 10.0  # of the third recording; its name states no time


@dataclass(frozen=True)
class Scene:
    """A moment of a recording that looks like no other: its camera, and when it is."""

    camera: str
    file: str  # of the recording, without its folder
    time_s: float


REAL = {
    "car-detection.mp4": 6.0,  # a white car
    "chimp.mp4": 8.0,
    "bottle-detection.mp4": 20.0,  # a bottle that is left
    "asl-book.mkv": 2.0,  # a woman signs; no browser plays Matroska
}
RENDERED = {"gate.mp4": 5.0, "road.mp4": 5.0, "dock.mp4": 15.0, "hall.mp4": 14.0}


def write_recordings(folder: Path, rendered: Path) -> list[Scene]:
    """Fill the folder. rendered: one for what is rendered. Returns: a moment of each recording, but of the copy."""
    source, moments = SHARED_DATA / "footage", REAL
    if not source.is_dir():
        source, moments = rendered, RENDERED
        render_scenes(rendered, duration_s=RENDERED_S)
    scenes = []
    for (name, time_s), began in zip(moments.items(), BEGAN, strict=True):
        file = Path(name)
        scenes.append(Scene(file.stem, f"{file.stem}_{began}{file.suffix}", time_s))
        shutil.copyfile(source / name, folder / scenes[-1].file)
    write_copy(folder / scenes[2].file, folder / f"{COPY}.mp4", COPIED_FROM_S, COPIED_S)
    return scenes


def png_of(folder: Path, scene: Scene) -> bytes:
    """The very frame, as somebody would upload it."""
    file = io.BytesIO()
    Image.fromarray(frame_at(str(folder / scene.file), scene.time_s)).save(file, "PNG")
    return file.getvalue()
