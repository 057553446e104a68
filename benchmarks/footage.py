"""What each training choice is worth on footage: one change at a time, next to the baselines.

    python -m benchmarks.footage recordings/ --events recordings/events.csv --seeds 0 --seeds 1
    python -m benchmarks.footage rendered            # the demo's four cameras, made anew

Prints a Markdown table: mAP in other light of every measure that this footage allows (see training.evaluation), each a
mean over training seeds; and how long training took.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import App, Parameter
from torch import nn

from benchmarks.machine import describe
from lookalike.demo.scenes import render_scenes
from lookalike.footage import find_sources, read_frames
from training.config import CONFIG, TrainConfig
from training.data import FrameCache, load_cache
from training.encoders import CompactNet
from training.evaluation.contenders import Contender, baselines, of_run
from training.evaluation.footage import Protocol, evaluate_footage
from training.evaluation.gallery import Gallery, gather
from training.evaluation.labels import Labelled, read_labelled
from training.run import pretrain, start_run
from training.train import pick_device
from training.trained import load_trained

BASE = TrainConfig(arch="compact", input_px=64, steps=200, monitor_every=0)
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "no head": {"embedding": 0},
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
FPS, SEEDS_OF_QUERIES = 4.0, (0, 1)
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
        labelled = read_labelled(events) if events else None
        _compare(sources, labelled, seeds, variants, Path(folder))


def _compare(
    sources: tuple[str, ...], labelled: Labelled | None, seeds: tuple[int, ...], variants: tuple[str, ...], folder: Path
) -> None:
    gallery = gather(read_frames(find_sources(sources), FPS, regions="motion"))
    print(f"{describe(pick_device(BASE.device))}; {len(gallery)} frames and regions; training seeds {seeds}\n")
    rows = _rows(baselines(BASE, gallery, "cpu"), gallery, labelled)
    columns = [title for title in rows[0] if title != "name"]
    print(f"| | {' | '.join(columns)} | seconds |\n{'|---' * (len(columns) + 2)}|", flush=True)
    for row in rows:
        _print([row], columns, None)
    for name in variants:
        config = dataclasses.replace(BASE, **VARIANTS[name])
        runs = [_train(sources, dataclasses.replace(config, seed=one), folder / f"{name} {one}") for one in seeds]
        rivals = [dataclasses.replace(of_run(*load_trained(run), "cpu"), name=name) for run, _ in runs]
        trained = [_rows([one], gallery, labelled)[0] for one in rivals]
        _print(trained, columns, float(np.mean([took for _, took in runs])))


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


def _rows(rivals: Sequence[Contender], gallery: Gallery, labelled: Labelled | None) -> list[dict[str, Any]]:
    """For each of them its name, and mAP in other light by the measure's title."""
    found = evaluate_footage(rivals, gallery, labelled, Protocol(seeds=SEEDS_OF_QUERIES))
    measures = [one for one in found["measures"] if one["queries"]]
    names = [row["name"] for row in found["moments"]["rows"]]
    return [
        {"name": name} | {one["title"]: one["rows"][number]["map"] for one in measures}
        for number, name in enumerate(names)
    ]


def _print(rows: list[dict[str, Any]], columns: list[str], seconds: float | None) -> None:
    """One line for the rows of a variant's training seeds."""
    cells = [rows[0]["name"]]
    for column in columns:
        values = [row[column] for row in rows]
        spread = f" ({min(values):.3f}-{max(values):.3f})" if len(values) > 1 else ""
        cells.append(f"{np.mean(values):.3f}{spread}")
    print(f"| {' | '.join([*cells, '' if seconds is None else f'{seconds:.0f}'])} |", flush=True)


if __name__ == "__main__":
    app()
