"""One thing that is asked of an encoder: queries, what each is searched for in, and what is right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Unit = Literal["passes", "tracks", "intervals"]


@dataclass(frozen=True)
class Unasked:
    """A label that has no query, and why."""

    label: str
    camera: str
    reason: str


@dataclass(frozen=True, eq=False)
class Task:
    """Q queries against N pictures of a gallery.

    crops: whether the queries are regions. clean: whether they are asked as they are, too, next to perturbed.
    query: int64 (Q,), rows of the gallery. relevant, searched: bool (Q, N).
    label, camera: (Q,), names of what is asked for; empty where there are no labels.
    unit: int64 (Q,), which queries are of the same pass, track or interval: they are not independent of each other.
    possible: how many queries there were before an even sample was taken, by label and camera.
    """

    name: str
    title: str
    note: str
    units: Unit
    crops: bool
    clean: bool
    query: np.ndarray
    relevant: np.ndarray
    searched: np.ndarray
    label: np.ndarray
    camera: np.ndarray
    unit: np.ndarray
    possible: dict[tuple[str, str], int] = field(default_factory=dict)
    unasked: list[Unasked] = field(default_factory=list)
    reason: str = ""

    def __len__(self) -> int:
        return len(self.query)
