"""Run training from footage to report: the pretrain verb without its flags."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lookalike.encoder import Encoder
from lookalike.errors import TrainingError
from lookalike.files import durable
from lookalike.footage import Frame
from lookalike.report.page import write_report
from training.checkpoint import CHECKPOINT, ENCODER, load_encoder, save_encoder
from training.config import CONFIG, TrainConfig
from training.data import FrameCache, build_cache, load_cache
from training.distributed import ALONE, World
from training.encoders import build_encoder
from training.evaluation.choose import Choice, choose
from training.evaluation.labels import read_events
from training.evaluation.probe import find_labelled
from training.frozen import VIEWS
from training.head import OnFit, no_progress, with_fused_encoder
from training.health import effective_rank
from training.photos import settle_views
from training.pictures import sample_frames
from training.record import METRICS, TENSORBOARD, read_metrics
from training.summary import measure_run, neighbour_sheets, run_report, sample_gallery
from training.train import Progress, first_encoder, train
from training.trained import load_trained
from training.warm_start import NONE, settle


@contextmanager
def held_run(run: Path) -> Iterator[None]:
    """Keep other processes from a run: one that starts would cut off files that this one has mapped, a SIGBUS.

    Raises: TrainingError if another process trains there, or the folder cannot be made.
    """
    is_new = not run.exists()
    with ExitStack() as stack:
        try:
            if is_new or run.is_dir():
                durable.make_folder(run)
                stack.enter_context(durable.held(run))
        except OSError as error:
            raise TrainingError(f"{run}: cannot write ({error.strerror}); choose another --out") from error
        try:
            yield
        finally:
            with suppress(OSError):  # it holds a run
                if is_new:
                    run.rmdir()


def start_run(
    frames: Iterable[Frame],
    config: TrainConfig,
    run: Path,
    on_frame: Callable[[Frame], None],
    say: Callable[[str], None] = lambda line: None,
    photos: bool = False,
) -> tuple[FrameCache, TrainConfig]:
    """Create the run's folder and its frame cache.

    say: called with a line about each choice that the user may not expect. photos: whether all sources are images.
    Returns: the cache, and the resolved config, without `auto` where it affects the encoder.
    Raises: TrainingError if the folder is not empty or cannot be written, if the encoder or its initial weights are not
    available, or if there is too little footage; FootageError if the events or the labelled pictures cannot be read.
    """
    if (run / CHECKPOINT).exists():
        raise TrainingError(f"{run}: already contains a run; continue it with --resume, or choose another --out")
    if run.exists() and (not run.is_dir() or _foreign(run)):
        raise TrainingError(f"{run}: neither an empty folder nor a run; choose another --out")
    config.check()
    config = settle_views(settle(config, say), photos, say)
    first_encoder(config)  # report errors before the footage is decoded
    if config.events:
        read_events(Path(config.events))
    if config.labelled:
        find_labelled(Path(config.labelled))
    if config.teacher:
        side = Encoder(Path(config.teacher), config.device).spec.input_px  # it embeds cached frames
        config = dataclasses.replace(config, cache_scale=max(config.cache_scale, side / config.input_px))
    try:
        durable.make_folder(run)
        config.save(run / CONFIG)
        return build_cache(run / "cache", frames, config.cache_px, on_frame), config
    except OSError as error:
        raise TrainingError(f"{run}: cannot write ({error.strerror}); choose another --out") from error


def join_run(run: Path, arch: str | None = None) -> tuple[FrameCache, TrainConfig]:
    """Open a run that another process started. arch: as for `TrainConfig.load`. Raises: TrainingError."""
    return load_cache(run / "cache"), TrainConfig.load(run / CONFIG, arch)


def continue_run(run: Path, given: TrainConfig) -> tuple[FrameCache, TrainConfig]:
    """Open an interrupted run; its saved config applies.

    Raises: TrainingError if there is no run, or if a flag contradicts its config.
    """
    saved = TrainConfig.load(run / CONFIG, given.arch)
    for field in dataclasses.fields(TrainConfig):
        given_value, saved_value = getattr(given, field.name), getattr(saved, field.name)
        if given_value not in (field.default, saved_value):
            flag = f"--{field.name.replace('_', '-')}"
            raise TrainingError(
                f"{run}: started with {flag} {saved_value}, cannot continue with {given_value}; omit {flag}"
            )
    return load_cache(run / "cache"), saved


def finish_run(run: Path, arch: str | None = None, on_fit: OnFit = no_progress) -> dict[str, Any]:
    """Measure a finished run next to its baselines and write its report.

    arch: as for `TrainConfig.load`. on_fit: see head.OnFit, of each head in turn.
    Returns: its last measurements, if it trained, `verdict`, and `evaluation`: what `lookalike evaluate` would print
    for a sample.
    """
    cache, metrics = load_cache(run / "cache"), read_metrics(run / METRICS)
    choice = keep_better(run, cache, arch, on_fit)
    encoder, config = load_trained(run, arch, on_fit)
    rows, pictures = sample_frames(cache, config.input_px)
    of_parts = with_fused_encoder(encoder, config.input_px).features(torch.from_numpy(pictures))
    vectors = encoder.join(of_parts)
    features = of_parts[encoder.names[0]]  # (N, D), before the head, which equalises dimensions
    evaluation = measure_run(encoder, config, cache, on_fit)
    found = {
        "run": str(run),
        "steps": config.steps,
        "frames": len(cache),
        "regions": len(cache.regions),
        "effective_rank": effective_rank(features - features.mean(0)),
        "rank_at_most": min(features.shape),
        "verdict": f"{choice} {evaluation['verdict']}" if choice else evaluation["verdict"],
        "evaluation": evaluation,
    }
    if choice:
        found["choice"] = dataclasses.asdict(choice) | {"kept": "initial" if choice.keep_initial else "trained"}
    if metrics:
        found |= {name: metrics[-1][name] for name in ("loss", "feature_std")}
        found["images_per_s"] = float(np.median([line["images_per_s"] for line in metrics]))
    sheets = neighbour_sheets(cache, rows.tolist(), vectors.numpy())
    write_report(run_report(run, found, cache, config, sheets), run / "report.html")
    return found


def keep_better(run: Path, cache: FrameCache, arch: str | None = None, on_fit: OnFit = no_progress) -> Choice | None:
    """Keep the better of the initial and the trained encoder as the run's; the checkpoint stays as it is.

    Returns: how they compare; None if the initial weights were random, or the run did not train.
    """
    config = TrainConfig.load(run / CONFIG, arch)
    if not config.steps or config.init == NONE:
        return None
    initial, trained = first_encoder(config), build_encoder(config.arch, config.light)
    load_encoder(run / ENCODER, trained)
    choice = choose(initial, trained, config, cache, *sample_gallery(cache, config.fps, None), on_fit)
    if choice.keep_initial:
        save_encoder(run / ENCODER, initial)
    return choice


def pretrain(
    cache: FrameCache,
    config: TrainConfig,
    run: Path,
    resume: bool,
    on_progress: Callable[[Progress], None],
    world: World = ALONE,
) -> None:
    """Train to the last step.

    Raises: TrainingError if interrupted, with the command that continues, or if metrics cannot be written.
    """
    try:
        done = train(cache, config, run, resume, on_progress, world)
    except OSError as error:
        raise TrainingError(f"{run}: cannot write ({error.strerror}); the last checkpoint is kept") from error
    except KeyboardInterrupt:
        raise TrainingError(f"interrupted; continue with `lookalike pretrain --out {run} --resume`") from None
    if done < config.steps:
        raise TrainingError(
            f"interrupted at step {done} of {config.steps}, checkpoint saved;"
            f" continue with `lookalike pretrain --out {run} --resume`"
        )


def _foreign(folder: Path) -> bool:
    """Return whether a folder contains anything that an interrupted start of a run does not leave."""
    left = {CONFIG, METRICS, TENSORBOARD, VIEWS, "cache"}
    left |= {f"{name}.partial" for name in (CHECKPOINT, CONFIG, METRICS)}
    return any(entry.name not in left for entry in folder.iterdir())
