"""Example crops with the first hits of several contenders, to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.evaluation.contenders import HISTOGRAM, OWN, PRETRAINED
from training.evaluation.gallery import Gallery
from training.evaluation.labels import Shown
from training.evaluation.later import same_track_later
from training.evaluation.panel import Entry, Panel
from training.evaluation.passes import another_pass

COMPARED = (HISTOGRAM, PRETRAINED, OWN)
CROPS, HITS = 6, 5
APART_S = 5.0  # nearer regions of the same clip that show the same are one hit


@dataclass(frozen=True, eq=False)
class Crop:
    """A region to search for. row: of the gallery. label: what it shows; empty if unknown.

    searched: bool (N,), regions outside its own pass or track. right: bool (N,); None if unknown.
    """

    row: int
    label: str
    searched: np.ndarray
    right: np.ndarray | None


def find_examples(panel: Panel, gallery: Gallery, shown: Shown | None, track: np.ndarray) -> list[dict[str, Any]]:
    """Find the first hits of each of COMPARED for up to CROPS unperturbed crops.

    shown: what is known of the gallery. track: int64 (N,), of each region.
    Returns: for each crop its place, `label` and `to_find` (how many other passes there are; null if unknown),
    and `rows`: `name`, `role` and `hits` of each contender, best first, each a place and `right`. A place is `clip`,
    `camera`, `time_s` and `box`: x, y, w, h in shares of the frame.
    """
    entries = [entry for name in COMPARED for entry in panel.entries if entry.name == name]
    examples: list[dict[str, Any]] = []
    for crop in choose_crops(gallery, shown, track):
        rows = [
            {"name": entry.name, "role": entry.role, "hits": _hits(panel, entry, gallery, shown, crop)}
            for entry in entries
        ]
        about = {"label": crop.label, "to_find": _to_find(gallery, shown, crop), "rows": rows}
        examples.append(_place(gallery, crop.row) | about)
    return examples


def choose_crops(gallery: Gallery, shown: Shown | None, track: np.ndarray) -> list[Crop]:
    """Choose a crop for each of an even sample of labels that pass a camera more than once, else of tracks.

    It has the median area: the largest may be a whole frame in which a lamp goes on.
    """
    if shown and len(task := another_pass(gallery, shown, crops=True)):
        groups = [f"{camera} {label}" for camera, label in zip(task.camera, task.label, strict=True)]
        return [_labelled(gallery, shown, row, task.label[at]) for at, row in _typical(gallery, task.query, groups)]
    task = same_track_later(gallery, track)
    return [_tracked(gallery, track, row) for _, row in _typical(gallery, task.query, task.unit.tolist())]


def _typical(gallery: Gallery, query: np.ndarray, groups: list[Any]) -> Iterator[tuple[int, int]]:
    """Yield the number and row of the query of median area in each of CROPS groups."""
    names = sorted(set(groups))
    for at in np.linspace(0, len(names) - 1, min(CROPS, len(names))).round().astype(int).tolist():
        inside = [number for number, group in enumerate(groups) if group == names[at]]
        areas = gallery.box[query[inside], 2] * gallery.box[query[inside], 3]
        number = inside[np.argsort(areas, kind="stable")[len(inside) // 2]]
        yield number, int(query[number])


def _labelled(gallery: Gallery, shown: Shown, row: int, label: str) -> Crop:
    own_pass = (shown.during & shown.during[row]).any(1)
    searched = shown.known & ~gallery.whole & ~own_pass
    return Crop(row, label, searched, shown.shows[:, shown.names.index(label)])


def _tracked(gallery: Gallery, track: np.ndarray, row: int) -> Crop:
    near = (gallery.clip == gallery.clip[row]) & (np.abs(gallery.time_s - gallery.time_s[row]) < APART_S)
    return Crop(row, "", ~gallery.whole & (track != track[row]) & ~near, None)


def _hits(panel: Panel, entry: Entry, gallery: Gallery, shown: Shown | None, crop: Crop) -> list[dict[str, Any]]:
    [query] = panel.asked(entry, panel.rows(np.array([crop.row])), crops=True)  # (D,)
    order = np.argsort(-(panel.searched(entry) @ query), kind="stable")
    best = _apart(gallery, shown, order[crop.searched[order]].tolist(), HITS)
    right = crop.right
    return [_place(gallery, row) | {"right": None if right is None else bool(right[row])} for row in best]


def _to_find(gallery: Gallery, shown: Shown | None, crop: Crop) -> int | None:
    if crop.right is None:
        return None
    return len(_apart(gallery, shown, np.flatnonzero(crop.searched & crop.right).tolist(), len(gallery)))


def _apart(gallery: Gallery, shown: Shown | None, rows: Iterable[int], most: int) -> list[int]:
    """Return the first `most` rows of different passes."""
    kept: list[int] = []
    for row in rows:
        if len(kept) == most:
            break
        if not any(_same_pass(gallery, shown, row, other) for other in kept):
            kept.append(row)
    return kept


def _same_pass(gallery: Gallery, shown: Shown | None, row: int, other: int) -> bool:
    if gallery.clip[row] != gallery.clip[other] or gallery.camera[row] != gallery.camera[other]:
        return False
    near = abs(gallery.time_s[row] - gallery.time_s[other]) < APART_S
    if shown is None:
        return bool(near)
    alike = (shown.shows[row] == shown.shows[other]).all()
    return bool(alike and (near or (shown.during[row] & shown.during[other]).any()))


def _place(gallery: Gallery, row: int) -> dict[str, Any]:
    return {
        "clip": str(gallery.clip[row]),
        "camera": str(gallery.camera[row]),
        "time_s": float(gallery.time_s[row]),
        "box": [round(float(share), 6) for share in gallery.box[row]],
    }
