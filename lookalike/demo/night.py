"""Render what a camera sees at night: infrared light from its lamp, the headlights of vehicles, no colour."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from lookalike.demo.backdrops import PLANE
from lookalike.demo.schedule import HEADLIGHT_M, Camera, Pass, box_at

NOISE_SIGMA = 5.0  # of 255, equal in all channels: where they differ, as by day, a picture's brightness has less of it
CHANNELS = (0.5, 0.3, 0.2)  # what each colour counts: a sensor without an infrared filter sees most through its red
GLARE_M, GLARE, BEAM = 0.45, 3.0, 1.2  # of headlights: how far light spreads around them; brightness, 1 is daylight


def infrared(canvas: np.ndarray) -> np.ndarray:
    """canvas: float32 (H, W, 3). Returns: the same shape, three equal channels."""
    return np.repeat((canvas @ np.array(CHANNELS, np.float32))[..., None], 3, axis=2)


def colourless(frame: np.ndarray) -> np.ndarray:
    """Remove colour, also that of the clock. frame: uint8 (H, W, 3). Returns: the same shape."""
    return np.repeat(frame[..., 1:2], 3, axis=2)


@lru_cache(maxsize=1)
def lamp(size_px: tuple[int, int]) -> np.ndarray:
    """Render the light of the camera's lamp, which fades towards the corners. Returns: float32 (H, W, 1)."""
    x, y = _grid(size_px)
    squared = ((x - PLANE[0] / 2) / 150) ** 2 + ((y - PLANE[1] * 0.65) / 95) ** 2
    return (0.16 + 0.62 * np.exp(-squared)).astype(np.float32)[..., None]


def headlights(camera: Camera, passes: Sequence[Pass], time_s: float, size_px: tuple[int, int]) -> np.ndarray:
    """Render the light of vehicles up to HEADLIGHT_M ahead. Returns: float32 (H, W, 1), 0 elsewhere."""
    light = np.zeros((size_px[1], size_px[0]), np.float32)
    for passing in passes:
        box = box_at(camera, passing, time_s)
        if box is not None and passing.kind.headlight_m:
            _shine(light, passing, box, size_px)
    return light[..., None]


def _shine(light: np.ndarray, passing: Pass, box: tuple[float, float, float, float], size_px: tuple[int, int]) -> None:
    """Add one vehicle's glare and its beam on the ground to light, float32 (H, W)."""
    x, y = _grid(size_px)
    per_m = (box[2] - box[0]) / passing.kind.length_m
    front, ahead = (box[0], -1) if passing.line[2] < passing.line[0] else (box[2], 1)
    lamp_y, reach = box[3] - passing.kind.headlight_m * per_m, HEADLIGHT_M * per_m
    glare = 1 - ((x - front) ** 2 + (y - lamp_y) ** 2) / (GLARE_M * per_m) ** 2
    beam = 1 - ((x - front - ahead * reach / 2) / (reach / 2)) ** 2 - ((y - box[3]) / (0.17 * reach)) ** 2
    light += GLARE * glare.clip(0) ** 4 + BEAM * beam.clip(0) ** 1.5


@lru_cache(maxsize=1)
def _grid(size_px: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """x and y of each pixel's centre, in units of the plane. Returns: float32 (1, W) and (H, 1)."""
    x = (np.arange(size_px[0], dtype=np.float32) + 0.5) * (PLANE[0] / size_px[0])
    y = (np.arange(size_px[1], dtype=np.float32) + 0.5) * (PLANE[1] / size_px[1])
    return x[None, :], y[:, None]
