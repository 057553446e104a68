"""Tasks with labels: find the same thing at another pass of its camera, and at other cameras.

Frames of the query's own interval are not searched: a neighbouring frame is nearly equal, so finding it proves nothing.
Unlabelled pictures are not searched either, since it is unknown what they show.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.evaluation.gallery import Gallery
from training.evaluation.labels import Shown
from training.evaluation.task import Task, Unasked

QUERIES = 60  # at most, of each label at each camera, evenly spaced

Pair = tuple[int, int]  # a row of the gallery and a label that it shows
Masks = tuple[np.ndarray, np.ndarray]  # correct hits, and what is searched: bool (M, N), for M queries


def another_pass(gallery: Gallery, shown: Shown, crops: bool, states: bool = False, of_kind: bool = False) -> Task:
    """Find a label again in other intervals of its camera.

    Labelled frames are searched, and regions if queries are crops, except those of intervals that the query lies in.
    Pictures of other cameras with the same label are ignored: they belong to another task.
    states: search for states of the scene instead of things that pass. of_kind: `shown` has kinds for labels.
    """

    during = shown.during.astype(np.float32)

    def masks(rows: np.ndarray, label: int) -> Masks:
        elsewhere = gallery.camera[rows, None] != gallery.camera
        own = during[rows] @ during.T > 0  # (M, N): taken during an interval in common
        searched = _stored(gallery, shown, crops) & ~own & ~(shown.shows[:, label] & elsewhere)
        return searched & shown.shows[:, label], searched

    what, again = _what(crops), "in another interval" if states else "at another pass"
    thing = "a state of the scene" if states else "another of its kind" if of_kind else "the same thing"
    title = f"{what}, {'another of its kind' if of_kind else 'a state again' if states else 'another pass'}"
    note = (
        f"{thing.capitalize()} {again} of its camera, searched among {_among(crops)} outside the query's own interval."
    )
    name = f"{'crops' if crops else 'frames'}_{'another_of_kind' if of_kind else 'state' if states else 'another_pass'}"

    def reason(rows: np.ndarray, label: int) -> str:
        during = shown.during[rows][:, shown.of == label].any(0).sum()
        return "one interval only" if during < 2 else "no frame at another interval"

    return _task(gallery, shown, crops, states, masks, reason, (name, title, note))


def other_cameras(gallery: Gallery, shown: Shown, crops: bool, of_kind: bool = False) -> Task:
    """Find a thing, or its kind if labels are kinds, at other cameras; the query's own camera is not searched."""

    def masks(rows: np.ndarray, label: int) -> Masks:
        searched = _stored(gallery, shown, crops) & (gallery.camera[rows, None] != gallery.camera)
        return searched & shown.shows[:, label], searched

    def reason(rows: np.ndarray, label: int) -> str:
        return "one camera only"

    thing = "A thing of the same kind" if of_kind else "The same label"
    note = f"{thing}, searched among {_among(crops)} of all cameras but the query's own."
    title = f"{_what(crops)}, {'the same kind at other cameras' if of_kind else 'other cameras'}"
    return _task(
        gallery, shown, crops, False, masks, reason, (f"{'crops' if crops else 'frames'}_other_cameras", title, note)
    )


def _what(crops: bool) -> str:
    return "Crops of what moves" if crops else "Whole frames"


def _among(crops: bool) -> str:
    return "frames and regions" if crops else "frames"


def _stored(gallery: Gallery, shown: Shown, crops: bool) -> np.ndarray:
    return shown.known & (crops | gallery.whole)


def _task(
    gallery: Gallery,
    shown: Shown,
    crops: bool,
    states: bool,
    masks: Callable[[np.ndarray, int], Masks],
    reason: Callable[[np.ndarray, int], str],
    about: tuple[str, str, str],
) -> Task:
    """Make all queries that have a correct hit, an even sample for each label; list the others with a reason."""
    pairs: list[Pair] = []
    relevant: list[np.ndarray] = []
    searched: list[np.ndarray] = []
    possible: dict[tuple[str, str], int] = {}
    unasked: list[Unasked] = []
    askable = _largest(gallery, shown) if crops else gallery.whole
    for camera, label, rows in _by_camera(gallery, shown, states):
        asked = rows[askable[rows]]
        right, among = masks(asked, label)
        found = np.flatnonzero(right.any(1))
        if not len(found):
            why = reason(rows, label) if len(asked) else f"no {'region' if crops else 'frame'} shows it"
            unasked.append(Unasked(shown.names[label], camera, why))
            continue
        possible[shown.names[label], camera] = len(found)
        chosen = found[np.linspace(0, len(found) - 1, min(QUERIES, len(found))).round().astype(int)]
        pairs += [(int(row), label) for row in asked[chosen]]
        relevant.append(right[chosen])
        searched.append(among[chosen])
    query = np.array([row for row, _ in pairs], np.int64)
    none = np.empty((0, len(gallery)), bool)
    return Task(
        *about,
        units="intervals" if states else "passes",
        crops=crops,
        clean=True,
        query=query,
        relevant=np.concatenate([none, *relevant]),
        searched=np.concatenate([none, *searched]),
        label=np.array([shown.names[label] for _, label in pairs], object),
        camera=gallery.camera[query].astype(object),
        unit=np.array([_interval(shown, row, label) for row, label in pairs], np.int64),
        possible=possible,
        unasked=unasked if states else unasked + _set_apart(gallery, shown),
        reason="" if pairs else "no label has a query",
    )


def _by_camera(gallery: Gallery, shown: Shown, states: bool) -> list[tuple[str, int, np.ndarray]]:
    """List every label of every camera, either states or things that pass, with the rows that show it."""
    return [
        (camera, label, np.flatnonzero(shown.shows[:, label] & (gallery.camera == camera)))
        for label, name in enumerate(shown.names)
        for camera in _cameras(gallery, shown, label)
        if ((camera, name) in shown.states) == states
    ]


def _cameras(gallery: Gallery, shown: Shown, label: int) -> list[str]:
    """Return the cameras that show a label; an empty name if there are none, so that the label is listed."""
    return np.unique(gallery.camera[shown.shows[:, label]]).tolist() or [""]


def _set_apart(gallery: Gallery, shown: Shown) -> list[Unasked]:
    """List states as not searched for among things that pass: they have a separate task."""
    return [
        Unasked(name, camera, f"a state: {shown.states[camera, name]}")
        for label, name in enumerate(shown.names)
        for camera in _cameras(gallery, shown, label)
        if (camera, name) in shown.states
    ]


def _largest(gallery: Gallery, shown: Shown) -> np.ndarray:
    """Return the first region, which is the largest, of each frame that shows a label: bool (N,)."""
    rows = np.flatnonzero(~gallery.whole & shown.shows.any(1))
    _, first = np.unique(gallery.frame[rows], return_index=True)
    found = np.zeros(len(gallery), bool)
    found[rows[first]] = True
    return found


def _interval(shown: Shown, row: int, label: int) -> int:
    """Return the label's interval that a row lies in; its first, or -1, for a region of another kind's box."""
    inside = np.flatnonzero(shown.during[row] & (shown.of == label))
    return int(inside[0]) if len(inside) else -1
