"""Evaluate an encoder and its baselines on footage: all tasks, all queries, and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from lookalike.errors import FootageError
from training.evaluation.contenders import HISTOGRAM, Contender
from training.evaluation.examples import find_examples
from training.evaluation.gallery import Gallery, whole_frames
from training.evaluation.labels import Labelled, by_kind, label_gallery
from training.evaluation.later import Tracks, find_tracks, same_track_later
from training.evaluation.moments import OWN_MOMENT_S, WINDOW_S, camera_share, self_retrieval, temporal_recall
from training.evaluation.panel import Embedded, Entry, Panel
from training.evaluation.passes import another_pass, other_cameras
from training.evaluation.perturb import Perturbation, perturb_rows
from training.evaluation.ranking import Scores, rank
from training.evaluation.task import Task
from training.evaluation.verdict import Measured, compare, conclusion, outcome, sentence

FRAMES = 300  # whole frames asked for their own moment, evenly spaced
PERTURBED, CLEAN = " perturbed", " unperturbed"
Found = dict[str, Any]


@dataclass(frozen=True)
class Protocol:
    """How footage is searched. seeds: of the perturbation. guard_s, window_s: see moments.temporal_recall."""

    how: Perturbation = field(default_factory=Perturbation)
    seeds: tuple[int, ...] = (0,)
    guard_s: float = 3.0
    window_s: float = WINDOW_S
    tracks: Tracks = "all"


@dataclass(frozen=True, eq=False)
class _Asked:
    """Scores of one entry of the panel in one task: for each seed, and unperturbed if the task has that."""

    entry: Entry
    perturbed: list[Scores]
    clean: Scores | None

    def values(self, clean: bool, score: Literal["ap", "p5"] = "ap") -> np.ndarray:
        """Return the average precision of each query, or its precision among the first five, float64 (Q,)."""
        if clean:
            assert self.clean is not None
            return getattr(self.clean, score)
        return np.mean([getattr(scores, score) for scores in self.perturbed], 0)


def evaluate_footage(
    contenders: Sequence[Contender],
    gallery: Gallery,
    labelled: Labelled | None,
    protocol: Protocol,
    track: np.ndarray | None = None,
    on_seed: Callable[[int], None] = lambda done: None,
) -> Found:
    """Score every contender in every task. Returns: what `lookalike evaluate --json` prints.

    track: int64 (N,), of each region; None links them. on_seed: called with how many seeds are done.
    Raises: FootageError if there are events, but none within this footage.
    """
    track = find_tracks(gallery) if track is None else track
    tasks = footage_tasks(gallery, labelled, track, protocol.tracks)
    panel = Panel(contenders, gallery.pictures)
    frames = np.flatnonzero(gallery.whole)
    sample = frames[np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().astype(int)]
    rows = np.unique(np.concatenate([sample, *(task.query for task in tasks)]))
    perturbed: dict[str, list[list[Scores]]] = {task.name: [[] for _ in panel.entries] for task in tasks}
    moments: list[list[Found]] = [[] for _ in panel.entries]
    for done, seed in enumerate(protocol.seeds):
        embedded = panel.embed(perturb_rows(gallery.pictures, rows, protocol.how, seed))
        for task in (task for task in tasks if len(task)):
            queries = _pick(embedded, np.searchsorted(rows, task.query))
            for entry, scores in zip(panel.entries, perturbed[task.name], strict=True):
                scores.append(_score(panel, entry, task, queries))
        queries = _pick(embedded, np.searchsorted(rows, sample))
        for entry, found in zip(panel.entries, moments, strict=True):
            found.append(_moments(panel, entry, gallery, sample, queries, protocol))
        on_seed(done + 1)
    measures = [_measure(task, _asked(panel, task, perturbed[task.name])) for task in tasks]
    spoken = [measure for measure in measures if measure["verdict"]]
    return {
        "frames": len(frames),
        "regions": len(gallery) - len(frames),
        "cameras": len(np.unique(gallery.camera)),
        "seeds": list(protocol.seeds),
        "guard_s": protocol.guard_s,
        "window_s": protocol.window_s,
        "tracks": protocol.tracks,
        "measures": measures,
        "moments": {"frames": len(sample), "rows": _moment_rows(panel, gallery, moments)},
        "examples": find_examples(panel, gallery, label_gallery(gallery, labelled) if labelled else None, track),
        "verdict": conclusion([measure["verdict"] for measure in spoken], sum(measure["won"] for measure in spoken)),
    }


def footage_tasks(gallery: Gallery, labelled: Labelled | None, track: np.ndarray, judged: Tracks = "all") -> list[Task]:
    """Make all tasks for this footage, crops first; a task without queries gives the reason.

    Raises: FootageError if there are labels, but none within this footage.
    """
    tasks: list[Task] = []
    if labelled:
        shown = label_gallery(gallery, labelled)
        if not shown.known.any():
            clips = ", ".join(sorted(set(gallery.clip.tolist()))[:5])
            raise FootageError(
                f"no frame lies within a labelled interval: expected events whose `clip` is a file name of this footage"
                f" ({clips})"
            )
        kinds = by_kind(shown, labelled.events)
        for crops in (True, False):
            tasks.append(another_pass(gallery, shown, crops))
            if kinds:
                tasks.append(another_pass(gallery, kinds, crops, of_kind=True))
            tasks.append(other_cameras(gallery, kinds or shown, crops, of_kind=bool(kinds)))
        tasks.append(another_pass(gallery, shown, crops=False, states=True))
    return [*tasks, same_track_later(gallery, track, judged)]


def _pick(embedded: Embedded, rows: np.ndarray) -> Embedded:
    return {name: vectors[rows] for name, vectors in embedded.items()}


def _score(panel: Panel, entry: Entry, task: Task, queries: Embedded) -> Scores:
    asked = panel.asked(entry, queries, task.crops)
    return rank(asked, panel.searched(entry), task.relevant, task.searched)


def _asked(panel: Panel, task: Task, perturbed: list[list[Scores]]) -> list[_Asked]:
    if not len(task):
        return []
    clean = [_score(panel, entry, task, panel.rows(task.query)) if task.clean else None for entry in panel.entries]
    return [_Asked(*scored) for scored in zip(panel.entries, perturbed, clean, strict=True)]


def _measure(task: Task, asked: list[_Asked]) -> Found:
    """Summarise one task: scores of every entry, overall and by label, and a verdict."""
    units = len(np.unique(task.unit))
    found: Found = {
        "name": task.name,
        "title": task.title,
        "note": task.note,
        "queries": len(task),
        "units": {task.units: units},
        "rows": [_row(scored) for scored in asked],
        "labels": _labels(task, asked),
        "reason": task.reason,
        "comparisons": {},
        "won": False,
        "verdict": "",
    }
    roles = [one.entry.role for one in asked]
    if "own" not in roles or "baseline" not in roles:
        return found
    outcomes: list[tuple[str, float, str]] = []
    won: list[bool] = []
    for light, clean in ((PERTURBED, False), (CLEAN, True))[: 1 + task.clean]:
        own = next(one.values(clean) for one in asked if one.entry.role == "own")
        baselines = [Measured(one.entry.name, one.values(clean)) for one in asked if one.entry.role == "baseline"]
        comparisons = [compare(own, one, task.unit) for one in baselines]
        outcomes.append((light, float(own.mean()), outcome(comparisons, task.units, [HISTOGRAM])))
        won.append(all(one.won for one in comparisons))
        found["comparisons"]["clean" if clean else "perturbed"] = [
            {"baseline": one.baseline, "difference": one.difference, "beaten": one.won}
            | ({"low": one.low, "high": one.high} if np.isfinite(one.low) else {})
            for one in comparisons
        ]
    count = f"{len(task):,} queries of {units} {task.units}"
    return found | {"won": all(won), "verdict": sentence(task.title, count, outcomes)}


def _row(one: _Asked) -> Found:
    """Average over queries; with several seeds `std` has their standard deviation (n - 1)."""
    maps, firsts = ([float(getattr(scores, name).mean()) for scores in one.perturbed] for name in ("ap", "p5"))
    row: Found = {"name": one.entry.name, "role": one.entry.role}
    row |= {"map": float(np.mean(maps)), "p5": float(np.mean(firsts))}
    if one.clean:
        row |= {"map_clean": float(one.clean.ap.mean()), "p5_clean": float(one.clean.p5.mean())}
    if len(maps) > 1:
        row["std"] = {"map": float(np.std(maps, ddof=1)), "p5": float(np.std(firsts, ddof=1))}
    return row


def _labels(task: Task, asked: list[_Asked]) -> list[Found]:
    """List every label of every camera, with its queries or with the reason why it has none."""
    found: list[Found] = []
    for (label, camera), possible in task.possible.items():
        rows = (task.label == label) & (task.camera == camera)
        about = {"label": label, "camera": camera, "queries": int(rows.sum()), "possible": possible}
        about["units"] = {task.units: len(np.unique(task.unit[rows]))}
        found.append(about | _label_means(asked, rows, clean=False))
        if task.clean:
            found[-1] |= {f"{name}_clean": means for name, means in _label_means(asked, rows, clean=True).items()}
    return found + [
        {"label": one.label, "camera": one.camera, "queries": 0, "reason": one.reason} for one in task.unasked
    ]


def _label_means(asked: list[_Asked], rows: np.ndarray, clean: bool) -> dict[str, dict[str, float]]:
    """Average each entry over some of the queries. rows: bool (Q,)."""
    return {
        "map": {one.entry.name: float(one.values(clean)[rows].mean()) for one in asked},
        "p5": {one.entry.name: float(one.values(clean, "p5")[rows].mean()) for one in asked},
    }


def _moments(
    panel: Panel, entry: Entry, gallery: Gallery, sample: np.ndarray, queries: Embedded, protocol: Protocol
) -> Found:
    """Measure what perturbed whole frames find among whole frames. Measures undefined on this footage are left out."""
    frames, rows, vectors = _frames(panel, entry, gallery, sample)
    asked = panel.asked(entry, queries, crops=False)
    found = {
        "self_retrieval": self_retrieval(asked, vectors, frames, OWN_MOMENT_S, rows),
        "temporal_recall": temporal_recall(asked, vectors, frames, protocol.guard_s, protocol.window_s, rows),
    }
    return {name: value for name, value in found.items() if not np.isnan(value)}


def _frames(panel: Panel, entry: Entry, gallery: Gallery, sample: np.ndarray) -> tuple[Gallery, np.ndarray, np.ndarray]:
    """Return the whole frames, the sample's rows among them, and their vectors."""
    whole = np.flatnonzero(gallery.whole)
    pictures = [gallery.pictures[row] for row in whole]
    frames = whole_frames(pictures, gallery.clip[whole], gallery.time_s[whole], gallery.camera[whole])
    return frames, np.searchsorted(whole, sample), panel.searched(entry)[whole]


def _moment_rows(panel: Panel, gallery: Gallery, moments: list[list[Found]]) -> list[Found]:
    rows: list[Found] = []
    for entry, found in zip(panel.entries, moments, strict=True):
        row: Found = {"name": entry.name, "role": entry.role}
        row |= over_seeds(found)
        share = camera_share(panel.searched(entry)[gallery.whole], gallery.camera[gallery.whole])
        rows.append(row if np.isnan(share) else row | {"camera_share": share})
    return rows


def over_seeds(found: Sequence[Found]) -> Found:
    """Average measurements over seeds; with several seeds `std` has the standard deviations (n - 1).

    found: the same names in each, with numbers.
    """
    means = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
    if len(found) == 1:
        return means
    return means | {"std": {name: float(np.std([one[name] for one in found], ddof=1)) for name in found[0]}}
