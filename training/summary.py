"""Report on a finished run: its verdict, its health, and nearest neighbours of example frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lookalike.errors import FootageError
from lookalike.footage.naming import clip_of
from lookalike.report.charts import training_charts
from lookalike.report.page import Meter, Report, Sheet, Thumb, thumb_uri
from lookalike.report.retrieval import evaluation_tables
from training.config import TrainConfig
from training.data import FrameCache
from training.evaluation.contenders import PRETRAINED, UNTRAINED, Contender, baselines, of_run
from training.evaluation.footage import Protocol, evaluate_footage
from training.evaluation.gallery import NO_BOX, Gallery
from training.evaluation.images import embed_labelled, evaluate_images
from training.evaluation.labels import Labelled, read_labelled
from training.evaluation.probe import find_labelled
from training.evaluation.verdict import UNLABELLED
from training.head import EncoderWithHead, OnFit, no_progress
from training.health import describe_feature_std, describe_rank
from training.record import METRICS
from training.tracks import sample_whole_tracks
from training.warm_start import NONE

FRAMES, STRETCH = 180, 15  # frames measured, and frames per stretch
REGIONS = 1000  # measured, at most, of whole tracks
LABELLED = 2000  # pictures of class folders, at most
SHEET_QUERIES, SHEET_HITS, SHEET_GUARD_S = 8, 5, 5.0


def measure_run(
    encoder: EncoderWithHead, config: TrainConfig, cache: FrameCache, on_fit: OnFit = no_progress
) -> dict[str, Any]:
    """Measure the encoder and its baselines on a sample of the run's frames and regions, and on its labels if any.

    Of the baselines with a network only those that training must beat: the initial and the pretrained weights.
    `lookalike evaluate` has all.
    Returns: as `evaluation.footage.evaluate_footage`; events of other footage are ignored. With labelled
    pictures, `pictures` is as `evaluation.images.evaluate_images`, and the verdict begins with theirs.
    """
    labelled = read_labelled(Path(config.events)) if config.events else None
    gallery, track = sample_gallery(cache, config.fps, labelled)
    initial = [UNTRAINED] if config.init == NONE else []
    networks = [*initial, PRETRAINED] if config.steps else initial
    contenders = [of_run(encoder, config, "cpu"), *baselines(config, gallery, "cpu", networks, on_fit)]
    try:
        found = evaluate_footage(contenders, gallery, labelled, Protocol(), track)
    except FootageError:
        found = evaluate_footage(contenders, gallery, None, Protocol(), track)
    judged = any(measure["verdict"] for measure in found["measures"])
    if config.labelled:
        of_pictures = _measure_pictures(contenders, Path(config.labelled))
        verdicts = [of_pictures["verdict"], *([found["verdict"]] if judged else [])]
        return found | {"pictures": of_pictures, "verdict": "\n".join(verdicts)}
    return found | {"verdict": UNLABELLED} if config.views == "photo" and not judged else found


def _measure_pictures(contenders: Sequence[Contender], source: Path) -> dict[str, Any]:
    """Measure kNN on an even sample of class folders. Returns: as `evaluation.images.evaluate_images`."""
    known = find_labelled(source, LABELLED)
    vectors, labels = embed_labelled(contenders, known)
    return evaluate_images(contenders, vectors, labels, known.names)


def sample_gallery(cache: FrameCache, fps: float, labelled: Labelled | None) -> tuple[Gallery, np.ndarray]:
    """Sample frames of the cache, and up to REGIONS of its regions: those of an even sample of tracks, and others.

    Of more than FRAMES frames about one a second is taken, in stretches spread over the footage, so that it includes
    neighbours in time; then up to half as many with an event; then those that the regions are from.
    Returns: the gallery, and the track of each of its rows, int64 (N,), as in the cache; -1 for frames.
    """
    regions = sample_whole_tracks(cache.regions.track, REGIONS)
    frames = np.union1d(_sample_frames(cache, fps, labelled), cache.regions.frame[regions])
    parts = cache.regions
    pairs = [(row, -1) for row in frames.tolist()] + [(int(parts.frame[row]), row) for row in regions.tolist()]
    of, region = np.array(sorted(pairs)).T  # each frame, then its regions in their order, the largest first
    whole = region < 0
    pictures = [
        np.asarray(cache.frames[row] if part < 0 else parts.pictures[part])
        for row, part in zip(of.tolist(), region.tolist(), strict=True)
    ]
    boxes, track = np.full((len(of), 4), NO_BOX), np.full(len(of), -1, np.int64)
    boxes[~whole], track[~whole] = parts.box[region[~whole]], parts.track[region[~whole]]
    clips = np.array([clip_of(name) for name in cache.sources])[cache.source[of]]
    cameras = np.array(cache.cameras)[cache.camera[of]]
    own_frame = np.flatnonzero(whole)[np.searchsorted(frames, of)]
    return Gallery(pictures, clips, cache.time_s[of], cameras, own_frame, boxes), track


def _sample_frames(cache: FrameCache, fps: float, labelled: Labelled | None) -> np.ndarray:
    """Sample rows of the cache, int64, ascending."""
    rows = np.arange(len(cache))
    if len(rows) <= FRAMES:
        return rows
    seconds = rows[:: max(1, round(fps))]
    starts = np.linspace(0, max(0, len(seconds) - STRETCH), FRAMES // STRETCH).round().astype(int)
    chosen = np.concatenate([seconds[start : start + STRETCH] for start in starts])
    clips = np.array([clip_of(name) for name in cache.sources])[cache.source]
    events = labelled.events if labelled else []
    seen = [(clips == event.clip) & (event.start_s <= cache.time_s) & (cache.time_s <= event.end_s) for event in events]
    shown = rows[np.any(seen, 0)] if seen else rows[:0]
    spaced = np.linspace(0, len(shown) - 1, min(FRAMES // 2, len(shown))).round().astype(int)
    return np.union1d(chosen, shown[spaced])


def run_report(run: Path, found: dict[str, Any], cache: FrameCache, config: TrainConfig, sheets: list[Sheet]) -> Report:
    """Compose the report of a run. found: what `finish_run` returns."""
    facts = [
        ("frames", f"{found['frames']:,}"),
        ("cameras", str(len(cache.cameras))),
        ("encoder", f"{config.arch}, {config.input_px} px"),
        ("initial weights", config.init),
        ("steps", f"{found['steps']:,} x {config.batch}" if found["steps"] else "none, only the head is fitted"),
        ("effective rank", f"{found['effective_rank']:.1f}"),
    ]
    if found["steps"]:
        facts += [
            ("final loss", f"{found['loss']:.3f}"),
            ("final feature std", f"{found['feature_std']:.2f}"),
            ("images/s", f"{found['images_per_s']:.0f}"),
        ]
    return Report(
        title=f"Training run {run.name}",
        verdict=found["verdict"],
        facts=facts,
        baselines=evaluation_tables(found["evaluation"]),
        meters=_meters(found),
        charts=training_charts(run / METRICS),
        sheets=sheets,
        sheets_note=f"Frames with their nearest neighbours at least {SHEET_GUARD_S:.0f} s away.",
        commands=[f"lookalike export {run} --out encoder.onnx", _how_to_judge(run, config)],
    )


def _how_to_judge(run: Path, config: TrainConfig) -> str:
    return f"lookalike evaluate {run} {'--images FOLDER' if config.views == 'photo' else '--footage SOURCE'}"


def _meters(found: dict[str, Any]) -> list[Meter]:
    rank, most = found["effective_rank"], found["rank_at_most"]
    meters = [Meter("Effective rank", f"{rank:.1f} of {most}", rank / most, describe_rank(rank, most))]
    if "feature_std" in found:
        std = found["feature_std"]
        meters.insert(0, Meter("Feature standard deviation", f"{std:.2f}", std, describe_feature_std(std)))
    return meters


def neighbour_sheets(cache: FrameCache, rows: list[int], vectors: np.ndarray) -> list[Sheet]:
    """Make sheets of evenly spaced queries, each with its nearest frames outside its own moment."""
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
