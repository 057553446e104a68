"""What passes which camera, when and where: the schedule of the rendered footage, in seconds and plane units."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lookalike.demo.backdrops import PLANE
from lookalike.demo.sprites import KINDS, MARGIN_M, Kind

PASSES_PER_MINUTE = (8, 9)
MOSTLY_IN_VIEW = 0.7  # of the object's box, and not hidden: from here on it counts as an event
EMPTY_AT_LEAST_S = 2.0
HEADLIGHT_M = 3.5  # how far ahead of a vehicle its headlights shine

Line = tuple[float, float, float, float]  # x0, y0, x1, y1
Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Event:
    """What is wholly or mostly in view from start_s to end_s, both included: "<colour>_<kind>", or "empty"."""

    clip: str
    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True)
class Camera:
    """A place and its light, on a plane of 320 x 180 units that `size_px` stretches.

    What stands at height y is drawn at (y - horizon) * growth units a metre. cast: labels; short clips show the first.
    lanes, paths: the lines that wheels and feet follow. drift, warmth, cloud: how much the light, its colour and
    the clouds' shadow vary, as shares of 1. lamp: centre and radius of its light, where there is one.
    clock: which corner; 0 is left or top, 1 is right or bottom. place: whose backdrop it looks at, if not its own.
    night: it sees infrared light, without colour, and vehicles have their headlights on.
    """

    name: str
    recorded_at: str
    horizon: float
    growth: float
    cast: tuple[str, ...]
    lanes: tuple[Line, ...]
    paths: tuple[Line, ...]
    clock: tuple[int, int]
    drift: float = 0.09
    warmth: float = 0.04
    cloud: float = 0.0
    lamp: tuple[float, float, float] | None = None
    place: str | None = None
    night: bool = False

    @property
    def clip(self) -> str:
        return f"{self.name}.mp4"

    def margin_m(self, kind: Kind) -> float:
        """How far around an object the picture may differ from the empty place: its shadow, at night its headlights."""
        return MARGIN_M + (HEADLIGHT_M if self.night and kind.headlight_m else 0.0)

    def rng(self, seed: int, purpose: int) -> np.random.Generator:
        """Each purpose draws from its own stream, so that the schedule does not depend on the picture's size."""
        return np.random.default_rng([seed, zlib.crc32(self.name.encode()), purpose])


