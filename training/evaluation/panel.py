"""Contenders with their embeddings of a gallery; after each baseline without colour, the same joined with colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.baselines import Joined
from training.evaluation.contenders import HISTOGRAM, Contender, Role

Embedded = dict[str, np.ndarray]  # of each contender: float32 (N, D)


@dataclass(frozen=True)
class Entry:
    """A row of the tables. of: the contender's name. joined: whether joined with colour."""

    name: str
    role: Role
    of: str
    joined: bool = False


class Panel:
    """Embeds pictures once for each contender, and compares them for each entry."""

    def __init__(self, contenders: Sequence[Contender], pictures: list[np.ndarray]) -> None:
        """pictures: of the gallery, uint8 (H, W, 3) each."""
        self._contenders = {contender.name: contender for contender in contenders}
        self._searched = self.embed(pictures)
        colour = self._searched.get(HISTOGRAM)
        joinable = [contender.name for contender in contenders if contender.joinable and colour is not None]
        self._joins = {name: Joined.on(self._searched[name], self._searched[HISTOGRAM]) for name in joinable}

    @property
    def entries(self) -> list[Entry]:
        found: list[Entry] = []
        for name, contender in self._contenders.items():
            found.append(Entry(name, contender.role, name))
            if name in self._joins:
                found.append(Entry(f"{name}, with colour", contender.role, name, joined=True))
        return found

    def embed(self, pictures: list[np.ndarray]) -> Embedded:
        return {name: contender.embed(pictures) for name, contender in self._contenders.items()}

    def searched(self, entry: Entry) -> np.ndarray:
        """Return the vectors of the gallery, float32 (N, D)."""
        return self._vectors(entry, self._searched)

    def asked(self, entry: Entry, queries: Embedded, crops: bool) -> np.ndarray:
        """Return the vectors of queries, weighed as in a search, float32 (Q, D). crops: whether they are regions."""
        vectors = self._vectors(entry, queries)
        return vectors if entry.joined else self._contenders[entry.of].weighed(vectors, crops)

    def rows(self, rows: np.ndarray) -> Embedded:
        """Return rows of the gallery as queries."""
        return {name: vectors[rows] for name, vectors in self._searched.items()}

    def _vectors(self, entry: Entry, embedded: Embedded) -> np.ndarray:
        vectors = embedded[entry.of]
        return self._joins[entry.of](vectors, embedded[HISTOGRAM]) if entry.joined else vectors
