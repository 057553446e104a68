"""Score rankings: average precision, and precision among the first five."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TOP = 5
CHUNK = 256  # queries ranked at a time


@dataclass(frozen=True, eq=False)
class Scores:
    """One value for each query. ap: float64 (Q,), average precision. p5: float64 (Q,), precision among the first five,
    or among as many as there are to find, if those are fewer."""

    ap: np.ndarray
    p5: np.ndarray


def rank(queries: np.ndarray, vectors: np.ndarray, relevant: np.ndarray, searched: np.ndarray) -> Scores:
    """Rank the gallery by its dot product with each query. Ties keep the gallery's order.

    queries: float32 (Q, D). vectors: float32 (N, D). relevant, searched: bool (Q, N); each query needs a picture that
    is both. Source of average precision: Manning, Raghavan and Schuetze, Introduction to Information Retrieval, 8.4.
    """
    parts = [slice(start, start + CHUNK) for start in range(0, len(queries), CHUNK)]
    found = [_rank(queries[part] @ vectors.T, relevant[part], searched[part]) for part in parts]
    return Scores(np.concatenate([ap for ap, _ in found]), np.concatenate([p5 for _, p5 in found]))


def _rank(similarity: np.ndarray, relevant: np.ndarray, searched: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(np.where(searched, -similarity, np.inf), axis=1, kind="stable")  # (Q, N)
    right = np.take_along_axis(relevant & searched, order, 1)
    total = right.sum(1)
    precision = np.cumsum(right, 1) / np.arange(1, right.shape[1] + 1)
    ap = (precision * right).sum(1) / total
    reachable = np.minimum(total, TOP)
    first = right[:, :TOP] & (np.arange(min(TOP, right.shape[1])) < reachable[:, None])
    return ap, first.sum(1) / reachable
