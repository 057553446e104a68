"""Two cameras that stand still, and squares that pass them: red ones by both, a blue one by the first."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.clips import SIZE_PX, write_clip

FPS, SECONDS, SIDE_PX, PASS_S = 5, 60, 16, 4.0
RED, BLUE = (230, 30, 30), (30, 30, 230)
PASSES = {"gate": ((10.0, RED), (25.0, BLUE), (40.0, RED)), "yard": ((20.0, RED),)}  # from when, of which colour
GROUNDS = {"gate": (150, 160, 140), "yard": (90, 110, 150)}
RED_PASSES = {("gate", 10.0), ("gate", 40.0), ("yard", 20.0)}


def write_passes(folder: Path) -> dict[str, Path]:
    """Returns: by camera, its recording."""
    folder.mkdir(parents=True, exist_ok=True)
    every_ms = range(0, 1000 * SECONDS, 1000 // FPS)
    paths = {camera: folder / f"{camera}.mp4" for camera in PASSES}
    for camera, path in paths.items():
        pictures = [_shown(camera, moment / 1000) for moment in every_ms]
        write_clip(path, every_ms, pictures, codec_options={"qp": "12"})
    return paths


def empty_view(camera: str) -> np.ndarray:
    """Returns: uint8 (H, W, 3), what a camera shows while nothing passes."""
    width, height = SIZE_PX
    rgb = np.full((height, width, 3), GROUNDS[camera], np.uint8)
    rgb[: height // 3] += 25  # the sky
    return rgb


def _shown(camera: str, time_s: float) -> np.ndarray:
    width, rgb = SIZE_PX[0], empty_view(camera)
    for from_s, colour in PASSES[camera]:
        share = (time_s - from_s) / PASS_S
        if 0 <= share < 1:
            left = round(share * (width - SIDE_PX))
            rgb[24 : 24 + SIDE_PX, left : left + SIDE_PX] = colour
    return rgb


def pass_at(camera: str, time_s: float) -> tuple[str, float] | None:
    """Which pass a moment belongs to: its camera, and when it begins; None where nothing passes."""
    return next(((camera, from_s) for from_s, _ in PASSES[camera] if from_s <= time_s < from_s + PASS_S), None)
