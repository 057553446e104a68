"""Choose hits that differ from each other, in addition to resembling the query."""

from __future__ import annotations

import numpy as np


def diversify(scores: np.ndarray, vectors: np.ndarray, top: int, diverse: float) -> list[int]:
    """Choose `top` of N candidates one by one: similar to the query, and different from those chosen before.

    scores: (N,), cosine similarity to the query. vectors: float32 (N, D), of length 1.
    diverse: 0 uses the scores alone; 1, after the first candidate, the differences alone.
    Returns: their row numbers, in the order of choice.
    Source: maximal marginal relevance, Carbonell and Goldstein, 1998, with lambda = 1 - diverse.
    """
    chosen: list[int] = []
    worth, nearest = scores.astype(float), np.full(len(scores), -1.0)  # nearest: similarity to the nearest chosen
    while len(chosen) < min(top, len(scores)):
        chosen.append(int(worth.argmax()))
        nearest = np.maximum(nearest, vectors @ vectors[chosen[-1]])
        worth = (1 - diverse) * scores - diverse * nearest
        worth[chosen] = -np.inf
    return chosen
