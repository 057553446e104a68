"""Labels of footage: intervals (events.csv), boxes of what passes (tracks.csv), and what each picture shows.

A label is either a thing that passes or a state of its scene. States are easy to recognise, so they are measured
separately: see `find_states`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lookalike.demo.tracks import TrackedRegion, read_tracks
from lookalike.errors import FootageError
from lookalike.files.regular import open_regular
from lookalike.footage.naming import clip_of
from training.evaluation.gallery import Gallery

EMPTY = "empty"
BOXES = "tracks.csv"  # next to events.csv, of rendered footage
LASTING = 0.2  # of its clip: a label that is visible for longer is a state, unless the clip has a label `empty`
ABUTTING_S = 0.5  # an interval that begins so soon after another follows it
COVERED = 0.5  # of a box, or of the region: so much must overlap


@dataclass(frozen=True)
class Event:
    """Seconds of one clip during which `label` is visible. kind: of thing, if the file has it."""

    clip: str
    start_s: float
    end_s: float
    label: str
    kind: str = ""


@dataclass(frozen=True)
class Labelled:
    """The labels of footage. states: labels that the user names as states of the scene."""

    events: list[Event]
    boxes: list[TrackedRegion] = field(default_factory=list)
    states: tuple[str, ...] = ()


def read_events(path: Path) -> list[Event]:
    """Read `clip,start_s,end_s,label` lines, and `kind` if there is such a column; if it is empty, the end of the label
    from its last underscore. Raises: FootageError if the file is missing, empty or malformed.
    """
    try:
        with io.TextIOWrapper(open_regular(path), "utf-8-sig", newline="") as file:  # spreadsheets put a BOM first
            rows = list(csv.DictReader(file))
        if not rows:
            raise ValueError("no events")
        if any(None in row.values() for row in rows):
            raise ValueError("a line has too few columns")
        return [
            Event(clip_of(row["clip"]), float(row["start_s"]), float(row["end_s"]), row["label"], _kind(row))
            for row in rows
        ]
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise FootageError(
            f"{path}: cannot read events ({error}); expected columns clip,start_s,end_s,label"
        ) from error


def read_labelled(events: Path, states: tuple[str, ...] = ()) -> Labelled:
    """Events, and boxes if a tracks.csv lies next to them. Raises: FootageError if either is malformed."""
    boxes = events.with_name(BOXES)
    return Labelled(read_events(events), read_tracks(boxes) if boxes.is_file() else [], states)


def _kind(row: dict[str, str]) -> str:
    return (row["kind"].strip() or row["label"].rsplit("_", 1)[-1]) if "kind" in row else ""


@dataclass(frozen=True, eq=False)
class Shown:
    """What each of N pictures shows.

    names: L labels. shows: bool (N, L). during: bool (N, I), in which of I intervals or passes each was taken.
    of: int64 (I,), the label of each interval. known: bool (N,), whether it is known what a picture shows,
    even if that is nothing. states: why a label is a state, by camera and label.
    """

    names: list[str]
    shows: np.ndarray
    during: np.ndarray
    of: np.ndarray
    known: np.ndarray
    states: dict[tuple[str, str], str]


def label_gallery(gallery: Gallery, labelled: Labelled) -> Shown:
    """Label a gallery: a frame by the intervals that it lies in, both ends included, a region like its frame.

    In a clip with boxes, a region shows the label of the box that it overlaps most, or nothing.
    """
    names = sorted({one.label for one in labelled.events} | {one.label for one in labelled.boxes})
    number = {name: row for row, name in enumerate(names)}
    by_event = np.array([_within(gallery, one) for one in labelled.events], bool).reshape(-1, len(gallery)).T  # (N, E)
    event_label = np.array([number[one.label] for one in labelled.events], np.int64)
    shows = _any_by(by_event, event_label, len(names))
    known: np.ndarray = np.any(shows, axis=1)
    passes, pass_label = _passes(gallery, labelled.boxes, number)
    for row, seen in _boxes_at(gallery, labelled.boxes, np.flatnonzero(~gallery.whole)):
        shows[row], known[row] = False, True
        if (label := _overlapped(gallery.box[row], seen)) is not None:
            shows[row, number[label]] = True
    states = _states_by_camera(gallery, labelled)
    return Shown(names, shows, np.hstack([passes, by_event]), np.concatenate([pass_label, event_label]), known, states)


def by_kind(shown: Shown, events: Sequence[Event]) -> Shown | None:
    """Replace labels by kinds of things; None if no event has a kind."""
    kinds = {one.label: one.kind for one in events if one.kind}
    if not kinds:
        return None
    of_label = [kinds.get(name, name.rsplit("_", 1)[-1]) for name in shown.names]
    names = sorted(set(of_label))
    merged = np.array([names.index(kind) for kind in of_label], np.int64)
    states = {(camera, of_label[shown.names.index(label)]): why for (camera, label), why in shown.states.items()}
    shows = _any_by(shown.shows, merged, len(names))
    return Shown(names, shows, shown.during, merged[shown.of], shown.known, states)


def find_states(events: Iterable[Event], lengths_s: dict[str, float]) -> dict[tuple[str, str], str]:
    """Find the labels that are states of their scene. Returns: why, by clip and label.

    - `empty` is a state. In a clip that has it, all other labels are things that pass.
    - In a clip without `empty`, a label that covers more than LASTING of it is a state. Labels whose intervals follow
      each other within ABUTTING_S are states, too. Then all labels of that clip are states, since its scene is always
      in one of them.

    lengths_s: of each clip.
    """
    found: dict[tuple[str, str], str] = {}
    by_clip: dict[str, list[Event]] = {}
    for event in events:
        by_clip.setdefault(event.clip, []).append(event)
    for clip, inside in by_clip.items():
        labels = dict.fromkeys(event.label for event in inside)
        if empty := [label for label in labels if label.lower() == EMPTY]:
            found |= {(clip, label): "nothing is there" for label in empty}
        elif why := _lasting(inside, lengths_s.get(clip, 0.0)) or _abutting(inside):
            found |= {(clip, label): why for label in labels}
    return found


def _lasting(events: list[Event], length_s: float) -> str:
    for label in dict.fromkeys(event.label for event in events):
        share = sum(event.end_s - event.start_s for event in events if event.label == label) / (length_s or np.inf)
        if share > LASTING:
            return f"{label} covers {share:.0%} of a clip that is never empty"
    return ""


def _abutting(events: list[Event]) -> str:
    for event in events:
        for following in events:
            if event.label != following.label and 0 <= following.start_s - event.end_s <= ABUTTING_S:
                return f"{following.label} follows {event.label} at once, in a clip that is never empty"
    return ""


def _states_by_camera(gallery: Gallery, labelled: Labelled) -> dict[tuple[str, str], str]:
    lengths_s = {clip: float(gallery.time_s[gallery.clip == clip].max()) for clip in np.unique(gallery.clip).tolist()}
    by_clip = find_states(labelled.events, lengths_s)
    found: dict[tuple[str, str], str] = {}
    for event in labelled.events:
        why = by_clip.get((event.clip, event.label), "named by --states" if event.label in labelled.states else "")
        for camera in np.unique(gallery.camera[gallery.clip == event.clip]).tolist():
            if why:
                found[camera, event.label] = why
    return found


def _within(gallery: Gallery, event: Event) -> np.ndarray:
    return (gallery.clip == event.clip) & (event.start_s <= gallery.time_s) & (gallery.time_s <= event.end_s)


def _any_by(columns: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
    """Merge columns, bool (N, K), by group. Returns: bool (N, count)."""
    found = np.zeros((len(columns), count), bool)
    for column, number in enumerate(group.tolist()):
        found[:, number] |= columns[:, column]
    return found


def _passes(gallery: Gallery, boxes: list[TrackedRegion], number: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows were taken while each pass was in view, bool (N, P), and the passes' labels, int64 (P,)."""
    ids = {pass_id: column for column, pass_id in enumerate(dict.fromkeys(box.pass_id for box in boxes))}
    found = np.zeros((len(gallery), len(ids)), bool)
    label = np.zeros(len(ids), np.int64)
    for box in boxes:
        label[ids[box.pass_id]] = number[box.label]
    for row, seen in _boxes_at(gallery, boxes, np.arange(len(gallery))):
        found[row, [ids[box.pass_id] for box in seen]] = True
    return found, label


