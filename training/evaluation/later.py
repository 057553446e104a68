"""The task without labels: find a perturbed region again later in its own track.

It decides which encoder is better on footage without labels.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from training.evaluation.gallery import Gallery
from training.evaluation.task import Task
from training.tracks import link_regions

APART_S = 2.0  # nearer regions of the query's track are ignored
TRACKS, QUERIES = 60, 300  # at most, evenly spaced

Tracks = Literal["all", "even", "odd"]


def find_tracks(gallery: Gallery) -> np.ndarray:
    """Link regions into tracks. Returns: the track of each region, int64 (N,); -1 for frames and untracked regions."""
    found = np.full(len(gallery), -1, np.int64)
    rows = np.flatnonzero(~gallery.whole)
    if len(rows):
        # Clips of one name may be of several cameras.
        _, source = np.unique(np.char.add(gallery.camera[rows] + "|", gallery.clip[rows]), return_inverse=True)
        found[rows] = link_regions(gallery.box[rows], source, gallery.time_s[rows])
    return found


def same_track_later(gallery: Gallery, track: np.ndarray, judged: Tracks = "all") -> Task:
    """Find regions of the query's own track, more than APART_S away, among the regions of all cameras.

    track: int64 (N,), see `find_tracks`. judged: which tracks queries are from, by their number, so that those that a
    head was fitted to can be left out; all are searched. Of more than TRACKS tracks, or QUERIES queries, an even sample
    is taken. Tracks shorter than APART_S have no query.
    """
    region = ~gallery.whole & (len(gallery) > 0)
    numbers = [number for number in _long(gallery, track) if judged == "all" or number % 2 == (judged == "odd")]
    chosen = _evenly(numbers, TRACKS)
    query: list[int] = []
    for number in chosen:
        rows = np.flatnonzero(track == number)
        times_s = gallery.time_s[rows]
        far = np.maximum(times_s - times_s.min(), times_s.max() - times_s) > APART_S
        query += _evenly(rows[far].tolist(), max(1, QUERIES // len(chosen)))
    asked = np.array(query, np.int64)
    own = (track[asked, None] == track) & (track[asked, None] >= 0)
    near = np.abs(gallery.time_s[asked, None] - gallery.time_s) <= APART_S
    return Task(
        "crops_same_track_later",
        "Crops of what moves, later in the same track",
        f"Correct hits are regions of the query's own track more than {APART_S:g} s away, among regions of all cameras."
        " No labels are needed. Queries are perturbed.",
        units="tracks",
        crops=True,
        clean=False,
        query=asked,
        relevant=own & ~near & region,
        searched=region & ~(own & near),
        label=np.full(len(asked), "", object),
        camera=gallery.camera[asked].astype(object),
        unit=track[asked],
        reason="" if len(asked) else _why_none(region, track, len(numbers), judged),
    )


def _long(gallery: Gallery, track: np.ndarray) -> list[int]:
    """Return the numbers of the tracks that last more than APART_S."""
    rows = np.flatnonzero(track >= 0)
    first, last = np.full(track.max(initial=-1) + 1, np.inf), np.full(track.max(initial=-1) + 1, -np.inf)
    np.minimum.at(first, track[rows], gallery.time_s[rows])
    np.maximum.at(last, track[rows], gallery.time_s[rows])
    return np.flatnonzero(last - first > APART_S).tolist()


def _evenly(among: list[int], count: int) -> list[int]:
    return [among[at] for at in np.linspace(0, len(among) - 1, min(count, len(among))).round().astype(int)]


def _why_none(region: np.ndarray, track: np.ndarray, numbers: int, judged: Tracks) -> str:
    if not region.any():
        return "no region in which something moves was found"
    if track.max(initial=-1) < 0:
        return "no region could be linked with one of another frame; try a higher --fps"
    if not numbers and judged != "all":
        return f"no {judged} track lasts more than {APART_S:g} s"
    return f"no track lasts more than {APART_S:g} s"
