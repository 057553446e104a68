"""Frames without pictures on a circle of vectors: the similarity of two is the cosine of the angle between them."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np

from lookalike.contract import EncoderSpec
from lookalike.footage import Frame

SPEC = EncoderSpec(name="circle", input_px=2, dim=2, weights_sha256="a" * 64, steps=0, frames=0)
OTHER = EncoderSpec(name="circle", input_px=2, dim=2, weights_sha256="b" * 64, steps=0, frames=0)


def at(*degrees: float) -> np.ndarray:
    """float32 (N, 2), each of length 1."""
    angles = [math.radians(angle) for angle in degrees]
    return np.array([[math.cos(angle), math.sin(angle)] for angle in angles], np.float32).reshape(-1, 2)


def frame(source_id: str, time_s: float, camera: str = "gate", captured_at: datetime | None = None) -> Frame:
    image = np.zeros((2, 2, 3), np.uint8)
    return Frame(image, f"{camera}/{source_id}.mp4", source_id, camera, time_s, round(time_s * 1e6), captured_at)
