"""Measure accuracy on labelled pictures, a folder or zip of class folders: nearest neighbours and a linear probe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from lookalike import pixels
from lookalike.errors import FootageError, ImageError
from lookalike.footage import find_sources
from lookalike.footage.archive import read_bytes
from lookalike.footage.selection import Selection
from lookalike.footage.sources import EVERY_ENTRY, UNNAMED, OnLeftOut

CPU = torch.device("cpu")
CHUNK = 1024  # rows of test compared at a time
PROBE_STEPS = 200
Vote = tuple[int, float | None]  # k and temperature, see `knn_votes`


@dataclass(frozen=True)
class Labelled:
    """Pictures of class folders, not read yet. paths: N of them. labels: int64 (N,), each an index into `names`."""

    source: Path
    paths: list[str]
    labels: np.ndarray
    names: list[str]

    def __len__(self) -> int:
        return len(self.paths)


def find_labelled(
    source: Path,
    limit: int | None = None,
    on_left_out: OnLeftOut = lambda left_out: None,
    selection: Selection = EVERY_ENTRY,
) -> Labelled:
    """Find `source/CLASS/picture` in a folder or a zip.

    limit: at most this many pictures, evenly spaced over those found, so that every class has its share.
    on_left_out, selection: as for `find_sources`.
    Raises: FootageError if there are fewer than two classes.
    """
    if not source.exists():
        raise FootageError(f"{source}: no such folder or zip; expected class folders, CLASS/PICTURE")
    found = sorted(
        entry.path for entry in find_sources([source], UNNAMED, on_left_out, selection) if entry.kind == "image"
    )
    inside = {path: Path(path).relative_to(source).parts for path in found}
    found = [path for path in found if len(inside[path]) > 1]  # those at the top have no class
    names = sorted({inside[path][0] for path in found})
    _require_two(source, len(names))
    if limit is not None and len(found) > limit:
        found = [found[row] for row in np.linspace(0, len(found) - 1, limit).round().astype(int)]
    number = {name: row for row, name in enumerate(names)}
    return Labelled(source, found, np.array([number[inside[path][0]] for path in found]), names)


def find_pair(
    train: Path,
    test: Path,
    limit: int | None = None,
    on_left_out: OnLeftOut = lambda left_out: None,
    selection: Selection = EVERY_ENTRY,
) -> tuple[Labelled, Labelled]:
    """Find the pictures to learn from and to test on. on_left_out, selection: as for `find_sources`.

    Raises: FootageError if either has fewer than two classes, or if their classes differ.
    """
    first, second = (find_labelled(source, limit, on_left_out, selection) for source in (train, test))
    pair = first, second
    only = [sorted(set(one.names) - set(other.names)) for one, other in (pair, pair[::-1])]
    if any(only):
        missing = "; ".join(
            f"{', '.join(names[:5])} only in {source}"
            for source, names in zip((train, test), only, strict=True)
            if names
        )
        raise FootageError(
            f"--train and --test have different classes ({missing}); expected the same class folders in both"
        )
    return pair


def read_pictures(
    found: Labelled, on_unreadable: Callable[[str, str], None] = lambda path, reason: None
) -> Iterator[tuple[np.ndarray, int]]:
    """Yield picture, uint8 (H, W, 3), and class number of each that can be decoded.

    on_unreadable: called with the path of each other picture, and the reason.
    Raises: FootageError, at the end, if fewer than two classes had readable pictures.
    """
    seen: set[int] = set()
    for path, label in zip(found.paths, found.labels.tolist(), strict=True):
        try:
            picture = pixels.decode(read_bytes(path), path)
        except (ImageError, FootageError, OSError) as error:
            on_unreadable(path, str(error).removeprefix(f"{path}: "))
            continue
        seen.add(label)
        yield picture, label
    _require_two(found.source, len(seen))


def read_labelled(
    source: Path, limit: int | None = None, on_picture: Callable[[], None] = lambda: None
) -> tuple[list[np.ndarray], np.ndarray, list[str]]:
    """Read class folders into memory at full size; pictures that cannot be decoded are left out.

    limit: as in `find_labelled`.
    Returns: pictures, uint8 (H, W, 3) each; their class numbers, int64 (N,); and the classes' names.
    Raises: FootageError if there are fewer than two classes with readable pictures.
    """
    found, pictures, labels = find_labelled(source, limit), [], []
    for picture, label in read_pictures(found):
        pictures.append(picture)
        labels.append(label)
        on_picture()
    return pictures, np.array(labels), found.names


def _require_two(source: Path, classes: int) -> None:
    if classes < 2:
        raise FootageError(
            f"{source}: {classes} class(es) with readable pictures, expected at least 2, as folders of pictures"
        )


def knn_accuracy(vectors: np.ndarray, labels: np.ndarray, k: int = 10, temperature: float | None = None) -> float:
    """Return the leave-one-out accuracy of a vote of the k most similar others.

    vectors: unit float32 (N, D). labels: int64 (N,). temperature: as in `knn_votes`.
    """
    right = 0
    for start in range(0, len(vectors), CHUNK):
        similarity = vectors[start : start + CHUNK] @ vectors.T  # (M, N)
        own = np.arange(start, start + len(similarity))
        similarity[own - start, own] = -np.inf
        right += int((knn_votes(similarity, labels, min(k, len(vectors) - 1), temperature) == labels[own]).sum())
    return right / len(vectors)


def knn_transfer(
    train: np.ndarray,
    train_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    k: int,
    temperature: float | None = None,
) -> float:
    """Return the accuracy on `test` of a vote of the k most similar of `train`: unit float32 (N, D) and (M, D)."""
    return knn_transfers(train, train_labels, test, test_labels, [(k, temperature)])[0]


def knn_transfers(
    train: np.ndarray,
    train_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    ways: Sequence[Vote],
    device: torch.device = CPU,
) -> list[float]:
    """Do `knn_transfer` for several ways to vote; the neighbours, which take the time, are found once, on `device`."""
    most, right = min(max(k for k, _ in ways), len(train)), [0] * len(ways)
    known = torch.from_numpy(train).to(device)
    for start in range(0, len(test), CHUNK):
        rows = slice(start, start + CHUNK)
        similarity, nearest = _nearest(torch.from_numpy(test[rows]).to(device) @ known.T, most)
        for number, (k, temperature) in enumerate(ways):
            found = _vote(similarity[:, :k], train_labels[nearest[:, :k]], int(train_labels.max()) + 1, temperature)
            right[number] += int((found == test_labels[rows]).sum())
    return [count / len(test) for count in right]


def knn_votes(similarity: np.ndarray, labels: np.ndarray, k: int, temperature: float | None = None) -> np.ndarray:
    """Return the class that the k most similar vote for, with equal weights or exp(similarity / temperature).

    similarity: float (M, N). labels: int64 (N,). The nearest decides a tie. Returns: int64 (M,).
    Source of the weighted vote: arXiv 1805.01978, section 3.4.
    """
    similarity, nearest = _nearest(torch.from_numpy(similarity), min(k, similarity.shape[1]))
    return _vote(similarity, labels[nearest], int(labels.max()) + 1, temperature)


def _nearest(similarity: torch.Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k largest values of each row, in descending order, and their columns: (M, k) each."""
    values, columns = similarity.topk(k, dim=1)
    return values.cpu().numpy(), columns.cpu().numpy()


