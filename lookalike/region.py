"""A region of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike.errors import FootageError


@dataclass(frozen=True)
class Region:
    """A region of a picture: upper left corner, width and height. In shares if all are at most 1, else in pixels."""

    x: float
    y: float
    w: float
    h: float

    def __str__(self) -> str:
        """Write `x,y,w,h`, which `parse` reads back."""
        return ",".join(repr(float(part)).removesuffix(".0") for part in (self.x, self.y, self.w, self.h))

    @classmethod
    def parse(cls, text: str) -> Region:
        """Read `x,y,w,h`. Raises: ValueError for other texts."""
        try:
            x, y, w, h = (float(part) for part in text.split(","))
        except ValueError:
            raise ValueError(
                f"invalid region {text!r}: expected x,y,w,h in pixels, or in shares such as .5,0,.5,1"
            ) from None
        if not (0 <= x < np.inf and 0 <= y < np.inf and 0 < w < np.inf and 0 < h < np.inf):
            raise ValueError(f"invalid region {text!r}: expected x and y from 0, and w and h above 0")
        return cls(x, y, w, h)

    def crop(self, rgb: np.ndarray) -> np.ndarray:
        """Cut the region from a picture. rgb: uint8 (H, W, 3). Returns: at least one pixel, a view.

        Raises: FootageError if the region begins outside of the picture.
        """
        height, width = rgb.shape[:2]
        across, down = (width, height) if max(self.x, self.y, self.w, self.h) <= 1 else (1, 1)
        left, top = round(self.x * across), round(self.y * down)
        if left >= width or top >= height:
            raise FootageError(f"the region begins at {left},{top}, outside of a picture of {width}x{height} pixels")
        right, bottom = round((self.x + self.w) * across), round((self.y + self.h) * down)
        return rgb[top : max(bottom, top + 1), left : max(right, left + 1)]
