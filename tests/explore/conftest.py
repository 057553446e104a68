"""An empty index of vectors on a circle, and vectors that wander."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lookalike.index import FrameIndex, open_index
from tests.index.circle import SPEC


@pytest.fixture
def index(tmp_path: Path) -> Iterator[FrameIndex]:
    with open_index(tmp_path / "index", SPEC, create=True) as opened:
        yield opened


def wander(steps: int, seed: int, dim: int = 64) -> np.ndarray:
    """float32 (steps, dim), of length 1: one background, and before it something that changes all the time."""
    rng = np.random.default_rng(seed)
    changing = np.cumsum(rng.normal(size=(steps, dim)), axis=0)
    return unit(np.full(dim, 8.0) + changing)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