def _vote(similarity: np.ndarray, labels: np.ndarray, classes: int, temperature: float | None) -> np.ndarray:
    """Count votes. similarity, labels: of the k nearest, (M, k), nearest first. Returns: int64 (M,)."""
    if temperature is None:
        weights = np.broadcast_to(1 + 1e-6 * 0.5 ** np.arange(labels.shape[1]), labels.shape)  # only decides ties
    else:
        weights = np.exp((similarity - 1) / temperature)
    votes, rows = np.zeros((len(labels), classes)), np.arange(len(labels))
    for rank in range(labels.shape[1]):
        votes[rows, labels[:, rank]] += weights[:, rank]
    return votes.argmax(1)


def linear_probe(
    train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray, decay: float = 1e-4
) -> float:
    """Return the accuracy on `test` of multinomial logistic regression on `train`, by at most 200 steps of L-BFGS.

    train, test: float32 (N, D) and (M, D); standardised by the training half's mean and deviation first.
    decay: weight of the squared norm. The result is deterministic: the problem is convex.
    """
    mean, deviation = train.mean(0), train.std(0) + 1e-6
    inputs, wanted = _standardised(train, mean, deviation), torch.from_numpy(train_labels)
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
        found = layer(_standardised(test, mean, deviation)).argmax(1).numpy()
    return float((found == test_labels).mean())


def _standardised(vectors: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> torch.Tensor:
    centred = vectors - mean
    centred /= deviation  # in place: 50,000 vectors of 3,072 numbers are 600 MB
    return torch.from_numpy(centred).float()
