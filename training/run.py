"""A training run from footage to report: the pretrain verb without its flags."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

from lookalike.errors import TrainingError
from lookalike.footage import Frame
from lookalike.report.charts import training_charts
from lookalike.report.page import Report, Sheet, Thumb, thumb_uri, write_report
from training.checkpoint import CHECKPOINT
from training.config import CONFIG, TrainConfig
from training.data import FrameCache, build_cache, load_cache
from training.distributed import ALONE, World
from training.health import effective_rank
from training.record import METRICS, TENSORBOARD, read_metrics
from training.train import Progress, train
from training.trained import embed_pixels, load_trained, sample_frames

SHEET_QUERIES, SHEET_HITS, SHEET_GUARD_S = 8, 5, 5.0


def start_run(
    frames: Iterable[Frame], config: TrainConfig, run: Path, on_frame: Callable[[Frame], None]
) -> tuple[FrameCache, TrainConfig]:
    """Make the run's folder and its frame cache.

    Raises: TrainingError if the folder holds a run, or anything else, or cannot be written, or if there is too little
    footage.
    """
    if (run / CHECKPOINT).exists():
        raise TrainingError(f"{run}: holds a run already; go on with --resume, or choose another --out")
    if run.exists() and (not run.is_dir() or _foreign(run)):
        raise TrainingError(f"{run}: not an empty folder and not a run; choose another --out")
    try:
        run.mkdir(parents=True, exist_ok=True)
        config.check()
        config.save(run / CONFIG)
        return build_cache(run / "cache", frames, config.cache_px, on_frame), config
    except OSError as error:
        raise TrainingError(f"{run}: cannot write ({error.strerror}); choose another --out") from error


def join_run(run: Path) -> tuple[FrameCache, TrainConfig]:
    """Open a run that another process has started. Raises: TrainingError if there is none."""
    return load_cache(run / "cache"), TrainConfig.load(run / CONFIG)


def continue_run(run: Path, given: TrainConfig) -> tuple[FrameCache, TrainConfig]:
    """Open a run that was stopped; its own config holds.

    Raises: TrainingError if there is none, or if a flag was given that contradicts it.
    """
    saved = TrainConfig.load(run / CONFIG)
    for field in dataclasses.fields(TrainConfig):
        asked, kept = getattr(given, field.name), getattr(saved, field.name)
        if asked not in (field.default, kept):
            flag = f"--{field.name.replace('_', '-')}"
            raise TrainingError(f"{run}: started with {flag} {kept}, cannot go on with {asked}; leave {flag} out")
    return load_cache(run / "cache"), saved


def finish_run(run: Path) -> dict[str, float | int | str]:
    """Write the report of a finished run. Returns: its last measurements."""
    served, config = load_trained(run)
    cache = load_cache(run / "cache")
    rows, pictures = sample_frames(cache, config.input_px)
    vectors = embed_pixels(served, torch.from_numpy(pictures))
    rank = effective_rank(vectors)
    metrics = read_metrics(run / METRICS)
    sheets = _sheets(cache, rows.tolist(), vectors.numpy())
    write_report(_report(run, cache, config, metrics, rank, sheets), run / "report.html")
    last = metrics[-1]
    return {
        "run": str(run),
        "steps": int(last["step"]),
        "frames": len(cache),
        "loss": last["loss"],
        "spread": last["spread"],
        "effective_rank": rank,
        "images_per_s": float(np.median([line["images_per_s"] for line in metrics])),
    }


def pretrain(
    cache: FrameCache,
    config: TrainConfig,
    run: Path,
    resume: bool,
    on_progress: Callable[[Progress], None],
    world: World = ALONE,
) -> None:
    """Train to the end.

    Raises: TrainingError if stopped before, saying how to go on, or if the disk does not take the metrics.
    """
    try:
        done = train(cache, config, run, resume, on_progress, world)
    except OSError as error:
        raise TrainingError(f"{run}: cannot write ({error.strerror}); the last checkpoint is kept") from error
    if done < config.steps:
        raise TrainingError(
            f"interrupted at step {done} of {config.steps}, checkpoint saved;"
            f" go on with `lookalike pretrain --out {run} --resume`"
        )


def _foreign(folder: Path) -> bool:
    """Whether a folder holds anything but what an earlier start of a run left."""
    left = (CONFIG, METRICS, TENSORBOARD, "cache", f"{CHECKPOINT}.partial")
    return any(entry.name not in left for entry in folder.iterdir())


def _report(
    run: Path, cache: FrameCache, config: TrainConfig, metrics: list[dict[str, float]], rank: float, sheets: list[Sheet]
) -> Report:
    last = metrics[-1]
    facts = [
        ("frames", f"{len(cache):,}"),
        ("cameras", str(len(cache.cameras))),
        ("steps", f"{int(last['step']):,} x {config.batch}"),
        ("encoder", f"{config.arch}, {config.input_px} px"),
        ("final loss", f"{last['loss']:.3f}"),
        ("final spread", f"{last['spread']:.2f}"),
        ("effective rank", f"{rank:.1f}"),
        ("images/s", f"{np.median([line['images_per_s'] for line in metrics]):.0f}"),
    ]
    return Report(
        title=f"Training run {run.name}",
        verdict="How the run went, and what its encoder takes for alike. "
        "Whether it beats raw pixels and other floors, `lookalike evaluate` tells.",
        facts=facts,
        charts=training_charts(run / METRICS),
        sheets=sheets,
        sheets_note=f"Frames of the footage with their nearest neighbours at least {SHEET_GUARD_S:.0f} s away.",
        commands=[f"lookalike export {run} --out encoder.onnx", f"lookalike evaluate {run} --footage SOURCE"],
    )


def _sheets(cache: FrameCache, rows: list[int], vectors: np.ndarray) -> list[Sheet]:
    """Queries spread over the footage, each with its nearest frames outside its own moment."""
    sheets: list[Sheet] = []
    for query in np.linspace(0, len(rows) - 1, min(SHEET_QUERIES, len(rows)) + 2).round().astype(int).tolist()[1:-1]:
        taken, hits = [query], []
        similarity = vectors @ vectors[query]
        for other in np.argsort(-similarity, kind="stable").tolist():
            if len(hits) < SHEET_HITS and not any(_near(cache, rows[other], rows[one]) for one in taken):
                taken.append(other)
                hits.append(_thumb(cache, rows[other], float(similarity[other])))
        sheets.append(Sheet(_thumb(cache, rows[query], None), hits))
    return sheets


def _near(cache: FrameCache, row: int, other: int) -> bool:
    same_source = cache.source[row] == cache.source[other]
    return bool(same_source and abs(cache.time_s[row] - cache.time_s[other]) < SHEET_GUARD_S)


def _thumb(cache: FrameCache, row: int, score: float | None) -> Thumb:
    return Thumb(
        thumb_uri(np.asarray(cache.frames[row])), cache.cameras[cache.camera[row]], float(cache.time_s[row]), score
    )
