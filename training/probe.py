"""Accuracy on labelled pictures: a folder of class folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lookalike import pixels
from lookalike.errors import FootageError, ImageError
from lookalike.footage.sources import IMAGE_SUFFIXES


def read_class_folders(folder: Path) -> tuple[list[np.ndarray], np.ndarray, list[str]]:
    """Read `folder/CLASS/picture`.

    Returns: pictures, uint8 (H, W, 3) each; their class numbers, int64 (N,); and the classes' names.
    Raises: FootageError if there are fewer than two classes with readable pictures.
    """
    if not folder.is_dir():
        raise FootageError(f"{folder}: no such folder; expected a folder of class folders")
    pictures: list[np.ndarray] = []
    labels: list[int] = []
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    for number, name in enumerate(names):
        for path in sorted((folder / name).rglob("*")):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                try:
                    pictures.append(pixels.decode(path.read_bytes(), str(path)))
                    labels.append(number)
                except ImageError:
                    continue
    if len(set(labels)) < 2:
        raise FootageError(f"{folder}: {len(set(labels))} class(es) with readable pictures, expected at least 2")
    return pictures, np.array(labels), names


def knn_accuracy(vectors: np.ndarray, labels: np.ndarray, k: int = 10) -> float:
    """Leave-one-out accuracy of a majority vote of the k most similar others; a tie goes to the side of the nearest.

    vectors: unit float32 (N, D). labels: int64 (N,).
    """
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    k = min(k, len(vectors) - 1)
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    votes = np.zeros((len(vectors), int(labels.max()) + 1))
    weight = 1 + 1e-6 * 0.5 ** np.arange(k)  # only ever decides ties
    for rank in range(k):
        votes[np.arange(len(vectors)), labels[nearest[:, rank]]] += weight[rank]
    return float((votes.argmax(1) == labels).mean())
