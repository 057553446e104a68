"""Evaluate an encoder and its baselines on labelled pictures: nearest neighbours, a linear probe, fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from lookalike.contract import Device
from lookalike.parts import Part, Weights, split
from training.evaluation.baselines import Joined
from training.evaluation.contenders import HISTOGRAM, Contender
from training.evaluation.finetune import SCHEDULE, Schedule, compare_with_scratch, store_examples
from training.evaluation.footage import over_seeds
from training.evaluation.gallery import shrink
from training.evaluation.probe import Labelled, Vote, knn_accuracy, knn_transfers, linear_probe, read_pictures
from training.evaluation.verdict import chance
from training.pictures import sample_rows
from training.trained import load_trained

PICTURES = 256  # decoded at a time
LABELLED = 500  # pictures of a labelled folder that heads of baselines are fitted to
WAYS: list[Vote] = [(200, 0.1), (10, None)]  # k and temperature
Row = dict[str, Any]


def sample_pictures(found: Labelled) -> list[np.ndarray]:
    """Read an even sample of labelled pictures, shrunk: uint8 (H, W, 3) each.

    Raises: FootageError if fewer than two classes have readable pictures.
    """
    rows = sample_rows(len(found), LABELLED)
    part = Labelled(found.source, [found.paths[row] for row in rows], found.labels[rows], found.names)
    return [shrink(picture) for picture, _ in read_pictures(part)]


def embed_labelled(
    contenders: Sequence[Contender],
    found: Labelled,
    on_pictures: Callable[[int], None] = lambda count: None,
    on_unreadable: Callable[[str, str], None] = lambda path, reason: None,
) -> tuple[list[np.ndarray], np.ndarray]:
    """Decode each picture once and embed it with every contender, PICTURES at a time.

    on_pictures: called after each batch with its size.
    Returns: vectors, float32 (N, D), one array for each contender; and the class numbers, int64 (N,).
    Raises: FootageError if fewer than two classes have readable pictures.
    """
    vectors: list[list[np.ndarray]] = [[] for _ in contenders]
    labels: list[int] = []
    pictures = ((shrink(picture), label) for picture, label in read_pictures(found, on_unreadable))
    while batch := list(islice(pictures, PICTURES)):
        for contender, parts in zip(contenders, vectors, strict=True):
            parts.append(weighed(contender.embed([picture for picture, _ in batch]), contender.parts, contender.frame))
        labels += [label for _, label in batch]
        on_pictures(len(batch))
    return [np.concatenate(parts) for parts in vectors], np.array(labels)


def evaluate_images(
    contenders: Sequence[Contender], vectors: list[np.ndarray], labels: np.ndarray, names: list[str]
) -> dict[str, Any]:
    """Measure leave-one-out kNN accuracy on labelled pictures, as `embed_labelled` returns them."""
    rows = [about | {"knn10": knn_accuracy(found, labels)} for about, found, _ in _entries(contenders, vectors, [])]
    text = verdict(rows, "knn10", "kNN accuracy", len(labels))
    return {"images": len(labels), "classes": names, "rows": rows, "verdict": text}


def evaluate_transfer(
    contenders: Sequence[Contender],
    train: tuple[list[np.ndarray], np.ndarray],
    test: tuple[list[np.ndarray], np.ndarray],
    names: list[str],
    on_scored: Callable[[int], None] = lambda count: None,
) -> dict[str, Any]:
    """Measure the accuracy on `test` of two kinds of kNN and a linear probe on `train`.

    train, test: vectors of each contender and labels, as `embed_labelled` returns them.
    on_scored: called with the number of rows done, of `len(entry_names(contenders))`.
    """
    rows: list[Row] = []
    for about, known, asked in _entries(contenders, train[0], test[0]):
        pairs = known, train[1], asked, test[1]
        weighted, plain = knn_transfers(*pairs, WAYS)
        rows.append(about | {"knn200_weighted": weighted, "knn10": plain, "linear_probe": linear_probe(*pairs)})
        on_scored(len(rows))
    text = verdict(rows, "linear_probe", "linear probe", len(test[1]))
    counts = {"train": len(train[1]), "test": len(test[1])}
    return counts | {"classes": names, "rows": rows, "verdict": text}


def entry_names(contenders: Sequence[Contender]) -> list[str]:
    """Return the rows of a table: each contender, and each baseline without colour again, joined with colour."""
    found: list[str] = []
    for contender in contenders:
        found += [contender.name, *([f"{contender.name}, with colour"] if _joined(contender, contenders) else [])]
    return found


def _entries(
    contenders: Sequence[Contender], searched: list[np.ndarray], asked: list[np.ndarray]
) -> Iterator[tuple[Row, np.ndarray, np.ndarray]]:
    """Yield name and role of each row, with its vectors of the gallery and of the queries; by default the same."""
    asked = asked or searched
    of = {contender.name: number for number, contender in enumerate(contenders)}
    for number, contender in enumerate(contenders):
        yield {"name": contender.name, "role": contender.role}, searched[number], asked[number]
        if _joined(contender, contenders):
            join = Joined.on(searched[number], searched[of[HISTOGRAM]])
            about: Row = {"name": f"{contender.name}, with colour", "role": contender.role}
            known, other = (join(some[number], some[of[HISTOGRAM]]) for some in (searched, asked))
            yield about, known, other


def _joined(contender: Contender, contenders: Sequence[Contender]) -> bool:
    return contender.joinable and any(other.name == HISTOGRAM for other in contenders)


def weighed(vectors: np.ndarray, parts: Sequence[Part], weights: Weights) -> np.ndarray:
    """Scale embeddings, float32 (N, D), so that their dot products are the scores of a search with these weights.

    parts: of the encoder; fewer than two leave the vectors unchanged.
    """
    if len(parts) < 2:
        return vectors
    roots = [share**0.5 for share in weights.shares(parts)]
    return np.stack(
        [
            np.concatenate([part * root for part, root in zip(split(vector, parts), roots, strict=True)])
            for vector in vectors
        ]
    ).astype(np.float32)


def evaluate_finetune(
    run: Path,
    train: Labelled,
    test: Labelled,
    seed: int,
    seeds: int = 1,
    device: Device = "auto",
    schedule: Schedule = SCHEDULE,
    on_step: Callable[[int, float], None] = lambda done, loss: None,
    arch: str | None = None,
) -> dict[str, Any]:
    """Measure the accuracy on `test` of a run's encoder fine-tuned on `train`, and of the same network from scratch.

    seeds: number of repetitions, from `seed` on. on_step: called with the steps done, of
    `2 * seeds * schedule.steps`, and the loss. arch: as for `TrainConfig.load`.
    Raises: TrainingError if the run is incomplete, or on Ctrl-C; FootageError if too little can be read.
    """
    encoder, config = load_trained(run, arch)
    with TemporaryDirectory(prefix="lookalike-") as folder:
        known, asked = (
            store_examples(read_pictures(part), config.input_px, Path(folder, name))
            for part, name in ((train, "train"), (test, "test"))
        )
        steps = schedule.steps(len(known.labels))
        found: list[tuple[float, float]] = []
        for number in range(seeds):
            on_own_step = partial(_offset, on_step, 2 * steps * number)
            accuracies = compare_with_scratch(
                encoder.encoder, config, known, asked, seed + number, device, schedule, on_own_step
            )
            found.append(accuracies)
    names = {"this encoder, fine-tuned": "own", "the same network, from scratch": "baseline"}
    rows = [
        {"name": name, "role": role} | over_seeds([{"accuracy": accuracies[number]} for accuracies in found])
        for number, (name, role) in enumerate(names.items())
    ]
    text = verdict(rows, "accuracy", "fine-tuned accuracy", len(asked.labels))
    about = {"train": len(known.labels), "test": len(asked.labels), "steps": steps}
    about |= {"epochs": schedule.epochs, "batch": schedule.batch, "seeds": list(range(seed, seed + seeds))}
    return about | {"rows": rows, "verdict": text}


def _offset(on_step: Callable[[int, float], None], before: int, step: int, loss: float) -> None:
    on_step(before + step, loss)


def verdict(rows: Sequence[Row], measure: str, name: str, count: int) -> str:
    """Say in one sentence whether the encoder beats every baseline by more than chance.

    count: number of test pictures.
    """
    own = next(row for row in rows if row["role"] == "own")
    best = max((row for row in rows if row["role"] == "baseline"), key=lambda row: row[measure])
    apart, margin = own[measure] - best[measure], chance(own[measure], best[measure], count)
    for row in (own, best):  # the standard deviation over seeds adds to it
        margin = float(np.hypot(margin, 1.96 * row.get("std", {}).get(measure, 0.0)))
    pair = f"{name} {_said(own, measure)}, {best['name']} {_said(best, measure)}, on {count:,} pictures"
    if apart <= 0:
        unbeaten = [row for row in rows if row["role"] == "baseline" and row != best and row[measure] >= own[measure]]
        others = "".join(
            f", {row['name']} {_said(row, measure)}" for row in sorted(unbeaten, key=lambda row: -row[measure])
        )
        return (
            f"Does not beat {best['name']}: {pair}{'. Also not beaten:' if others else ''}{others.removeprefix(',')}."
        )
    if apart <= margin:
        return f"Not better than {best['name']} by more than chance: {pair}; {apart:+.3f}, chance {margin:.3f}."
    return f"Beats every baseline: {pair}; {apart:+.3f}, chance {margin:.3f}."


def _said(row: Row, measure: str) -> str:
    return f"{row[measure]:.2f}" + (f" +-{row['std'][measure]:.2f}" if "std" in row else "")