def _boxes_at(
    gallery: Gallery, boxes: list[TrackedRegion], rows: np.ndarray
) -> Iterable[tuple[int, list[TrackedRegion]]]:
    """Yield each row that is of a clip with boxes, with the boxes of the nearest moment if it is near enough."""
    by_moment: dict[tuple[str, float], list[TrackedRegion]] = {}
    for box in boxes:
        by_moment.setdefault((box.clip, box.time_s), []).append(box)
    for clip in dict.fromkeys(box.clip for box in boxes):
        times_s = np.array(sorted(time_s for name, time_s in by_moment if name == clip))
        reach_s = float(np.median(np.diff(times_s))) / 2 + 1e-6 if len(times_s) > 1 else 1e-3
        for row in rows[gallery.clip[rows] == clip].tolist():
            nearest = float(times_s[np.abs(times_s - gallery.time_s[row]).argmin()])
            near = abs(nearest - gallery.time_s[row]) <= reach_s
            yield row, by_moment[clip, nearest] if near else []


def _overlapped(region: np.ndarray, boxes: list[TrackedRegion]) -> str | None:
    """Return the label of the box with the largest intersection over union, among those that overlap enough."""
    best, label = 0.0, None
    for box in boxes:
        x, y, w, h = box.region.x, box.region.y, box.region.w, box.region.h
        across = min(region[0] + region[2], x + w) - max(region[0], x)
        down = min(region[1] + region[3], y + h) - max(region[1], y)
        if across <= 0 or down <= 0:
            continue
        shared, own, seen = across * down, region[2] * region[3], w * h
        iou = shared / (own + seen - shared)
        if max(shared / own, shared / seen) >= COVERED and iou > best:
            best, label = iou, box.label
    return label
