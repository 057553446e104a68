"""Accuracy on labelled pictures, a folder or zip of class folders: nearest neighbours and a linear probe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from lookalike import pixels
from lookalike.errors import FootageError, ImageError
from lookalike.footage import find_sources
from lookalike.footage.archive import read_bytes

CHUNK = 1024  # rows of test compared at a time
PROBE_STEPS = 200


def read_labelled(
    source: Path, limit: int | None = None, on_picture: Callable[[], None] = lambda: None
) -> tuple[list[np.ndarray], np.ndarray, list[str]]:
    """Read `source/CLASS/picture` from a folder or a zip; what cannot be decoded is left out.

    limit: at most so many pictures, evenly spaced over those found, so that every class has its share.
    Returns: pictures, uint8 (H, W, 3) each; their class numbers, int64 (N,); and the classes' names.
    Raises: FootageError if there are fewer than two classes with readable pictures.
    """
    if not source.exists():
        raise FootageError(f"{source}: no such folder or zip; expected a folder of class folders")
    found = sorted(one.path for one in find_sources([source]) if one.kind == "image")
    classes = {path: Path(path).relative_to(source).parts[0] for path in found}
    found = [path for path in found if Path(path).relative_to(source).name != classes[path]]  # not at the top
    if limit is not None and len(found) > limit:
        found = [found[row] for row in np.linspace(0, len(found) - 1, limit).round().astype(int)]
    names = sorted({classes[path] for path in found})
    pictures: list[np.ndarray] = []
    labels: list[int] = []
    for path in found:
        try:
            pictures.append(pixels.decode(read_bytes(path), path))
            labels.append(names.index(classes[path]))
            on_picture()
        except (ImageError, FootageError):
            continue
    if len(set(labels)) < 2:
        raise FootageError(f"{source}: {len(set(labels))} class(es) with readable pictures, expected at least 2")
    return pictures, np.array(labels), names


def knn_accuracy(vectors: np.ndarray, labels: np.ndarray, k: int = 10, temperature: float | None = None) -> float:
    """Leave-one-out accuracy of a vote of the k most similar others.

    vectors: unit float32 (N, D). labels: int64 (N,). temperature: as in `knn_votes`.
    """
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    return float((knn_votes(similarity, labels, min(k, len(vectors) - 1), temperature) == labels).mean())


def knn_transfer(
    train: np.ndarray,
    train_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    k: int,
    temperature: float | None = None,
) -> float:
    """Accuracy on `test` of a vote of the k most similar of `train`: unit float32 (N, D) and (M, D)."""
    right = 0
    for start in range(0, len(test), CHUNK):
        part = slice(start, start + CHUNK)
        found = knn_votes(test[part] @ train.T, train_labels, min(k, len(train)), temperature)
        right += int((found == test_labels[part]).sum())
    return right / len(test)


def knn_votes(similarity: np.ndarray, labels: np.ndarray, k: int, temperature: float | None = None) -> np.ndarray:
    """The class that the k most similar vote for, one voice each, or exp(similarity / temperature).

    similarity: float (M, N). labels: int64 (N,). A tie goes to the side of the nearest. Returns: int64 (M,).
    Source of the weighted vote: arXiv 1805.01978, section 3.4.
    """
    if k < similarity.shape[1]:
        found = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    else:
        found = np.broadcast_to(np.arange(similarity.shape[1]), similarity.shape)
    order = np.argsort(-np.take_along_axis(similarity, found, 1), axis=1, kind="stable")
    nearest = np.take_along_axis(found, order, 1)  # (M, k)
    if temperature is None:
        weights = np.broadcast_to(1 + 1e-6 * 0.5 ** np.arange(k), nearest.shape)  # the rest only ever decides ties
    else:
        weights = np.exp((np.take_along_axis(similarity, nearest, 1) - 1) / temperature)
    votes = np.zeros((len(similarity), int(labels.max()) + 1))
    rows = np.arange(len(similarity))
    for rank in range(k):
        votes[rows, labels[nearest[:, rank]]] += weights[:, rank]
    return votes.argmax(1)


def linear_probe(
    train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray, decay: float = 1e-4
) -> float:
    """Accuracy on `test` of multinomial logistic regression fitted on `train`, by L-BFGS to convergence.

    train, test: float32 (N, D) and (M, D); standardised by the training half's mean and deviation first.
    decay: weight of the squared norm. The same answer on every run: the problem is convex.
    """
    mean, deviation = train.mean(0), train.std(0) + 1e-6
    inputs, wanted = torch.from_numpy((train - mean) / deviation).float(), torch.from_numpy(train_labels)
    layer = nn.Linear(inputs.shape[1], int(train_labels.max()) + 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    solver = torch.optim.LBFGS(layer.parameters(), max_iter=PROBE_STEPS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        solver.zero_grad()
        loss = F.cross_entropy(layer(inputs), wanted) + decay * layer.weight.square().sum()
        loss.backward()
        return loss

    solver.step(closure)  # pyright: ignore[reportArgumentType]
    with torch.no_grad():
        found = layer(torch.from_numpy((test - mean) / deviation).float()).argmax(1).numpy()
    return float((found == test_labels).mean())
