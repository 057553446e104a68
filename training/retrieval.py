"""How well an encoder finds moments in footage, with labels (events) and without.

Frames as they are make no test: the next frame is nearly equal, and raw pixels already find it. So each query is
disturbed as real cameras get disturbed, and frames close in time do not count.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from lookalike.errors import FootageError
from training.floors import Embedder

TOP = 5
OWN_MOMENT_S = 1.0


@dataclass(frozen=True)
class Event:
    """Seconds of one clip during which `label` is seen."""

    clip: str
    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True)
class Disturbance:
    """Ranges of what happens to a query, drawn uniformly per frame.

    zoom: share of each side that is kept, at a random offset. gamma: drawn log-uniformly. gain: per channel.
    noise: standard deviation, of 1.
    """

    zoom: tuple[float, float] = (0.75, 0.9)
    gamma: tuple[float, float] = (0.6, 1.7)
    gain: tuple[float, float] = (0.7, 1.3)
    noise: float = 0.03


@dataclass(frozen=True)
class Gallery:
    """Frames to search among. pictures: uint8 (H, W, 3) each. clip, time_s, camera: one per picture."""

    pictures: list[np.ndarray]
    clip: np.ndarray
    time_s: np.ndarray
    camera: np.ndarray


def read_events(path: Path) -> list[Event]:
    """Read `clip,start_s,end_s,label` lines. Raises: FootageError if the file is missing, empty or malformed."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets put a byte order mark first
            rows = list(csv.DictReader(file))
        if not rows:
            raise ValueError("no events")
        if any(None in row.values() for row in rows):
            raise ValueError("a line has too few columns")
        return [Event(row["clip"], float(row["start_s"]), float(row["end_s"]), row["label"]) for row in rows]
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise FootageError(
            f"{path}: cannot read events ({error}); expected columns clip,start_s,end_s,label"
        ) from error


def disturb(picture: np.ndarray, how: Disturbance, rng: np.random.Generator) -> np.ndarray:
    """picture: uint8 (H, W, 3). Returns: the same shape and type, zoomed, recoloured and noisy."""
    height, width = picture.shape[:2]
    keep = rng.uniform(*how.zoom)
    kept_w, kept_h = max(1, round(width * keep)), max(1, round(height * keep))
    left, top = rng.integers(0, width - kept_w + 1), rng.integers(0, height - kept_h + 1)
    box = (left, top, left + kept_w, top + kept_h)
    zoomed = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR, box=box)
    values = np.asarray(zoomed, np.float32) / 255
    gamma = np.exp(rng.uniform(*np.log(how.gamma)))
    values = values**gamma * rng.uniform(*how.gain, size=3) + rng.normal(0, how.noise, values.shape)
    return (values.clip(0, 1) * 255).round().astype(np.uint8)


def disturb_all(pictures: list[np.ndarray], how: Disturbance, seed: int) -> list[np.ndarray]:
    return [disturb(picture, how, np.random.default_rng((seed, row))) for row, picture in enumerate(pictures)]


def event_precision(
    queries: np.ndarray, vectors: np.ndarray, gallery: Gallery, events: list[Event], guard_s: float
) -> dict[str, float]:
    """Precision among the first five: how many show the query's event, outside `guard_s` of the query.

    queries, vectors: float32 (N, D), row i from picture i. Searched among all labelled frames; a frame with two labels
    matches either. A query with fewer than five frames to find is measured over those; with none, left out.
    Returns: mean precision by clip, and over clips as `mean`.
    """
    labels = [_labels(gallery, row, events) for row in range(len(vectors))]
    labelled = np.array([bool(found) for found in labels])
    similarity = queries @ vectors.T
    by_clip: dict[str, list[float]] = {}
    for row in np.flatnonzero(labelled):
        near = (gallery.clip == gallery.clip[row]) & (np.abs(gallery.time_s - gallery.time_s[row]) <= guard_s)
        candidates = np.flatnonzero(labelled & ~near)
        same = np.array([bool(labels[row] & labels[other]) for other in candidates])
        reachable = min(TOP, int(same.sum()))
        if reachable:
            best = np.argsort(-similarity[row, candidates], kind="stable")[:reachable]
            by_clip.setdefault(str(gallery.clip[row]), []).append(float(same[best].mean()))
    means = {clip: float(np.mean(values)) for clip, values in by_clip.items()}
    return means | {"mean": float(np.mean(list(means.values()))) if means else float("nan")}


def self_retrieval(queries: np.ndarray, vectors: np.ndarray, gallery: Gallery, within_s: float) -> float:
    """Share of the disturbed frames whose nearest frame is of their own moment: same clip, within `within_s`."""
    nearest = (queries @ vectors.T).argmax(1)
    same_clip = gallery.clip[nearest] == gallery.clip
    return float((same_clip & (np.abs(gallery.time_s[nearest] - gallery.time_s) <= within_s)).mean())


def embed_gallery(embed: Embedder, gallery: Gallery, how: Disturbance, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of the disturbed pictures and of the pictures: twice float32 (N, D)."""
    return embed(disturb_all(gallery.pictures, how, seed)), embed(gallery.pictures)


def _labels(gallery: Gallery, row: int, events: list[Event]) -> set[str]:
    """The events at a frame; "empty" of one clip is not "empty" of another."""
    clip, time_s = gallery.clip[row], gallery.time_s[row]
    return {f"{clip}|{one.label}" for one in events if one.clip == clip and one.start_s <= time_s <= one.end_s}
