"""The report of a finished run: whether it beats the floors, whether it is healthy, and what it takes for alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lookalike.errors import FootageError
from lookalike.report.charts import training_charts
from lookalike.report.page import Meter, Report, Sheet, Thumb, thumb_uri
from lookalike.report.retrieval import evaluation_tables
from training.config import TrainConfig
from training.data import FrameCache
from training.disturbance import Disturbance
from training.evaluate import evaluate_footage, run_candidates
from training.head import EncoderWithHead
from training.health import rank_in_words, spread_in_words
from training.record import METRICS
from training.retrieval import Event, Gallery, read_events

FRAMES, STRETCH = 180, 15  # frames measured, in stretches of so many
GUARD_S = 3.0
SHEET_QUERIES, SHEET_HITS, SHEET_GUARD_S = 8, 5, 5.0


def beside_floors(served: EncoderWithHead, config: TrainConfig, cache: FrameCache) -> dict[str, Any]:
    """The encoder and its floors on a sample of the run's frames, with precision@5 if the run knows its events.

    Returns: as `evaluate.evaluate_footage`; events that are not seen twice in the sample are left out.
    """
    events = read_events(Path(config.events)) if config.events else []
    gallery = sample_gallery(cache, config.fps, events)
    # Most of the time goes into the untrained encoder's last layer. Made of fewer frames it would be a lower floor.
    contenders = run_candidates(served, config, gallery.pictures, "cpu")
    try:
        return evaluate_footage(contenders, gallery, events, GUARD_S, Disturbance(), seed=0)
    except FootageError:
        return evaluate_footage(contenders, gallery, None, GUARD_S, Disturbance(), seed=0)


def sample_gallery(cache: FrameCache, fps: float, events: list[Event]) -> Gallery:
    """Up to FRAMES frames of the cache, and up to half as many more of those with an event; short footage as a whole.

    About one a second is taken, in stretches spread over the footage: what is near in time must be there too.
    """
    clips = np.array([Path(name).name for name in cache.sources])[cache.source]
    rows = np.arange(len(cache))
    if len(rows) > FRAMES:
        seconds = rows[:: max(1, round(fps))]
        starts = np.linspace(0, max(0, len(seconds) - STRETCH), FRAMES // STRETCH).round().astype(int)
        chosen = np.concatenate([seconds[start : start + STRETCH] for start in starts])
        seen = [(clips == one.clip) & (one.start_s <= cache.time_s) & (cache.time_s <= one.end_s) for one in events]
        labelled = rows[np.any(seen, 0)] if seen else rows[:0]
        spaced = np.linspace(0, len(labelled) - 1, min(FRAMES // 2, len(labelled))).round().astype(int)
        rows = np.union1d(chosen, labelled[spaced])
    cameras = np.array(cache.cameras)[cache.camera]
    return Gallery([np.asarray(cache.frames[row]) for row in rows], clips[rows], cache.time_s[rows], cameras[rows])


def run_report(run: Path, found: dict[str, Any], cache: FrameCache, config: TrainConfig, sheets: list[Sheet]) -> Report:
    """found: what `finish_run` returns."""
    facts = [
        ("frames", f"{found['frames']:,}"),
        ("cameras", str(len(cache.cameras))),
        ("encoder", f"{config.arch}, {config.input_px} px"),
        ("weights to start from", config.init),
        ("steps", f"{found['steps']:,} x {config.batch}" if found["steps"] else "none: the head alone is fitted"),
        ("effective rank", f"{found['effective_rank']:.1f}"),
    ]
    if found["steps"]:
        facts += [
            ("final loss", f"{found['loss']:.3f}"),
            ("final spread", f"{found['spread']:.2f}"),
            ("images/s", f"{found['images_per_s']:.0f}"),
        ]
    return Report(
        title=f"Training run {run.name}",
        verdict=found["verdict"],
        facts=facts,
        floors=evaluation_tables(found["evaluation"]),
        meters=_meters(found),
        charts=training_charts(run / METRICS),
        sheets=sheets,
        sheets_note=f"Frames of the footage with their nearest neighbours at least {SHEET_GUARD_S:.0f} s away.",
        commands=[f"lookalike export {run} --out encoder.onnx", f"lookalike evaluate {run} --footage SOURCE"],
    )


def _meters(found: dict[str, Any]) -> list[Meter]:
    rank, most = found["effective_rank"], found["rank_at_most"]
    meters = [Meter("Effective rank", f"{rank:.1f} of {most}", rank / most, rank_in_words(rank, most))]
    if "spread" in found:
        spread = found["spread"]
        meters.insert(0, Meter("Spread of the projections", f"{spread:.2f}", spread, spread_in_words(spread)))
    return meters


def neighbour_sheets(cache: FrameCache, rows: list[int], vectors: np.ndarray) -> list[Sheet]:
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
