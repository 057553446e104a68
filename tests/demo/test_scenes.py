"""Rendered footage: what events.csv says is what the pictures show."""

from __future__ import annotations

import csv
import itertools
import math
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from lookalike.demo import scenes, schedule
from lookalike.demo.schedule import CAMERAS, Camera, Event
from lookalike.demo.tracks import read_tracks

DURATION_S, FPS, SEED, SIZE_PX = 12, 10, 0, (320, 180)
by_camera = pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.name)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event], list[tuple[int, int]]]:
    folder, progress = tmp_path_factory.mktemp("demo") / "footage", []
    events = scenes.render_scenes(folder, DURATION_S, FPS, on_progress=lambda *step: progress.append(step))
    return folder, events, progress


def test_four_cameras_and_their_events_are_written(rendered) -> None:
    folder, events, progress = rendered
    assert sorted(path.name for path in folder.iterdir()) == (
        "dock.mp4 events.csv gate.mp4 hall.mp4 road.mp4 tracks.csv".split()
    )
    with (folder / "events.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["clip", "start_s", "end_s", "label"]
    assert [Event(clip, float(start), float(end), label) for clip, start, end, label in rows] == events
    assert progress == [(done, 4 * DURATION_S * FPS) for done in range(1, 4 * DURATION_S * FPS + 1)]


def test_tracks_say_where_each_thing_is_in_each_frame(rendered) -> None:
    expected = {
        (camera.clip, index / FPS, f"{camera.name}-{number + 1:02d}", passes[number].label)
        for camera in CAMERAS
        for passes in [schedule.plan_passes(camera, DURATION_S, SEED)]
        for index in range(DURATION_S * FPS)
        for number in schedule.shown_at(camera, passes, index / FPS)
    }
    tracks = read_tracks(rendered[0] / "tracks.csv")
    assert {(track.clip, track.time_s, track.pass_id, track.label) for track in tracks} == expected


@by_camera
def test_frame_i_is_shown_at_exactly_i_over_fps(rendered, camera: Camera) -> None:
    with av.open(str(rendered[0] / camera.clip)) as container:
        stream = container.streams.video[0]
        times = [Fraction(frame.pts or 0) * (frame.time_base or 0) for frame in container.decode(stream)]
        assert (stream.width, stream.height, stream.codec_context.pix_fmt) == (*SIZE_PX, "yuv420p")
        assert container.metadata["creation_time"].startswith(camera.recorded_at[:19])
    assert times == [Fraction(index, FPS) for index in range(DURATION_S * FPS)]


@by_camera
def test_encoding_keeps_the_picture(rendered, camera: Camera) -> None:
    """Noise of sigma 4 is 4 * sqrt(2 / pi) = 3.2 levels from its mean: what an encoder that smooths it away costs."""
    with av.open(str(rendered[0] / camera.clip)) as container:
        decoded = next(container.decode(video=0)).to_ndarray(format="rgb24")
    first = next(scenes.scene_frames(camera, DURATION_S, FPS, SEED, SIZE_PX))
    assert np.abs(decoded.astype(int) - first).mean() < 5


@by_camera
def test_events_lie_within_the_clip_and_labels_recur(rendered, camera: Camera) -> None:
    events = [event for event in rendered[1] if event.clip == camera.clip]
    assert all(0 <= event.start_s <= event.end_s <= DURATION_S - 1 / FPS for event in events)
    assert all(event.end_s < later.start_s for event, later in itertools.pairwise(events))
    counts = Counter(event.label for event in events if event.label != "empty")
    assert counts
    assert min(counts.values()) >= 2


@by_camera
@pytest.mark.parametrize("seed", range(3))
def test_a_minute_has_eight_or_nine_passes_and_empty_stretches(camera: Camera, seed: int) -> None:
    events = schedule.scene_events(camera, 60, FPS, seed)
    passes = [event for event in events if event.label != "empty"]
    assert len(passes) in (8, 9)
    assert min(Counter(event.label for event in passes).values()) >= 2
    assert all(2 <= round(event.end_s - event.start_s, 6) <= 5 for event in passes)
    assert all(event.end_s - event.start_s >= schedule.EMPTY_AT_LEAST_S for event in events if event.label == "empty")
    assert any(event.label == "empty" for event in events)


def test_some_labels_recur_at_another_camera() -> None:
    seen = [{event.label for event in schedule.scene_events(camera, 60, FPS, SEED)} - {"empty"} for camera in CAMERAS]
    cameras_per_label = Counter(label for labels in seen for label in labels)
    assert {label for label, cameras in cameras_per_label.items() if cameras >= 2} == set(
        "red_car green_bicycle blue_person brown_box".split()
    )


@by_camera
def test_an_object_shows_where_and_when_its_pass_says(camera: Camera) -> None:
    """Two empty frames differ by noise alone: 4 * sqrt(2) * sqrt(2 / pi) = 4.5 levels on average."""
    frames = list(scenes.scene_frames(camera, DURATION_S, FPS, SEED, SIZE_PX))
    passes = schedule.plan_passes(camera, DURATION_S, SEED)
    empty = {i for i in range(len(frames)) if all(schedule.box_at(camera, one, i / FPS) is None for one in passes)}
    lamp_on = round(scenes.LAMP_ON_AT * DURATION_S * FPS)
    empty -= set(range(lamp_on - 1, lamp_on + FPS))  # while it warms up, neighbours differ by more than noise
    for passing in passes:
        middle = round((passing.start_s + passing.duration_s / 2) * FPS)
        box = schedule.box_at(camera, passing, middle / FPS)
        assert box is not None
        left, top, right, bottom = (round(edge) for edge in box)
        near = min((i for i in empty if i + 1 in empty), key=lambda index: abs(index - middle))
        shown, before, after = (frames[i][top:bottom, left:right].astype(int) for i in (middle, near, near + 1))
        noise = np.abs(before - after).mean()
        assert noise == pytest.approx(4.5, abs=0.5)
        assert np.abs(shown - before).mean() > 2 * noise


def test_sensor_noise_has_the_sigma_that_it_states() -> None:
    """The difference of two frames has sqrt(2) times the noise of one; road's frames 0 and 1 of 60 s are empty."""
    frames = scenes.scene_frames(CAMERAS[1], 60, FPS, SEED, SIZE_PX)
    first, second = (next(frames)[60:160].astype(float) for _ in range(2))
    assert np.std(first - second) / math.sqrt(2) == pytest.approx(scenes.NOISE_SIGMA, rel=0.1)


def test_the_hall_grows_brighter_when_its_lamp_goes_on() -> None:
    hall = CAMERAS[3]
    levels = [frame.mean() for frame in scenes.scene_frames(hall, DURATION_S, FPS, SEED, (64, 36))]
    lamp_on = round(scenes.LAMP_ON_AT * DURATION_S * FPS)
    assert min(levels[lamp_on + FPS :]) > 1.25 * max(levels[:lamp_on])


def test_the_clock_changes_with_the_second_and_carries_no_noise() -> None:
    frames = itertools.islice(scenes.scene_frames(CAMERAS[0], 2, FPS, SEED, SIZE_PX), FPS + 1)
    clocks = [frame[3:12, 4:100] for frame in frames]  # gate's is at the top left
    assert all(np.array_equal(clock, clocks[0]) for clock in clocks[:FPS])
    assert not np.array_equal(clocks[FPS], clocks[0])


@by_camera
def test_a_seed_fixes_every_pixel(camera: Camera) -> None:
    def start(seed: int) -> np.ndarray:
        return np.stack(list(itertools.islice(scenes.scene_frames(camera, 4, FPS, seed, SIZE_PX), 20)))

    first = start(seed=7)
    assert (first.dtype, first.shape) == (np.uint8, (20, 180, 320, 3))
    assert np.array_equal(first, start(seed=7))
    assert not np.array_equal(first, start(seed=8))


@pytest.mark.parametrize(("duration_s", "size_px"), [(0, (320, 180)), (1, (321, 180)), (1, (320, 0))])
def test_impossible_footage_is_refused(tmp_path: Path, duration_s: float, size_px: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="expected at least one frame and even sides"):
        scenes.render_scenes(tmp_path / "new", duration_s, size_px=size_px)
    assert not (tmp_path / "new").exists()
