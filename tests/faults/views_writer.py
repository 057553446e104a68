"""Write the views of a run that trains from frozen stages: forty pictures, in three batches."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from torch import Tensor

from tests.index.circle import frame
from training.augment import policies
from training.config import TrainConfig
from training.data import build_cache, pictures_of
from training.frozen import write_views

PICTURES = 40
CONFIG = TrainConfig(input_px=8, frozen_views=2)


def write(folder: Path, cache: Path) -> bytes:
    """cache: elsewhere. Returns: the content of the file."""
    frames = [frame("a", second) for second in range(PICTURES)]
    pictures = pictures_of(build_cache(cache, frames, 8, lambda frame: None), False, 0)
    policy, _ = policies(CONFIG.views, CONFIG.crop_area_min, CONFIG.blur)
    path = folder / "views.f16"
    write_views(path, pictures, np.arange(PICTURES), policy, CONFIG, _encode, CONFIG.frozen_views * 2)
    return path.read_bytes()


def _encode(views: Tensor) -> np.ndarray:
    """A number for each view, never 0."""
    return views.numpy().mean((1, 2, 3))[:, None] + 1


if __name__ == "__main__":
    from tests.faults.power import acknowledge

    write(Path(sys.argv[1]), Path(sys.argv[2]))
    acknowledge("written")
