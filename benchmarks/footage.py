"""What each training choice is worth on footage: one change at a time, beside the floors.

    python -m benchmarks.footage recordings/ --events recordings/events.csv --seeds 0 --seeds 1
    python -m benchmarks.footage rendered            # the demo's four cameras, made anew

Prints a Markdown table: precision@5 of disturbed and of clean queries, and whether a disturbed frame's own moment comes
first (see training.retrieval), each a mean over clips and training seeds; and how long training took.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from cyclopts import App, Parameter
from torch import nn

from benchmarks.machine import describe
from lookalike.demo.scenes import render_scenes
from lookalike.footage import find_sources, read_frames
from training.config import CONFIG, TrainConfig
from training.data import FrameCache, load_cache
from training.disturbance import Disturbance
from training.encoders import CompactNet, Standardize
from training.evaluate import Candidate, evaluate_footage, floors, gather
from training.floors import Embedder, hsv_histogram, normalize
from training.retrieval import Event, Gallery, read_events
from training.run import pretrain, start_run
from training.train import pick_device
from training.trained import ServedEncoder, embed_pixels, fit_all, load_trained, serve

BASE = TrainConfig(input_px=64, steps=200, monitor_every=0)
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "light as it is": {"light": "absolute"},
    "the paper's views": {"views": "paper"},
    "global pooling": {"arch": f"{__file__}:global_pooling"},
    "a quarter of the channels": {"arch": f"{__file__}:few_channels"},
    "every frame as often": {"novelty": False},
    "one camera a batch": {"camera_batches": True},
    "temporal positives to 4 s": {"temporal_s": 4.0},
    "crops from .3": {"crop_area_min": 0.3},
    "96 px": {"input_px": 96},
}
SEEDS_OF_QUERIES = 2
GUARD_S = 3.0
RENDERED = "rendered"

app = App(name="benchmarks.footage", help=__doc__, help_format="plaintext")


def global_pooling() -> nn.Module:
    """The compact encoder without its grid: its numbers do not know where things are."""
    return CompactNet(out=512, grid=1)


def few_channels() -> nn.Module:
    """The compact encoder with 32 numbers, not 128, at each of the 16 places of its grid."""
    return CompactNet(out=32)


@app.default
def main(
    *sources: str,
    events: Path | None = None,
    seeds: Annotated[tuple[int, ...], Parameter(negative="", help="Of training.")] = (0,),
    variants: Annotated[tuple[str, ...], Parameter(negative="")] = tuple(VARIANTS),
) -> None:
    """Train every variant with every seed, and print a row for each as it is done."""
    with tempfile.TemporaryDirectory() as folder:
        if sources == (RENDERED,):
            render_scenes(Path(folder, RENDERED))
            sources, events = (str(Path(folder, RENDERED)),), Path(folder, RENDERED, "events.csv")
        if events is None:
            raise SystemExit("--events: expected a file of labelled intervals, clip,start_s,end_s,label")
        _compare(sources, read_events(events), seeds, variants, Path(folder))


def _compare(
    sources: tuple[str, ...], events: list[Event], seeds: tuple[int, ...], variants: tuple[str, ...], folder: Path
) -> None:
    gallery = gather(read_frames(find_sources(sources), 2.0))
    clips = sorted({event.clip for event in events} & set(gallery.clip.tolist()))
    print(
        f"{describe(pick_device(BASE.device))}; {len(gallery.clip)} frames;"
        f" training seeds {', '.join(map(str, seeds))}\n"
    )
    print("| | precision@5, disturbed | " + " | ".join(clips) + " | clean | own moment first | seconds |")
    print("|---" * (len(clips) + 5) + "|", flush=True)
    contenders = [*floors(BASE, gallery.pictures), no_network(gallery)]
    for row in _rows(contenders, gallery, events):
        _print([row], clips, None)
    for name in variants:
        config = dataclasses.replace(BASE, **VARIANTS[name])
        runs = [_train(sources, dataclasses.replace(config, seed=one), folder / f"{name} {one}") for one in seeds]
        trained = [_rows([Candidate(name, embedder(*load_trained(run)))], gallery, events)[0] for run, _ in runs]
        _print(trained, clips, float(np.mean([took for _, took in runs])))
        if name == "base":
            by_layer = [_rows(other_last_layers(run, gallery), gallery, events) for run, _ in runs]
            for rows in zip(*by_layer, strict=True):
                _print(list(rows), clips, None)


def no_network(gallery: Gallery) -> Candidate:
    """What the last layer makes of 16 x 16 pixels whose light is taken out: all of it but the trained network."""
    pixels = nn.Sequential(nn.AdaptiveAvgPool2d(16), Standardize(), nn.Flatten())
    served = serve(pixels, fit_all(gallery.pictures, BASE.cache_px), BASE)
    return Candidate("16x16 pixels, no network", embedder(served, BASE))


def other_last_layers(run: Path, gallery: Gallery) -> list[Candidate]:
    """The same trained network with other last layers."""
    served, config = load_trained(run)
    frames = load_cache(run / "cache").frames
    short = dataclasses.replace(config, embedding=64)
    plain = dataclasses.replace(config, embedding=0)
    return [
        Candidate("base, 64 numbers", embedder(serve(served.encoder, frames, short), config)),
        Candidate("base, last layer only centres", embedder(serve(served.encoder, frames, plain), config)),
        Candidate("base, centred by camera", centred_by_camera(served, config, gallery)),
    ]


def centred_by_camera(served: ServedEncoder, config: TrainConfig, gallery: Gallery) -> Embedder:
    """The encoder's features less the mean of their camera, which is taken as known."""
    cameras, number = np.unique(gallery.camera, return_inverse=True)

    def embed(pictures: list[np.ndarray]) -> np.ndarray:
        found = served.directions(torch.from_numpy(fit_all(pictures, config.input_px))).numpy()
        means = np.stack([found[number == camera].mean(0) for camera in range(len(cameras))])
        return normalize(found - means[number])

    return embed


