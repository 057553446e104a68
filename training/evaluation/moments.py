"""Measures of what whole frames find of their own recording. They are reported, and the verdict ignores them.

They mostly measure whether an empty scene is recognised, which an untrained encoder does as well as any.
"""

from __future__ import annotations

import numpy as np

from training.evaluation.gallery import Gallery
from training.evaluation.labels import Event
from training.evaluation.ranking import TOP

OWN_MOMENT_S = 1.0
WINDOW_S = 10.0
CHUNK = 1024  # queries compared at a time


def event_precision(
    queries: np.ndarray, vectors: np.ndarray, gallery: Gallery, events: list[Event], guard_s: float
) -> dict[str, float]:
    """Return the precision among the first five: how many show the query's event, outside `guard_s` of the query.

    queries, vectors: float32 (N, D), row i from picture i. Searched among all labelled frames; a frame with two labels
    matches either. A query with fewer than five frames to find is measured over those; a query without any is left out.
    Returns: mean precision by clip, and over clips as `mean`.
    """
    labels = [_labels(gallery, row, events) for row in range(len(vectors))]
    labelled = np.array([bool(found) for found in labels])
    similarity = queries @ vectors.T
    by_clip: dict[str, list[float]] = {}
    for row in np.flatnonzero(labelled):
        near = (gallery.clip == gallery.clip[row]) & (np.abs(gallery.time_s - gallery.time_s[row]) <= guard_s)
        candidates = np.flatnonzero(labelled & ~near)
        same = np.array([bool(labels[row] & labels[other]) for other in candidates])
        reachable = min(TOP, int(same.sum()))
        if reachable:
            best = np.argsort(-similarity[row, candidates], kind="stable")[:reachable]
            by_clip.setdefault(str(gallery.clip[row]), []).append(float(same[best].mean()))
    means = {clip: float(np.mean(values)) for clip, values in by_clip.items()}
    return means | {"mean": float(np.mean(list(means.values()))) if means else float("nan")}


def self_retrieval(
    queries: np.ndarray, vectors: np.ndarray, gallery: Gallery, within_s: float, rows: np.ndarray | None = None
) -> float:
    """Return the share of perturbed frames whose nearest frame is of their own moment: same clip, within `within_s`.

    queries: float32 (Q, D), of the pictures in `rows`, int64 (Q,); None for all. vectors: float32 (N, D).
    Returns: 0 to 1.
    """
    rows = np.arange(len(vectors)) if rows is None else rows
    found: list[np.ndarray] = []
    for part in _chunks(len(queries)):
        nearest, own = (queries[part] @ vectors.T).argmax(1), rows[part]
        same_clip = gallery.clip[nearest] == gallery.clip[own]
        found.append(same_clip & (np.abs(gallery.time_s[nearest] - gallery.time_s[own]) <= within_s))
    return float(np.concatenate(found).mean())


def temporal_recall(
    queries: np.ndarray,
    vectors: np.ndarray,
    gallery: Gallery,
    guard_s: float,
    window_s: float,
    rows: np.ndarray | None = None,
) -> float:
    """Return the share of frames whose nearest frame outside their own moment is from shortly before or after.

    Frames of the query's clip within `guard_s` do not count; the nearest of all others, of every clip, is right if
    it is of the same clip within `window_s`. A query with no such frame to find is left out.
    queries, vectors, rows: as for `self_retrieval`. Returns: 0 to 1; nan if there is no query.
    Source: recall@1 of place recognition, arXiv 1511.07247, section 5.1, with seconds for metres; the guard is ours.
    """
    rows = np.arange(len(vectors)) if rows is None else rows
    found: list[np.ndarray] = []
    for part in _chunks(len(queries)):
        own = rows[part]
        same_clip = gallery.clip[own, None] == gallery.clip  # (M, N)
        apart_s = np.abs(gallery.time_s[own, None] - gallery.time_s)
        own_moment = same_clip & (apart_s <= guard_s)
        wanted = same_clip & ~own_moment & (apart_s <= window_s)
        nearest = np.where(own_moment, -np.inf, queries[part] @ vectors.T).argmax(1)
        found.append(np.take_along_axis(wanted, nearest[:, None], 1)[wanted.any(1), 0])
    right = np.concatenate(found)
    return float(right.mean()) if len(right) else float("nan")


def camera_share(vectors: np.ndarray, camera: np.ndarray) -> float:
    """Return the share of the embeddings' variance that lies between cameras.

    vectors: float32 (N, D). camera: (N,), names.
    Returns: 0 (the cameras' means coincide) to 1 (all frames of a camera are one vector); nan with one camera.
    Source: the correlation ratio eta squared, of vectors: doi 10.1111/j.1442-9993.2001.01070.pp.x, with Euclidean
    distances.
    """
    cameras, number = np.unique(camera, return_inverse=True)
    if len(cameras) < 2:
        return float("nan")
    centred = vectors.astype(np.float64) - vectors.mean(0, dtype=np.float64)
    means = np.stack([centred[number == one].mean(0) for one in range(len(cameras))])  # (C, D)
    between, total = float((means[number] ** 2).sum()), float((centred**2).sum())
    return between / total if total > 1e-12 * len(vectors) else 0.0  # all embeddings are equal


def _chunks(count: int) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, count, CHUNK)]


def _labels(gallery: Gallery, row: int, events: list[Event]) -> set[str]:
    """Return the events at a frame; "empty" of one clip is not "empty" of another."""
    clip, time_s = gallery.clip[row], gallery.time_s[row]
    return {f"{clip}|{one.label}" for one in events if one.clip == clip and one.start_s <= time_s <= one.end_s}
