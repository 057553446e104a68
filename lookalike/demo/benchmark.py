"""Footage for measuring how well things are found: the same individuals, at six cameras, in changing light.

    gate, road, dock, hall   the places of the demo; the hall's lamp stays as it is
    yard                     a works yard by day
    night                    the same yard in infrared: grey, dark at the edges, noisy; vehicles have headlights on

By default two minutes of each, 320 x 180, 10 frames a second. Each camera has a cast of four or five individuals, out
of ten; each individual is in the casts of two to five cameras, so "where else?" has a known answer. red_car and
blue_car, or blue_person and red_person, differ by colour alone: "the same thing" is not "the same kind of thing".

Time goes by in rounds. In each, the whole cast passes once, one after the other, but for two that meet. With each round
the light changes: exposure, white balance, and the side that the sun is on. So each individual passes a camera once in
each light. By default a camera has four or five rounds: 120 passes in all. The brightest round is exposed 3 times as
long as the darkest (2 times at night).

    from lookalike.demo.benchmark import render_benchmark
    render_benchmark(Path("footage"))
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lookalike.demo.scenes import Size, draw_frames, encode, frame_count, pass_tracks, write_events
from lookalike.demo.schedule import CAMERAS as DEMO_CAMERAS
from lookalike.demo.schedule import Camera, Event, Pass, pass_events, plan_pass
from lookalike.demo.tracks import TrackedRegion, write_tracks

SLOT_S = 7.5  # a pause, and one pass or two at the same time
PAUSE = 0.2  # of a slot: nothing passes, and between rounds the light changes
FEWEST_ROUNDS, FEWEST_LABELS = 3, 3
EXPOSURES, NIGHT_EXPOSURES = (0.45, 1.35), (0.7, 1.4)  # darkest and brightest, as factors
WARMEST, STEEPEST = 0.22, 0.3

_GATE, _ROAD, _DOCK, _HALL = DEMO_CAMERAS
_YARD = Camera(
    "yard", "2026-01-05T10:20:00+00:00", 46, 0.25, cloud=0.3, clock=(0, 0),
    cast=("red_car", "yellow_forklift", "white_van", "red_person", "blue_car"),
    lanes=((0, 142, 320, 128), (0, 168, 320, 160), (0, 128, 320, 150)),
    paths=((0, 134, 320, 126), (0, 156, 320, 160), (0, 172, 320, 150)),
)  # fmt: skip
# Short clips show the first three or four labels of each cast. Those, too, are each in two casts or more.
CAMERAS = (
    replace(_GATE, cast=("red_car", "brown_dog", "white_van", "blue_person", "green_bicycle")),
    replace(_ROAD, cast=("red_car", "blue_person", "green_bicycle", "yellow_truck", "blue_car")),
    replace(_DOCK, cast=("blue_person", "yellow_forklift", "brown_box", "yellow_truck", "white_van")),
    replace(_HALL, cast=("blue_person", "brown_dog", "brown_box", "red_person"), lamp=None, warmth=0.02),
    _YARD,
    replace(
        _YARD, name="night", recorded_at="2026-01-05T22:10:00+00:00", place="yard", night=True, cloud=0.0, warmth=0.0,
        cast=("red_car", "blue_person", "green_bicycle", "white_van", "brown_dog"),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Light:
    """Factors on every pixel.

    exposure: on all. warmth: e to its power on red, to minus its power on blue. tilt: 1 + tilt at the right edge of the
    picture, 1 - tilt at its left.
    """

    exposure: float
    warmth: float
    tilt: float


@dataclass(frozen=True)
class Round:
    """The whole cast once, in one light. The light is reached by settled_s, before anything passes."""

    start_s: float
    settled_s: float
    light: Light
    passes: tuple[Pass, ...]


def render_benchmark(
    folder: Path,
    seed: int = 0,
    duration_s: float = 120,
    fps: int = 10,
    size_px: Size = (320, 180),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Event]:
    """Write gate.mp4, road.mp4, dock.mp4, hall.mp4, yard.mp4, night.mp4, events.csv and tracks.csv into `folder`.

    events.csv (clip,start_s,end_s,label): each pass while `visible` in tracks.csv is .7 or more. Events overlap where
    two things pass at the same time. `empty`: for 2 s or more nothing shows, not even a shadow or a beam of light.
    tracks.csv (see tracks.py): the true region of each thing in each frame, and which pass it belongs to.
    on_progress: called with (frames done, frames in all). Returns: the events, as in events.csv.
    A seed fixes every pixel before encoding; encoded bytes may differ between builds of x264.
    Raises: ValueError if no frame fits into duration_s, or a side of size_px is odd (yuv420p halves both).
    """
    count = frame_count(duration_s, fps, size_px)
    folder.mkdir(parents=True, exist_ok=True)
    events: list[Event] = []
    tracks: list[TrackedRegion] = []
    for index, camera in enumerate(CAMERAS):
        passes = _passes(plan_rounds(camera, duration_s, seed))
        frames = benchmark_frames(camera, duration_s, fps, seed, size_px)
        for done in encode(folder / camera.clip, frames, fps, size_px, camera.recorded_at):
            on_progress(index * count + done, len(CAMERAS) * count)
        events.extend(pass_events(camera, passes, duration_s, fps))
        tracks.extend(pass_tracks(camera, passes, duration_s, fps))
    write_events(folder / "events.csv", events)
    write_tracks(folder / "tracks.csv", tracks)
    return events


def benchmark_frames(camera: Camera, duration_s: float, fps: int, seed: int, size_px: Size) -> Iterator[np.ndarray]:
    """Yield the pictures of one camera, before encoding: uint8 (H, W, 3), RGB, frame i at i / fps seconds."""
    rounds = plan_rounds(camera, duration_s, seed)
    return draw_frames(camera, _passes(rounds), duration_s, fps, seed, size_px, gain_over(rounds, size_px[0]))


def _passes(rounds: Sequence[Round]) -> list[Pass]:
    return [passing for round_ in rounds for passing in round_.passes]


def plan_rounds(camera: Camera, duration_s: float, seed: int) -> list[Round]:
    """Who passes when, and in which light: FEWEST_ROUNDS or more, with as much of the cast as there is time for."""
    rng = camera.rng(seed, purpose=2)
    slots = max(FEWEST_ROUNDS * (FEWEST_LABELS - 1), round(duration_s / SLOT_S))
    cast = camera.cast[: slots // FEWEST_ROUNDS + 1]
    slots_each = len(cast) - 1  # one of them has two passes
    count = slots // slots_each
    slot_s = duration_s / (count * slots_each)
    rounds: list[Round] = []
    for index, light in enumerate(_plan_lights(camera, count, rng)):
        start_s = index * slots_each * slot_s
        last = rounds[-1].passes[-1].label if rounds else ""
        passes = _plan_round(camera, _order(cast, last, rng), start_s, slot_s, rng)
        rounds.append(Round(start_s, start_s + PAUSE * slot_s, light, passes))
    return rounds


def _plan_lights(camera: Camera, count: int, rng: np.random.Generator) -> list[Light]:
    """Settings in equal steps over their ranges, each in an order of its own; at night no colour and no sun."""
    exposures = rng.permutation(np.geomspace(*(NIGHT_EXPOSURES if camera.night else EXPOSURES), count))
    warmths = rng.permutation(np.linspace(-WARMEST, WARMEST, count))
    tilts = rng.permutation(np.linspace(-STEEPEST, STEEPEST, count))
    if camera.night:
        return [Light(float(exposure), 0.0, 0.0) for exposure in exposures]
    return [Light(*map(float, each)) for each in zip(exposures, warmths, tilts, strict=True)]


def _order(cast: Sequence[str], last: str, rng: np.random.Generator) -> list[str]:
    """The cast in any order in which who came last is not among the first two, who may pass together."""
    order = [str(label) for label in rng.permutation(cast)]
    return order if last not in order[:2] else _order(cast, last, rng)


def _plan_round(
    camera: Camera, order: Sequence[str], start_s: float, slot_s: float, rng: np.random.Generator
) -> tuple[Pass, ...]:
    """One pass for each label, and two in one slot, which is not the round's last."""
    shared = int(rng.integers(len(order) - 2))
    passes: list[Pass] = []
    for index, label in enumerate(order):
        slot = index - (index > shared)
        when_s = start_s + (slot + PAUSE) * slot_s, (1 - PAUSE) * slot_s
        passing = plan_pass(camera, label, *when_s, rng)
        while index == shared + 1 and not _meet(passing, passes[-1]):
            passing = plan_pass(camera, label, *when_s, rng)
        passes.append(passing)
    return tuple(passes)


def _meet(first: Pass, second: Pass) -> bool:
    """Whether two go opposite ways, so that neither hides the other for long, and on different lines."""
    opposite = (first.line[2] > first.line[0]) != (second.line[2] > second.line[0])
    return opposite and {first.line[1], first.line[3]} != {second.line[1], second.line[3]}


def gain_over(rounds: Sequence[Round], width_px: int) -> Callable[[float], np.ndarray]:
    """The light of each round from settled_s to the next round's start; in between it changes evenly.

    Returns: time_s -> float32 (1, W, 3).
    """
    lights = [(np.log(round_.light.exposure), round_.light.warmth, round_.light.tilt) for round_ in rounds]
    times_s = [0.0, *itertools.chain(*((round_.start_s, round_.settled_s) for round_ in rounds[1:]))]
    values = np.array([lights[0], *itertools.chain(*itertools.pairwise(lights))])
    x = np.linspace(-1, 1, width_px)[None, :, None]

    def gain_at(time_s: float) -> np.ndarray:
        exposure, warmth, tilt = (np.interp(time_s, times_s, column) for column in values.T)
        return (np.exp(exposure + warmth * np.array([1, 0, -1])) * (1 + tilt * x)).astype(np.float32)

    return gain_at