def embedder(served: ServedEncoder, config: TrainConfig) -> Embedder:
    return lambda pictures: embed_pixels(served, torch.from_numpy(fit_all(pictures, config.input_px))).numpy()


def _train(sources: tuple[str, ...], config: TrainConfig, run: Path) -> tuple[Path, float]:
    """Train in a folder of its own; footage is decoded once for each input size. Returns: the run, and seconds."""
    cache = run.parent / f"cache {config.cache_px}"
    if cache.exists():
        run.mkdir()
        config.save(run / CONFIG)
        (run / "cache").symlink_to(cache)
    else:
        start_run(read_frames(find_sources(sources), config.fps), config, run, lambda frame: None)
        (run / "cache").rename(cache)
        (run / "cache").symlink_to(cache)
    return run, _timed(lambda frames: pretrain(frames, config, run, False, lambda progress: None), load_cache(cache))


def _timed(work: Callable[[FrameCache], None], cache: FrameCache) -> float:
    started = time.perf_counter()
    work(cache)
    return time.perf_counter() - started


def _rows(contenders: list[Candidate], gallery: Gallery, events: list[Event]) -> list[dict[str, Any]]:
    """An evaluation's rows; its verdict, which takes an encoder and a floor, is not wanted."""
    beside = [*(dataclasses.replace(one, trained=True) for one in contenders), Candidate("a floor", hsv_histogram)]
    return evaluate_footage(beside, gallery, events, GUARD_S, Disturbance(), 0, SEEDS_OF_QUERIES)["rows"][:-1]


def _print(rows: list[dict[str, Any]], clips: list[str], seconds: float | None) -> None:
    """One line for the rows of a variant's training seeds."""
    means = [row["precision5_disturbed"]["mean"] for row in rows]
    spread = f" ({min(means):.3f}-{max(means):.3f})" if len(rows) > 1 else ""
    by_clip = [np.mean([row["precision5_disturbed"][clip] for row in rows]) for clip in clips]
    clean = np.mean([row["precision5_clean"]["mean"] for row in rows])
    own = np.mean([row["self_retrieval_disturbed"] for row in rows])
    cells = [rows[0]["name"], f"{np.mean(means):.3f}{spread}", *(f"{value:.2f}" for value in by_clip)]
    cells += [f"{clean:.3f}", f"{own:.3f}", "" if seconds is None else f"{seconds:.0f}"]
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    app()
