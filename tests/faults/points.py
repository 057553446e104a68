"""How many points of failure a test tries: a few, or as many as LOOKALIKE_TEST_FAULTS says."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import TypeVar

Point = TypeVar("Point")
VARIABLE = "LOOKALIKE_TEST_FAULTS"


def points(usual: int) -> int:
    """usual: without LOOKALIKE_TEST_FAULTS. Raises: ValueError if that is not a number from 1."""
    count = int(os.environ.get(VARIABLE) or usual)
    if count < 1:
        raise ValueError(f"{VARIABLE} is {count}, expected at least 1")
    return count


def some(of: Sequence[Point], count: int, seed: int = 0) -> list[Point]:
    """Choose points at random, in order, always with the last one."""
    if count >= len(of):
        return list(of)
    chosen = sorted(random.Random(seed).sample(range(len(of) - 1), count - 1))
    return [of[number] for number in (*chosen, len(of) - 1)]
