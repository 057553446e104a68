"""Perturb pictures as a camera would be: zoom, shift, exposure, white balance, noise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

Range = tuple[float, float]


@dataclass(frozen=True)
class Perturbation:
    """Ranges of the perturbation of a query, drawn uniformly per picture.

    The fields' docstrings are the help texts of the flags.
    """

    zoom: Range = (0.75, 0.9)
    """Share of each side that a query keeps, from and to; its position is random."""
    gamma: Range = (0.6, 1.7)
    """Exponent of a query's values, from and to; drawn log-uniformly."""
    gain: Range = (0.7, 1.3)
    """Factor of each colour channel of a query, from and to."""
    noise: float = 0.03
    """Standard deviation of a query's noise, where white is 1."""

    def check(self) -> None:
        """Check the ranges. Raises: ValueError that names the flag whose value is out of range."""
        for name in ("zoom", "gamma", "gain"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"--{name} is {low:g} {high:g}, expected two numbers above 0, the smaller one first")
        if self.zoom[1] > 1:
            raise ValueError(f"--zoom is {self.zoom[0]:g} {self.zoom[1]:g}, expected at most 1, the whole side")
        if self.noise < 0:
            raise ValueError(f"--noise is {self.noise:g}, expected 0 or more")


def perturb(picture: np.ndarray, how: Perturbation, rng: np.random.Generator) -> np.ndarray:
    """Zoom, recolour and add noise to a picture, uint8 (H, W, 3). Returns: the same shape and type."""
    from PIL import Image

    height, width = picture.shape[:2]
    keep = rng.uniform(*how.zoom)
    kept_w, kept_h = max(1, round(width * keep)), max(1, round(height * keep))
    left, top = rng.integers(0, width - kept_w + 1), rng.integers(0, height - kept_h + 1)
    box = (left, top, left + kept_w, top + kept_h)
    zoomed = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR, box=box)
    values = np.asarray(zoomed, np.float32) / 255
    gamma = np.exp(rng.uniform(*np.log(how.gamma)))
    values = values**gamma * rng.uniform(*how.gain, size=3) + rng.normal(0, how.noise, values.shape)
    return (values.clip(0, 1) * 255).round().astype(np.uint8)


def perturb_rows(pictures: list[np.ndarray], rows: Iterable[int], how: Perturbation, seed: int) -> list[np.ndarray]:
    """Perturb some of the pictures, each with its own random stream, so that one does not depend on the others."""
    return [perturb(pictures[row], how, np.random.default_rng((seed, int(row)))) for row in rows]


def perturb_all(pictures: list[np.ndarray], how: Perturbation, seed: int) -> list[np.ndarray]:
    return perturb_rows(pictures, range(len(pictures)), how, seed)
