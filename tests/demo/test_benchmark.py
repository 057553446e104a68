"""Footage for measuring: labels and regions are what the pictures show; the same things come back in other light."""

from __future__ import annotations

import csv
import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from lookalike.demo import benchmark
from lookalike.demo.benchmark import CAMERAS, Light, Round, gain_over, plan_rounds
from lookalike.demo.scenes import draw_frames
from lookalike.demo.schedule import MOSTLY_IN_VIEW, Camera, Event, Pass, box_at, pass_events, shown_at
from lookalike.demo.tracks import read_tracks

DEFAULT_S = 120
DURATION_S, FPS, SEED, SIZE_PX = 12, 5, 0, (160, 90)
COUNT = DURATION_S * FPS
NIGHT = next(camera for camera in CAMERAS if camera.night)
YARD = next(camera for camera in CAMERAS if camera.name == "yard")
by_camera = pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.name)


def passes_of(camera: Camera, duration_s: float, seed: int = SEED) -> list[Pass]:
    return [passing for one in plan_rounds(camera, duration_s, seed) for passing in one.passes]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event], list[tuple[int, int]]]:
    folder, progress = tmp_path_factory.mktemp("benchmark") / "footage", []
    events = benchmark.render_benchmark(
        folder, SEED, DURATION_S, FPS, SIZE_PX, on_progress=lambda *step: progress.append(step)
    )
    return folder, events, progress


