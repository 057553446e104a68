"""The parts of an embedding, and how much each counts in a search.

An embedding is its parts, each of length 1, concatenated and scaled to length 1. It is stored once. A search scales the
parts of the query, so that the score, a dot product, is the weighted mean of the parts' cosines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

PartName = Literal["content", "layout", "colour"]
SMALLEST = 1e-6  # length below which a part has no direction


@dataclass(frozen=True)
class Part:
    """One part. content: what is shown. layout: what is shown where. colour: in which colours. dim: its length."""

    name: PartName
    dim: int


@dataclass(frozen=True)
class Weights:
    """The weights of the parts in a search.

    colour: the share of colour in the score, 0 to 1. layout: the share of layout in the rest, 0 to 1; content has the
    remaining share.
    Raises: ValueError for a share out of range.
    """

    colour: float
    layout: float

    def __post_init__(self) -> None:
        for name in ("colour", "layout"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"invalid {name}: got {getattr(self, name):g}, expected a share from 0 to 1")

    def shares(self, parts: Sequence[Part]) -> list[float]:
        """Return each part's share of the score; they sum to 1.

        Raises: ValueError if all given parts have the share 0.
        """
        rest = 1 - self.colour
        of = {"content": rest * (1 - self.layout), "layout": rest * self.layout, "colour": self.colour}
        given = [of[part.name] for part in parts]
        total = sum(given)
        if total <= 0:
            names = " and ".join(part.name for part in parts)
            raise ValueError(f"nothing to compare: the encoder has {names}, got a weight of 0 for that")
        return [share / total for share in given]


CROP = Weights(colour=0.2, layout=0.0)  # a part of a picture: it may appear anywhere
FRAME = Weights(colour=0.0, layout=0.25)  # a whole picture: its colours are mostly the light's; docs/footage.md
PHOTO = Weights(colour=0.2, layout=0.25)  # a photo of one thing, whose colour is part of what it is; docs/images.md
LAYOUT = Weights(colour=0.0, layout=1.0)  # whether the same camera took it


def join(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Join parts, unit float32 (N, D_i) each, to embeddings, unit float32 (N, sum of D_i)."""
    return np.concatenate(list(parts), 1) / np.float32(len(parts) ** 0.5)


def split(embedding: np.ndarray, parts: Sequence[Part]) -> list[np.ndarray]:
    """Split an embedding, float32 (D,), into its parts, each scaled to length 1; an empty part stays zero."""
    ends = np.cumsum([part.dim for part in parts])[:-1]
    lengths = [float(np.linalg.norm(piece)) for piece in np.split(embedding, ends)]
    return [
        piece / length if length > SMALLEST else piece * 0
        for piece, length in zip(np.split(embedding, ends), lengths, strict=True)
    ]


def span(parts: Sequence[Part], name: PartName) -> slice:
    """Return where a part is in an embedding; all of the embedding, if the encoder does not have that part."""
    ends = np.cumsum([part.dim for part in parts]).tolist()
    spans = (slice(end - part.dim, end) for part, end in zip(parts, ends, strict=True) if part.name == name)
    return next(spans, slice(None))


def weigh(embedding: np.ndarray, parts: Sequence[Part], weights: Weights) -> np.ndarray:
    """Weight a query so that its dot product with a stored embedding is the weighted mean of the parts' cosines.

    embedding: float32 (D,), of the query, of any length. parts: of the encoder; with none or one, it is returned as is.
    Returns: float32 (D,), not of length 1.
    Raises: ValueError if all weights are of parts that the encoder does not have.
    """
    if len(parts) < 2:
        return embedding
    root = len(parts) ** 0.5  # stored parts are scaled by its inverse
    pieces = zip(split(embedding, parts), weights.shares(parts), strict=True)
    return np.concatenate([piece * (share * root) for piece, share in pieces]).astype(np.float32)
