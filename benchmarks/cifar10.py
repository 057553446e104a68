"""Measure the CIFAR-10 recipe by nearest neighbours on the test set, next to baselines and published figures.

    python -m benchmarks.cifar10 train-a.zip train-b.zip test.zip --seeds 0 --seeds 1
    python -m benchmarks.cifar10 train.zip test.zip --arch compact --subset 5000 --epochs 3 --batch 128
    python -m benchmarks.cifar10 train.zip test.zip --set views=simclr --set tau_end=0.99

Arguments are zips or folders of class folders, the last for testing; labels are used for measuring only. Features are
the encoder's, before the projector, at length 1. The k most similar training pictures vote: weighted by
exp(similarity / .1) at k = 200, equally at k = 10.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from cyclopts import App, Parameter
from torch import nn

from benchmarks.machine import describe
from benchmarks.varied import with_settings
from lookalike import pixels
from lookalike.contract import Device
from lookalike.errors import FootageError
from lookalike.footage import Frame
from training.checkpoint import ENCODER, load_encoder
from training.config import TrainConfig, find_recipe, read_recipe
from training.data import FrameCache, build_cache
from training.encoders import build_encoder
from training.evaluation.baselines import hsv_histogram, raw_pixels
from training.evaluation.probe import knn_transfers, read_labelled
from training.train import Progress, pick_device, train

# Best kNN accuracy over all epochs, k = 200, ResNet-18 with a 3x3 stem and no max pool, no blur.
# Source: lightly, docs/source/getting_started/benchmarks.rst, table "Cifar10 benchmark results"; an RTX A6000.
LIGHTLY = "lightly's benchmark page, its best epoch"
PUBLISHED = [
    ("BYOL, 200 epochs of 128", 0.869, "121.9 min"),
    ("BYOL, 200 epochs of 512", 0.868, "108.3 min"),
    ("BYOL, 800 epochs of 512", 0.910, "400.9 min"),
    ("FastSiam, 200 epochs of 128: the best at 200", 0.906, "164.0 min"),
]
GOAL = 0.9  # of kNN at k = 10
EMBED = 256  # pictures per forward pass

app = App(name="benchmarks.cifar10", help=__doc__)


@dataclass(frozen=True)
class Knn:
    """Accuracy on the test set, of both votes."""

    k200: float
    k10: float


@dataclass
class Run:
    """One seed. seconds: of training alone, without the measurements between. course: epoch, accuracy, seconds then."""

    seed: int
    seconds: float = 0.0
    images: int = 0
    course: list[tuple[float, Knn, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Labelled:
    """Pictures uint8 (H, W, 3) and their classes, to train on and to ask about.

    gallery: how many of `train` are looked among, evenly spaced; all if None.
    """

    train: list[np.ndarray]
    train_labels: np.ndarray
    test: list[np.ndarray]
    test_labels: np.ndarray
    gallery: int | None = None

    def knn(self, embed: Callable[[list[np.ndarray]], np.ndarray], device: torch.device) -> Knn:
        rows = _evenly(len(self.train), self.gallery)
        known = embed([self.train[row] for row in rows]), self.train_labels[rows]
        asked = embed(self.test), self.test_labels
        return Knn(*knn_transfers(*known, *asked, [(200, 0.1), (10, None)], device))


@app.default
def main(
    *pictures: Path,
    seeds: Annotated[tuple[int, ...], Parameter(negative="")] = (0,),
    epochs: int | None = None,
    steps: int | None = None,
    batch: int | None = None,
    arch: str | None = None,
    input_px: int | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
    subset: int | None = None,
    gallery: int | None = None,
    questions: int | None = None,
    every: int = 1,
    recipe: str = "cifar10",
    device: Device = "auto",
) -> None:
    """Train with each seed and print the tables.

    pictures: one or more sets to train on, then the one to ask about.
    subset: train on so many pictures, evenly over the classes, and ask about a fifth as many.
    gallery, questions: measure among so many training pictures, by so many test pictures.
    every: epochs between measurements. recipe: its name, or a TOML file.
    set: NAME=VALUE, any setting of training. It and the other flags stand in for the recipe's settings.
    """
    config = TrainConfig(**read_recipe(find_recipe(recipe)))
    flags = {"batch": batch, "arch": arch, "input_px": input_px}
    given = {name: value for name, value in flags.items() if value is not None}
    config = dataclasses.replace(with_settings(config, set_), **given, device=device)
    config.check()
    labelled = read(pictures, config.input_px, subset, gallery, questions)
    epoch = -(-len(labelled.train) // config.batch)  # steps
    steps = steps or (epochs * epoch if epochs else config.steps)
    config = dataclasses.replace(config, steps=steps, checkpoint_every=every * epoch, monitor_every=0)
    print(f"{describe(pick_device(device))}\n")
    about = ", ".join([f"seeds {', '.join(map(str, seeds))}", *set_])
    print(
        f"{config.arch}, {len(labelled.train):,} pictures, {steps} steps of {config.batch} ({steps / epoch:g} epochs),"
        f" tested on {len(labelled.test):,}, {about}\n",
        flush=True,
    )
    if subset or gallery or questions or not _is_whole(config):
        print("This is not the whole recipe: do not compare it with the published figures.\n")
    runs = [train_and_measure(labelled, dataclasses.replace(config, seed=seed)) for seed in seeds]
    baselines = measure_baselines(labelled, config, seeds[0])
    print("\n".join([*_accuracies(baselines, runs), "", *_course(runs), "", *_time_to_goal(runs)]))


def _is_whole(config: TrainConfig) -> bool:
    """Return whether it is the recipe that ships, with as many steps or more."""
    whole = TrainConfig(**read_recipe(find_recipe("cifar10")))
    free = {name: getattr(config, name) for name in ("steps", "device", "seed", "checkpoint_every", "monitor_every")}
    return config.steps >= whole.steps and config == dataclasses.replace(whole, **free)


def read(
    sources: Sequence[Path],
    size_px: int,
    subset: int | None = None,
    gallery: int | None = None,
    questions: int | None = None,
) -> Labelled:
    """Read all sets into memory: 180 MB at 32 px. The last of `sources` is for testing, the others for training.

    Raises: FootageError if there are fewer than two sources, or if their classes differ.
    """
    if len(sources) < 2:
        raise FootageError(f"too few sets: got {len(sources)}, expected one or more to train on, then the test set")
    share = subset and -(-subset // (len(sources) - 1))
    limits = [share] * (len(sources) - 1) + [questions or (subset and max(10, subset // 5))]
    sets = [read_labelled(source, limit) for source, limit in zip(sources, limits, strict=True)]
    for source, (_, _, names) in zip(sources, sets, strict=True):
        if differing := sorted(set(names) ^ set(sets[0][2])):
            raise FootageError(
                f"{source}: other classes than {sources[0]} ({', '.join(differing)}), expected the same in each"
            )
    train = [pixels.fit(picture, size_px) for pictures, _, _ in sets[:-1] for picture in pictures]
    test = [pixels.fit(picture, size_px) for picture in sets[-1][0]]
    return Labelled(train, np.concatenate([labels for _, labels, _ in sets[:-1]]), test, sets[-1][1], gallery)


def _evenly(count: int, limit: int | None) -> np.ndarray:
    """Choose at most `limit` of `count` rows, evenly spaced: int64. Sets are ordered by class, so all have a share."""
    return np.linspace(0, count - 1, min(count, limit or count)).round().astype(int)


def measure_baselines(labelled: Labelled, config: TrainConfig, seed: int) -> dict[str, Knn]:
    torch.manual_seed(seed)
    device = pick_device(config.device)
    untrained = build_encoder(config.arch, config.light).to(device)
    return {
        "raw pixels 8x8": labelled.knn(raw_pixels(8), device),
        f"raw pixels {config.input_px}x{config.input_px}": labelled.knn(raw_pixels(config.input_px), device),
        "HSV histogram": labelled.knn(hsv_histogram, device),
        "the same encoder, untrained": labelled.knn(embedder(untrained, config.input_px), device),
    }


def embedder(encoder: nn.Module, input_px: int) -> Callable[[list[np.ndarray]], np.ndarray]:
    """Return an embedder of the encoder's features, before any head, at length 1: float32 (N, D).

    Pictures must have the size of the input, input_px a side.
    """
    device = next(encoder.parameters()).device
    encoder.eval()

    @torch.no_grad()
    def embed(pictures: list[np.ndarray]) -> np.ndarray:
        stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)  # (N, 3, S, S)
        if stacked.shape[2:] != (input_px, input_px):
            raise ValueError(f"pictures are {tuple(stacked.shape[2:])}, expected {input_px} px a side")
        parts = [F.normalize(encoder(part.to(device).float() / 255), dim=1).cpu() for part in stacked.split(EMBED)]
        return torch.cat(parts).numpy()

    return embed


def train_and_measure(labelled: Labelled, config: TrainConfig) -> Run:
    """Train with the trainer, and measure every checkpoint at the next progress line."""
    found, device = Run(config.seed), pick_device(config.device)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        run.mkdir()
        cache = fill_cache(run / "cache", labelled.train, config)
        started, per_epoch = time.perf_counter(), -(-len(cache) // config.batch)

        def measure(step: int) -> None:
            encoder = build_encoder(config.arch, config.light).to(device)
            load_encoder(run / ENCODER, encoder)
            knn = labelled.knn(embedder(encoder, config.input_px), device)
            found.course.append((step / per_epoch, knn, found.seconds))
            print(_measured(config.seed, *found.course[-1]), file=sys.stderr, flush=True)

        def on_progress(progress: Progress) -> None:
            nonlocal started
            found.seconds += time.perf_counter() - started
            last = (progress.step - 1) // config.checkpoint_every
            if last > len(found.course):
                measure(last * config.checkpoint_every)
            started = time.perf_counter()

        done = train(cache, config, run, on_progress=on_progress)
        found.images = done * config.batch
        measure(done)
    return found


def fill_cache(folder: Path, pictures: list[np.ndarray], config: TrainConfig) -> FrameCache:
    frames = (Frame(picture, "pictures", "pictures", "", 0.0, row) for row, picture in enumerate(pictures))
    return build_cache(folder, frames, config.cache_px, lambda frame: None)


def _accuracies(baselines: dict[str, Knn], runs: list[Run]) -> list[str]:
    rows = ["| | kNN, k 200, T .1 | kNN, k 10 | training | images/s |", "|---|---|---|---|---|"]
    rows += [f"| {name} | {one.k200:.1%} | {one.k10:.1%} | | |" for name, one in baselines.items()]
    for run in runs:
        last = run.course[-1][1]
        rate = run.images / run.seconds
        rows.append(f"| seed {run.seed} | {last.k200:.1%} | {last.k10:.1%} | {run.seconds:.0f} s | {rate:.0f} |")
    ends = [run.course[-1][1] for run in runs]
    means = (np.mean([one.k200 for one in ends]), np.mean([one.k10 for one in ends]))
    rows.append(f"| mean of {len(runs)} | {means[0]:.1%} | {means[1]:.1%} | | |")
    return rows + [f"| {name} ({LIGHTLY}) | {one:.1%} | | {took} | |" for name, one, took in PUBLISHED]


def _course(runs: list[Run]) -> list[str]:
    rows = ["| seed | epoch | kNN, k 200, T .1 | kNN, k 10 | after |", "|---|---|---|---|---|"]
    return rows + [_measured(run.seed, *one) for run in runs for one in run.course]


def _measured(seed: int, epoch: float, knn: Knn, seconds: float) -> str:
    return f"| {seed} | {epoch:g} | {knn.k200:.1%} | {knn.k10:.1%} | {seconds:.0f} s |"


def _time_to_goal(runs: list[Run]) -> list[str]:
    lines: list[str] = []
    for run in runs:
        reached = next((one for one in run.course if one[1].k10 >= GOAL), None)
        when = f"after {reached[2]:.0f} s of training, epoch {reached[0]:g}" if reached else "not reached"
        lines.append(f"Time to {GOAL:.0%} kNN (k 10), seed {run.seed}: {when}.")
    return lines


if __name__ == "__main__":
    app()