CAMERAS = (
    Camera(
        "gate", "2026-01-05T08:00:00+00:00", 48, 0.25, cloud=0.3, clock=(0, 0),
        cast=("red_car", "white_van", "blue_person", "green_bicycle", "brown_dog"),
        lanes=((0, 148, 320, 112), (0, 172, 320, 136)),
        paths=((0, 158, 320, 130), (0, 132, 320, 164), (0, 174, 320, 168)),
    ),
    Camera(
        "road", "2026-01-05T12:15:00+00:00", 54, 0.25, cloud=0.38, clock=(1, 1),
        cast=("red_car", "green_bicycle", "blue_car", "yellow_truck", "blue_person"),
        lanes=((0, 132, 320, 118), (0, 160, 320, 146)),
        paths=((0, 175, 320, 164),),
    ),
    Camera(
        "dock", "2026-01-05T15:30:00+00:00", 36, 0.27, drift=0.15, warmth=0.1, clock=(1, 0),
        cast=("yellow_forklift", "blue_person", "red_forklift", "brown_box", "white_van"),
        lanes=((0, 136, 320, 136), (0, 164, 320, 142), (0, 140, 320, 168)),
        paths=((0, 132, 320, 150), (0, 168, 320, 146), (0, 150, 320, 170)),
    ),
    Camera(
        "hall", "2026-01-05T18:45:00+00:00", 54, 0.4, drift=0.03, clock=(0, 1), lamp=(160, 120, 150),
        cast=("blue_person", "brown_dog", "red_person", "brown_box", "green_person"),
        lanes=(),
        paths=((0, 136, 320, 162), (0, 172, 320, 134), (0, 150, 320, 150)),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Pass:
    """One object on its way along `line`, from outside the view to outside it.

    slowing: 0 for even speed; towards 1, it nearly stops half-way.
    """

    label: str
    line: Line
    start_s: float
    duration_s: float
    slowing: float

    @property
    def kind(self) -> Kind:
        return KINDS[self.label.split("_")[1]]

    def share_at(self, time_s: float) -> float:
        """How much of the line has been covered; outside [0, 1] the object is not there."""
        share = (time_s - self.start_s) / self.duration_s
        return share + self.slowing * math.sin(2 * math.pi * share) / (2 * math.pi) if 0 <= share <= 1 else -1.0

    def y_at(self, time_s: float) -> float:
        """How far down the picture it stands, in units of the plane: the further, the nearer to the camera."""
        return self.line[1] + (self.line[3] - self.line[1]) * self.share_at(time_s)


@dataclass(frozen=True)
class Shown:
    """An object in one picture.

    box: clipped to the picture. visible: the share of the whole box that lies in the picture and behind no nearer box.
    More may show: boxes are larger than what is in them, and where two nearer boxes cross, their area counts twice.
    """

    box: Box
    visible: float


def plan_passes(camera: Camera, duration_s: float, seed: int) -> list[Pass]:
    """Who passes when: equal slots with one pass each, and every label at least twice."""
    rng = camera.rng(seed, purpose=0)
    count = max(2, round(duration_s / 60 * rng.integers(PASSES_PER_MINUTE[0], PASSES_PER_MINUTE[1] + 1)))
    cast = camera.cast[: count // 2]
    labels: list[str] = []
    while len(labels) < count:
        round_of_all = [str(label) for label in rng.permutation(cast)]
        if labels and round_of_all[0] == labels[-1]:
            round_of_all.reverse()  # the same one twice running would be one long event to a viewer
        labels.extend(round_of_all)
    slot_s = duration_s / count
    return [plan_pass(camera, label, slot * slot_s, slot_s, rng) for slot, label in enumerate(labels[:count])]


def plan_pass(camera: Camera, label: str, slot_start_s: float, slot_s: float, rng: np.random.Generator) -> Pass:
    """One pass on a line of the camera, in either direction, within its slot."""
    kind = KINDS[label.split("_")[1]]
    lines = camera.paths if kind.walks else camera.lanes
    x0, y0, x1, y1 = lines[rng.integers(len(lines))]
    start, end = _outside(camera, kind, x0, y0), _outside(camera, kind, x1, y1)
    line = (*end, *start) if rng.random() < 0.5 else (*start, *end)
    duration_s = slot_s * rng.uniform(*kind.slot_share)
    start_s = slot_start_s + rng.uniform(0, slot_s - duration_s)
    return Pass(label, line, start_s, duration_s, slowing=rng.uniform(0.0, 0.5))


def _outside(camera: Camera, kind: Kind, x: float, y: float) -> tuple[float, float]:
    """An end of a line at the view's left or right edge, moved out by as much as the object needs."""
    half = (kind.length_m / 2 + camera.margin_m(kind)) * (y - camera.horizon) * camera.growth
    return (-half if x <= 0 else PLANE[0] + half), y


def box_at(camera: Camera, passing: Pass, time_s: float, margin_m: float = 0.0) -> Box | None:
    """Where the object is, in units of the plane, with `margin_m` around it; None before and after its pass."""
    share = passing.share_at(time_s)
    if share < 0:
        return None
    x0, y0, x1, y1 = passing.line
    x, y = x0 + (x1 - x0) * share, y0 + (y1 - y0) * share
    per_m = (y - camera.horizon) * camera.growth
    half, margin = passing.kind.length_m / 2 * per_m, margin_m * per_m
    return x - half - margin, y - passing.kind.height_m * per_m - margin, x + half + margin, y + margin


def scene_events(camera: Camera, duration_s: float, fps: int, seed: int) -> list[Event]:
    """The events of the demo's schedule."""
    return pass_events(camera, plan_passes(camera, duration_s, seed), duration_s, fps)


def pass_events(camera: Camera, passes: Sequence[Pass], duration_s: float, fps: int) -> list[Event]:
    """The passes while MOSTLY_IN_VIEW, and `empty` where not even a shadow shows; sorted by start_s."""
    times_s = [index / fps for index in range(round(duration_s * fps))]
    shown = [shown_at(camera, passes, time_s) for time_s in times_s]
    empty = np.ones(len(times_s), bool)
    events: list[Event] = []
    for number, passing in enumerate(passes):
        margin_m = camera.margin_m(passing.kind)
        empty &= np.array([_share_in_view(box_at(camera, passing, time_s, margin_m)) == 0 for time_s in times_s])
        clear = np.array([number in frame and frame[number].visible >= MOSTLY_IN_VIEW for frame in shown])
        for first, last in _runs(clear):
            events.append(Event(camera.clip, times_s[first], times_s[last], passing.label))
    for first, last in _runs(empty):
        if times_s[last] - times_s[first] >= EMPTY_AT_LEAST_S:
            events.append(Event(camera.clip, times_s[first], times_s[last], "empty"))
    return sorted(events, key=lambda event: event.start_s)


def shown_at(camera: Camera, passes: Sequence[Pass], time_s: float) -> dict[int, Shown]:
    """What has its box at least partly in the picture, by its index in `passes`."""
    boxes = {number: box_at(camera, passing, time_s) for number, passing in enumerate(passes)}
    inside = {number: box for number, box in boxes.items() if box is not None and _share_in_view(box) > 0}
    return {
        number: _shown(box, [near for near in inside.values() if near[3] > box[3]]) for number, box in inside.items()
    }


def _shown(box: Box, nearer: Sequence[Box]) -> Shown:
    left, top, right, bottom = box
    clipped = max(0.0, left), max(0.0, top), min(float(PLANE[0]), right), min(float(PLANE[1]), bottom)
    hidden = sum(_overlap(clipped, near) for near in nearer) / ((right - left) * (bottom - top))
    return Shown(clipped, max(0.0, _share_in_view(box) - hidden))


def _share_in_view(box: Box | None) -> float:
    return 0.0 if box is None else _overlap(box, (0, 0, *PLANE)) / ((box[2] - box[0]) * (box[3] - box[1]))


def _overlap(first: Box, second: Box) -> float:
    """The area that two boxes share."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(0.0, width) * max(0.0, height)


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return [(int(start), int(stop) - 1) for start, stop in edges.reshape(-1, 2)]
