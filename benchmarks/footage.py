"""What each training choice is worth on footage: one change at a time, several seeds, beside the floors.

    python -m benchmarks.footage recordings/ --events recordings/events.csv --seeds 0 --seeds 1

Prints a Markdown table of precision@5 of disturbed queries (see training.retrieval): mean over clips and seeds.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import App, Parameter

from lookalike.footage import find_sources, read_frames
from training.config import CONFIG, TrainConfig
from training.data import load_cache
from training.evaluate import Candidate, candidates, evaluate_footage, gather
from training.retrieval import Disturbance, Event, Gallery, read_events
from training.run import pretrain, start_run

BASE = TrainConfig(input_px=64, steps=300)
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "temporal positives to 10 s": {"temporal_s": 10.0},
    "temporal positives to 4 s": {"temporal_s": 4.0},
    "one camera a batch": {"camera_batches": True},
    "crops from .5": {"crop_area_min": 0.5},
    "crops from .3": {"crop_area_min": 0.3},
    "crops from .9": {"crop_area_min": 0.9},
    "twice the steps": {"steps": 600},
    "96 px": {"input_px": 96},
}
DISTURBANCES = (0, 1)  # seeds
GUARD_S = 3.0

app = App(name="benchmarks.footage", help=__doc__)


@app.default
def main(
    *sources: str,
    events: Path,
    seeds: Annotated[tuple[int, ...], Parameter(negative="")] = (0, 1),
    variants: Annotated[tuple[str, ...], Parameter(negative="")] = tuple(VARIANTS),
) -> None:
    """Train every variant with every seed, and print a row for each as it is done."""
    labelled = read_events(events)
    gallery = gather(read_frames(find_sources(sources), 2.0))
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs"
    print(f"{machine}, {date.today().isoformat()}, training seeds {seeds}\n")
    clips = sorted({event.clip for event in labelled} & set(gallery.clip.tolist()))
    print("| | precision@5 disturbed | over seeds | " + " | ".join(clips) + " | own moment | seconds |")
    print("|---" * (len(clips) + 5) + "|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in variants:
            config = dataclasses.replace(BASE, **VARIANTS[name])
            runs = [
                _train(sources, dataclasses.replace(config, seed=seed), Path(folder, f"{name} {seed}"))
                for seed in seeds
            ]
            measured = [_measure(candidates(run, gallery.pictures), gallery, labelled) for run, _ in runs]
            if name == variants[0]:
                for floor in list(measured[0])[1:]:
                    _print(floor, [measured[0][floor]], clips, None)
            _print(name, [rows["this encoder"] for rows in measured], clips, float(np.mean([took for _, took in runs])))


def _train(sources: tuple[str, ...], config: TrainConfig, run: Path) -> tuple[Path, float]:
    """Train in a folder of its own; the frame cache of an equal input size is taken from a run before it."""
    cache = next(_caches(run.parent, config), None)
    if cache is None:
        found = find_sources(sources)
        cache, _ = start_run(read_frames(found, config.fps), config, run, lambda frame: None)
    else:
        run.mkdir()
        config.save(run / CONFIG)
        (run / "cache").symlink_to(cache)
        cache = load_cache(cache)
    started = time.perf_counter()
    pretrain(cache, config, run, False, lambda progress: None)
    return run, time.perf_counter() - started


def _caches(folder: Path, config: TrainConfig) -> Iterator[Path]:
    for run in folder.iterdir():
        other = TrainConfig.load(run / CONFIG)
        if (other.input_px, other.fps) == (config.input_px, config.fps) and (run / "cache" / "index.json").exists():
            yield run / "cache"


def _measure(contenders: list[Candidate], gallery: Gallery, events: list[Event]) -> dict[str, list[dict[str, Any]]]:
    """Rows of an evaluation by contender, one for each disturbance seed."""
    found = [evaluate_footage(contenders, gallery, events, GUARD_S, Disturbance(), seed) for seed in DISTURBANCES]
    return {one.name: [result["rows"][number] for result in found] for number, one in enumerate(contenders)}


def _print(name: str, seeds: list[list[dict[str, Any]]], clips: list[str], seconds: float | None) -> None:
    by_seed = [float(np.mean([row["precision5_disturbed"]["mean"] for row in rows])) for rows in seeds]
    rows = [row for one in seeds for row in one]
    by_clip = [np.mean([row["precision5_disturbed"].get(clip, np.nan) for row in rows]) for clip in clips]
    own = np.mean([row["self_retrieval_disturbed"] for row in rows])
    spread = f"{min(by_seed):.3f}-{max(by_seed):.3f}" if len(by_seed) > 1 else ""
    cells = [name, f"{np.mean(by_seed):.3f}", spread, *(f"{value:.2f}" for value in by_clip), f"{own:.3f}"]
    print(f"| {' | '.join(cells)} | {'' if seconds is None else f'{seconds:.0f}'} |", flush=True)


if __name__ == "__main__":
    app()
