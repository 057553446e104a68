"""A retrieval task: queries, what each searches, and its correct hits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Unit = Literal["passes", "tracks", "intervals"]


@dataclass(frozen=True)
class Unasked:
    """A label without a query, and the reason."""

    label: str
    camera: str
    reason: str


@dataclass(frozen=True, eq=False)
class Task:
    """Q queries against N pictures of a gallery.

    crops: whether the queries are regions. clean: whether they are also searched for unperturbed.
    query: int64 (Q,), rows of the gallery. relevant, searched: bool (Q, N).
    label, camera: (Q,), what is searched for; empty without labels.
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
