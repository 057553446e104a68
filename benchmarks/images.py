"""Measure what training on a folder of pictures is worth: kNN by class folders, next to the baselines.

    python -m benchmarks.images FOLDER_OF_CLASSES
    python -m benchmarks.images FOLDER_OF_CLASSES --init none --steps 200

Trains without labels, with a recipe, on the same pictures that kNN then classifies, leave-one-out by ten nearest
neighbours. All heads are fitted to these pictures. Prints a Markdown table; `benchmarks.things` makes such folders.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cyclopts import App

from benchmarks.machine import describe
from lookalike.footage import Frame
from lookalike.parts import PHOTO, Weights
from training.config import CONFIG, TrainConfig, find_recipe, read_recipe
from training.data import build_cache
from training.evaluation.contenders import PRETRAINED, Contender, Role, baselines, of_run
from training.evaluation.gallery import of_pictures, shrink
from training.evaluation.images import evaluate_images, weighed
from training.evaluation.probe import find_labelled, read_pictures
from training.photos import settle_views
from training.train import pick_device, train
from training.trained import load_trained
from training.warm_start import settle

WAYS = {  # how much layout and colour count
    "content": Weights(colour=0.0, layout=0.0),
    "content + .2 colour": Weights(colour=0.2, layout=0.0),
    "content + .25 layout + .2 colour": PHOTO,
    "content + .5 colour": Weights(colour=0.5, layout=0.0),
}
MAIN = "content + .25 layout + .2 colour"  # the verdict is of this one, as a search asks
Measured = tuple[Contender, np.ndarray]  # and its vectors, float32 (N, D)

app = App(name="benchmarks.images", help=__doc__, help_format="plaintext")


@app.default
def main(
    folder: Path,
    recipe: str = "images-cpu",
    init: str | None = None,
    steps: int | None = None,
    limit: int | None = None,
) -> None:
    """Train once and print a row for each baseline, for the pretrained encoder, and for the trained encoder.

    recipe: settings of the run. init, steps: instead of the recipe's. limit: at most so many pictures.
    """
    found = find_labelled(folder, limit)
    pictures, numbers = zip(*((shrink(picture), label) for picture, label in read_pictures(found)), strict=True)
    config = configured(recipe, init, steps)
    print(f"{describe(pick_device(config.device))}", flush=True)
    trained, seconds = trained_on(pictures, config)
    result = measure(pictures, np.array(numbers), found.names, trained, config)
    print(f"{len(pictures):,} pictures of {len(found.names)} classes, {config.input_px} px, weights: {config.init}")
    print(f"{recipe}: {config.steps:,} steps of {config.batch} in {seconds:.0f} s\n")
    print("\n".join(table(result["rows"])))
    print(f"\n{result['verdict']}")


def configured(recipe: str, init: str | None, steps: int | None) -> TrainConfig:
    """The recipe's settings, as they hold for photos."""
    settings = TrainConfig(**read_recipe(find_recipe(recipe)))
    given: dict[str, Any] = {"init": init, "steps": steps}
    changed = dataclasses.replace(settings, **{name: value for name, value in given.items() if value is not None})
    config = dataclasses.replace(changed, monitor_every=0)
    config.check()
    return settle_views(settle(config), photos=True)


def trained_on(pictures: Sequence[np.ndarray], config: TrainConfig) -> tuple[Contender, float]:
    """Train on pictures, uint8 (H, W, 3) each. Returns: the encoder with its head, and the seconds that training took.

    Raises: TrainingError as `training.train.train`.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        config.save(run / CONFIG)
        cache = build_cache(run / "cache", as_frames(pictures), config.cache_px, lambda frame: None)
        started = time.perf_counter()
        train(cache, config, run)
        seconds = time.perf_counter() - started
        return of_run(*load_trained(run), config.device), seconds


def as_frames(pictures: Iterable[np.ndarray]) -> Iterator[Frame]:
    """Each its own source, as photos are."""
    for row, picture in enumerate(pictures):
        yield Frame(picture, f"{row}", f"{row}", "pictures", 0.0, 0)


def measure(
    pictures: Sequence[np.ndarray], labels: np.ndarray, names: list[str], trained: Contender, config: TrainConfig
) -> dict[str, Any]:
    """kNN of every row. Returns: as `training.evaluation.images.evaluate_images`."""
    found = list(weighed_in_turn(trained, pictures, f"trained, {config.steps:,} steps", "own"))
    for one in baselines(config, of_pictures(list(pictures)), config.device):
        if one.name == PRETRAINED:
            found += weighed_in_turn(one, pictures, "pretrained", "baseline")
        else:
            found.append((one, weighed(one.embed(list(pictures)), one.parts, one.frame)))
    return evaluate_images([one for one, _ in found], [vectors for _, vectors in found], labels, names)


def weighed_in_turn(one: Contender, pictures: Sequence[np.ndarray], name: str, role: Role) -> Iterator[Measured]:
    """One encoder in all WAYS, embedded once. Of role `own` only MAIN is, the others are `compared`."""
    vectors = one.embed(list(pictures))
    for way, weights in WAYS.items():
        part = "compared" if role == "own" and way != MAIN else role
        yield dataclasses.replace(one, name=f"{name}: {way}", role=part), weighed(vectors, one.parts, weights)


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Markdown, a row for each contender; what this encoder is judged by is bold."""
    lines = ["| | kNN, 10 |", "|---|---|"]
    for row in rows:
        cells = (row["name"], f"{row['knn10']:.3f}")
        lines.append("| " + " | ".join(f"**{cell}**" if row["role"] == "own" else cell for cell in cells) + " |")
    return lines


if __name__ == "__main__":
    app()
