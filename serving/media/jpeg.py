"""Pixels -> JPEG."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

SMALL_QUALITY, WHOLE_QUALITY = 80, 90


def jpeg_of(rgb: np.ndarray, small: bool = False) -> bytes:
    """rgb: uint8 (H, W, 3). small: for display only, not for searches."""
    file = io.BytesIO()
    quality = {"quality": SMALL_QUALITY} if small else {"quality": WHOLE_QUALITY, "subsampling": 0}
    Image.fromarray(rgb).save(file, "JPEG", **quality)
    return file.getvalue()