def test_six_cameras_their_events_and_their_tracks_are_written(rendered) -> None:
    folder, events, progress = rendered
    expected = "dock.mp4 events.csv gate.mp4 hall.mp4 night.mp4 road.mp4 tracks.csv yard.mp4"
    assert sorted(path.name for path in folder.iterdir()) == expected.split()
    with (folder / "events.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["clip", "start_s", "end_s", "label"]
    assert [Event(clip, float(start), float(end), label) for clip, start, end, label in rows] == events
    assert progress == [(done, 6 * COUNT) for done in range(1, 6 * COUNT + 1)]


def test_tracks_hold_each_thing_in_each_frame_of_its_pass(rendered) -> None:
    expected = {
        (camera.clip, index / FPS, f"{camera.name}-{number + 1:02d}", passes[number].label)
        for camera in CAMERAS
        for passes in [passes_of(camera, DURATION_S)]
        for index in range(COUNT)
        for number in shown_at(camera, passes, index / FPS)
    }
    tracks = read_tracks(rendered[0] / "tracks.csv")
    assert {(one.clip, one.time_s, one.pass_id, one.label) for one in tracks} == expected
    assert len(tracks) == len(expected)
    assert len({one.pass_id for one in tracks}) == 6 * 9  # three rounds of three labels at each camera


@by_camera
def test_regions_are_the_boxes_of_the_schedule_clipped_to_the_picture(rendered, camera: Camera) -> None:
    passes = passes_of(camera, DURATION_S)
    for one in read_tracks(rendered[0] / "tracks.csv"):
        if one.clip != camera.clip:
            continue
        box = box_at(camera, passes[int(one.pass_id[-2:]) - 1], one.time_s)
        assert box is not None
        left, top, right, bottom = np.clip(np.array(box) / (320, 180, 320, 180), 0, 1)
        region = (one.region.x, one.region.y, one.region.x + one.region.w, one.region.y + one.region.h)
        assert region == pytest.approx((left, top, right, bottom), abs=2e-6)


@by_camera
def test_events_are_the_frames_whose_regions_are_mostly_visible(rendered, camera: Camera) -> None:
    """By definition: a label's events hold the very frames in which one of its regions is visible to .7 or more."""
    clear = [one for one in read_tracks(rendered[0] / "tracks.csv") if one.visible >= MOSTLY_IN_VIEW]
    tracked = {(one.label, one.time_s) for one in clear if one.clip == camera.clip}
    events = [event for event in rendered[1] if event.clip == camera.clip and event.label != "empty"]
    times_s = [index / FPS for index in range(COUNT)]
    labelled = {(event.label, t) for event in events for t in times_s if event.start_s <= t <= event.end_s}
    assert labelled == tracked
    assert len({one.pass_id for one in clear if one.clip == camera.clip}) == 9  # every pass has its event


@by_camera
@pytest.mark.parametrize("seed", range(3))
def test_each_label_passes_once_a_round(camera: Camera, seed: int) -> None:
    """120 s are 16 slots of 7.5 s. Five labels take four of them, as two pass in one: 4 rounds; the hall's four, 5."""
    rounds = plan_rounds(camera, DEFAULT_S, seed)
    assert len(rounds) == (5 if camera.name == "hall" else 4)
    assert all(sorted(passing.label for passing in one.passes) == sorted(camera.cast) for one in rounds)
    assert Counter(passing.label for passing in passes_of(camera, 10, seed)) == dict.fromkeys(camera.cast[:3], 3)


@pytest.mark.parametrize("duration_s", [1, 60, 80, DEFAULT_S, 600])
def test_each_label_is_seen_at_two_cameras_and_more(duration_s: float) -> None:
    seen = Counter(label for camera in CAMERAS for label in {one.label for one in passes_of(camera, duration_s)})
    assert min(seen.values()) >= 2
    assert seen["red_car"] == 4  # gate, road, yard, night


@by_camera
@pytest.mark.parametrize("seed", range(3))
def test_in_each_round_one_pair_is_in_the_picture_at_the_same_time(camera: Camera, seed: int) -> None:
    passes, size = passes_of(camera, DEFAULT_S, seed), len(camera.cast)
    frames = [shown_at(camera, passes, index / 10) for index in range(DEFAULT_S * 10)]
    pairs = sorted({tuple(sorted(shown)) for shown in frames if len(shown) > 1})
    assert [(first // size, second // size) for first, second in pairs] == [(n, n) for n in range(len(passes) // size)]
    assert all(passes[first].label != passes[second].label for first, second in pairs)  # there is one of each
    clear = [sum(one.visible >= MOSTLY_IN_VIEW for one in shown.values()) for shown in frames]
    assert max(clear) == 2  # so some events overlap


@by_camera
def test_empty_is_where_no_event_is_and_no_region(camera: Camera) -> None:
    passes = passes_of(camera, DEFAULT_S)
    events = [one for one in pass_events(camera, passes, DEFAULT_S, FPS) if one.label == "empty"]
    assert events
    for event in events:
        inside = range(round(event.start_s * FPS), round(event.end_s * FPS) + 1)
        assert not any(shown_at(camera, passes, index / FPS) for index in inside)


@by_camera
def test_pictures_differ_from_the_empty_place_inside_the_regions_and_nowhere_else(camera: Camera) -> None:
    """Without passes the same light and noise are drawn, so the difference is what passes: outside it is exactly zero.

    Around a region there may be a shadow, and the light of headlights.
    """
    rounds, passes = plan_rounds(camera, DURATION_S, SEED), passes_of(camera, DURATION_S)
    shared = (DURATION_S, FPS, SEED, SIZE_PX, gain_over(rounds, SIZE_PX[0]))
    full, empty = draw_frames(camera, passes, *shared), draw_frames(camera, [], *shared)
    looked_at: set[int] = set()
    for index, (shown, bare) in enumerate(zip(full, empty, strict=True)):
        changed = np.abs(shown.astype(int) - bare).max(axis=2)  # (H, W)
        outside = np.ones(changed.shape, bool)
        for passing in passes:
            around = box_at(camera, passing, index / FPS, camera.margin_m(passing.kind))
            if around is not None:
                outside[_pixels(around)] = False
        assert not changed[outside].any()
        for number, one in shown_at(camera, passes, index / FPS).items():
            if one.visible > 0.95:
                rows = np.flatnonzero((changed[_pixels(one.box)] > 2).any(axis=1))
                assert rows[0] <= 2  # of the region's pixels, from its top: as tall as what is in it
                assert (changed[_pixels(one.box)] > 2).mean() > 0.25
                looked_at.add(number)
    assert looked_at == set(range(9))


def _pixels(box: tuple[float, float, float, float]) -> tuple[slice, slice]:
    """The rows and columns of SIZE_PX that a box on the plane of 320 x 180 units touches."""
    left, top, right, bottom = (max(0.0, edge / 2) for edge in box)
    return slice(int(top), int(np.ceil(bottom))), slice(int(left), int(np.ceil(right)))


@by_camera
def test_nothing_passes_before_the_light_has_settled(camera: Camera) -> None:
    rounds = plan_rounds(camera, DEFAULT_S, SEED)
    gain_at = gain_over(rounds, 3)
    for one in rounds:
        steady = gain_at(one.settled_s)
        for passing in one.passes:
            assert passing.start_s >= one.settled_s
            assert np.array_equal(gain_at(passing.start_s), steady)
            assert np.array_equal(gain_at(passing.start_s + passing.duration_s), steady)


@by_camera
def test_each_round_has_its_own_exposure(camera: Camera) -> None:
    """Equal ratios from the darkest to the brightest: 3 to 1 in 3 or 4 steps by day, 2 to 1 in 3 steps at night."""
    exposures = sorted(one.light.exposure for one in plan_rounds(camera, DEFAULT_S, SEED))
    assert exposures[-1] / exposures[0] == pytest.approx(2 if camera.night else 3)
    step = exposures[1] / exposures[0]
    assert [high / low for low, high in itertools.pairwise(exposures)] == pytest.approx([step] * (len(exposures) - 1))
    assert step >= 2 ** (1 / 3) - 1e-9


def test_gain_is_what_the_light_says_and_changes_evenly_in_between() -> None:
    """Halfway from exposure 1 to 4 is 2, the change being even in ratios. Columns: left edge, middle, right edge."""
    rounds = [Round(0, 2, Light(1.0, 0.0, 0.0), ()), Round(10, 12, Light(4.0, float(np.log(2)), 0.5), ())]
    gain_at = gain_over(rounds, 3)
    assert gain_at(10.0).ravel().tolist() == [1.0] * 9
    assert gain_at(11.0)[0, 1].tolist() == pytest.approx([2 * 2**0.5, 2, 2 / 2**0.5], rel=1e-6)
    assert gain_at(12.0)[0].ravel().tolist() == pytest.approx([4, 2, 1, 8, 4, 2, 12, 6, 3], rel=1e-6)


def test_pictures_are_lit_as_drawn() -> None:
    """With the place's own drift and clouds off, nothing else differs. A patch of the yard's ground, left and right."""
    yard = replace(YARD, drift=0.0, cloud=0.0, warmth=0.0)
    rounds = plan_rounds(yard, DURATION_S, SEED)
    frames = list(draw_frames(yard, [], DURATION_S, FPS, SEED, SIZE_PX, gain_over(rounds, SIZE_PX[0])))
    patches = (slice(55, 88), slice(20, 40)), (slice(55, 88), slice(120, 140))
    x = np.linspace(-1, 1, SIZE_PX[0])
    seen, drawn = [], []
    for one in rounds:
        picture = frames[int(np.ceil(one.settled_s * FPS))]
        light = one.light
        for rows, columns in patches:
            seen.append(picture[rows, columns].mean(axis=(0, 1)))
            white = np.exp([light.warmth, 0, -light.warmth])
            drawn.append(light.exposure * white * (1 + light.tilt * x[columns].mean()))
    ratios = np.array(seen[2:]) / np.array(seen[:-2])  # (4, 3): the same patch in the next round
    assert ratios == pytest.approx(np.array(drawn[2:]) / np.array(drawn[:-2]), rel=0.03)


def test_the_night_camera_sees_no_colour(rendered) -> None:
    for frame in benchmark.benchmark_frames(NIGHT, DURATION_S, FPS, SEED, SIZE_PX):
        assert np.array_equal(frame[..., 0], frame[..., 1])
        assert np.array_equal(frame[..., 2], frame[..., 1])
    with av.open(str(rendered[0] / NIGHT.clip)) as container:
        for frame in container.decode(video=0):
            assert np.ptp(frame.to_ndarray(format="rgb24").astype(int), axis=2).max() <= 2  # encoding rounds


def test_at_night_a_car_lights_the_ground_ahead_of_it_and_by_day_it_does_not() -> None:
    """Ahead: where the box will be when the car has gone on by half of its length; less what its shadow reaches."""
    passing = Pass("red_car", (-200, 142, 520, 128), 0.0, 4.0, slowing=0.0)
    box = box_at(YARD, passing, 2.0)
    assert box is not None
    per_m = (box[2] - box[0]) / passing.kind.length_m
    ahead = _pixels((box[2] + 0.5 * per_m, box[3] - 0.1 * per_m, box[2] + 3 * per_m, box[3] + 0.1 * per_m))
    grown: dict[str, float] = {}
    for camera in (NIGHT, YARD):
        lit, bare = (list(draw_frames(camera, p, 2.1, 10, SEED, SIZE_PX))[-1] for p in ([passing], []))
        grown[camera.name] = float(lit[ahead].mean()) - float(bare[ahead].mean())
    assert grown["yard"] == 0
    assert grown["night"] > 30


def test_a_seed_fixes_every_pass_and_another_seed_differs() -> None:
    assert plan_rounds(CAMERAS[0], DEFAULT_S, 7) == plan_rounds(CAMERAS[0], DEFAULT_S, 7)
    assert plan_rounds(CAMERAS[0], DEFAULT_S, 7) != plan_rounds(CAMERAS[0], DEFAULT_S, 8)
    first, again = (next(benchmark.benchmark_frames(CAMERAS[0], 4, FPS, 7, SIZE_PX)) for _ in range(2))
    assert np.array_equal(first, again)


def test_what_is_nearer_hides_what_is_behind() -> None:
    """Two cars on level lines, one in front of the other: the one behind shows what sticks out above, and no more."""
    behind, before = (Pass("red_car", (-200, y, 520, y), 0.0, 4.0, slowing=0.0) for y in (126, 142))
    shown = shown_at(YARD, [before, behind], 2.0)
    assert shown[0].visible == 1.0
    # At (y - 46) / 4 units a metre, a car is 1.47 m high: from 96.6 to 126 behind, from 106.72 to 142 before.
    assert shown[1].visible == pytest.approx((106.72 - 96.6) / (126 - 96.6), abs=1e-6)
    picture, hidden = (
        list(draw_frames(YARD, passes, 2.1, 10, SEED, SIZE_PX))[-1] for passes in ([before, behind], [before])
    )
    bonnet = _pixels((140, 125, 180, 135))
    assert np.array_equal(picture[bonnet], hidden[bonnet])


@pytest.mark.parametrize(("duration_s", "size_px"), [(0, (320, 180)), (1, (321, 180)), (1, (320, 0))])
def test_impossible_footage_is_refused(tmp_path: Path, duration_s: float, size_px: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="expected at least one frame and even sides"):
        benchmark.render_benchmark(tmp_path / "new", duration_s=duration_s, size_px=size_px)
    assert not (tmp_path / "new").exists()
