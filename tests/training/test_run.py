"""What a finished run says of itself: numbers, a verdict, and a report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lookalike.footage import Frame
from lookalike.region import Region
from tests.training.small import noise_frames, small_cache, small_config, untrained_run
from training.config import TrainConfig
from training.data import build_cache, load_cache
from training.evaluation.labels import Event, Labelled
from training.health import describe_feature_std, describe_rank, effective_rank
from training.pictures import sample_frames
from training.record import METRICS
from training.run import finish_run
from training.summary import sample_gallery
from training.trained import load_trained

CONTENDERS = ["this encoder", "raw pixels 8x8", "raw pixels 8x8, with colour", "raw pixels 32x32"]
CONTENDERS += ["raw pixels 32x32, with colour", "HSV histogram", "untrained, same head"]
CONTENDERS += ["untrained, same head, with colour", "pretrained, same head", "pretrained, same head, with colour"]
BOXES = [Region(0.1 * number, 0.2, 0.2, 0.3) for number in range(0, 9, 3)]


def finished(run: Path, config: TrainConfig) -> Path:
    """A run whose weights are as they were drawn, with two lines of metrics."""
    untrained_run(run, config)
    lines = [
        {"step": step, "loss": 3.0 - step / 10, "feature_std": 0.8, "images_per_s": 50.0 + step} for step in (10, 12)
    ]
    (run / METRICS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


def test_a_finished_run_says_how_it_went_and_stands_next_to_its_baselines(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", small_config())
    found = finish_run(run)
    assert (found["steps"], found["frames"], found["loss"], found["feature_std"]) == (12, 24, pytest.approx(1.8), 0.8)
    assert found["images_per_s"] == 61.0  # the median of 60 and 62
    assert [row["name"] for row in found["evaluation"]["moments"]["rows"]] == CONTENDERS
    assert found["evaluation"]["frames"] == 24
    assert found["verdict"] == found["evaluation"]["verdict"]
    assert found["verdict"].startswith("No verdict: ")  # nothing moves there
    assert "camera_share" not in found["evaluation"]["moments"]["rows"][0]  # of one camera
    assert json.loads(json.dumps(found)) == found

    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.count(found["verdict"]) == 1
    assert page.index(found["verdict"]) < page.index("Moments of whole frames") < page.index("What it finds")
    for name in CONTENDERS:
        assert f"<td>{name}</td>" in page
    assert f"{found['effective_rank']:.1f} of {found['rank_at_most']}" in page
    assert describe_feature_std(0.8) in page


def test_the_rank_is_of_what_the_encoder_gives_about_its_mean(tmp_path: Path) -> None:
    """The head evens dimensions out, so after it every encoder would look healthy."""
    run = finished(tmp_path / "run", small_config(head=True, content=0, layout=8, colour=0))
    encoder, config = load_trained(run)
    _, pictures = sample_frames(load_cache(run / "cache"), config.input_px)
    features = encoder.features(torch.from_numpy(pictures))["layout"].numpy()
    singular = np.linalg.svd(features - features.mean(0), compute_uv=False)
    share = singular / singular.sum()
    found = finish_run(run)
    assert found["rank_at_most"] == len(features) < features.shape[1]
    assert found["effective_rank"] == pytest.approx(float(np.exp(-(share * np.log(share + 1e-12)).sum())), rel=1e-2)


def events_file(path: Path, clip: str) -> str:
    path.write_text(f"clip,start_s,end_s,label\n{clip},0,0.9,red\n{clip},1,1.9,blue\n{clip},4,5.9,red\n")
    return str(path)


def test_a_run_that_knows_its_events_is_measured_by_them(tmp_path: Path) -> None:
    """Red passes twice and blue once, in a clip that is never empty, where they follow each other: states."""
    events = events_file(tmp_path / "events.csv", "gate.mp4")
    found = finish_run(finished(tmp_path / "run", small_config(events=events)))
    [state] = [one for one in found["evaluation"]["measures"] if one["queries"]]
    assert (state["name"], state["queries"]) == ("frames_state", 12)  # 0 to .75 s and 4 to 5.75 s, four a second
    assert "Whole frames, a state again (12 queries of 2 intervals)" in found["verdict"]
    assert "<td>red</td>" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_events_of_other_footage_do_not_undo_a_finished_run(tmp_path: Path) -> None:
    events = events_file(tmp_path / "events.csv", "elsewhere.mp4")
    found = finish_run(finished(tmp_path / "run", small_config(events=events)))
    assert [one["name"] for one in found["evaluation"]["measures"]] == ["crops_same_track_later"]


def with_regions(frames: list[Frame]) -> list[Frame]:
    """Each frame followed by three regions, which stay where they are: three tracks. Each is a picture of its own."""
    found: list[Frame] = []
    for frame in frames:
        found += [frame, *(replace(frame, image=frame.image[8 * n :], region=box) for n, box in enumerate(BOXES))]
    return found


def test_a_run_is_judged_by_what_it_finds_later_in_the_same_track(tmp_path: Path) -> None:
    """Three tracks of 24 regions over 5.75 s."""
    run = finished(tmp_path / "run", small_config())
    build_cache(run / "cache", with_regions(noise_frames(24)), small_config().cache_px, lambda frame: None)
    found = finish_run(run)
    [later] = found["evaluation"]["measures"]
    assert (later["queries"], later["units"]) == (72, {"tracks": 3})
    assert (
        found["verdict"]
        .splitlines()[1]
        .startswith("Crops of what moves, later in the same track (72 queries of 3 tracks): mAP")
    )


def test_short_footage_is_measured_as_a_whole(tmp_path: Path) -> None:
    gallery, track = sample_gallery(small_cache(tmp_path / "cache"), 4.0, None)
    assert gallery.time_s.tolist() == [row / 4 for row in range(24)]
    assert set(gallery.clip) == {"gate.mp4"}
    assert set(gallery.camera) == {"gate"}
    assert set(track.tolist()) == {-1}


def test_a_frame_of_the_cache_is_followed_by_its_regions(tmp_path: Path) -> None:
    cache = build_cache(tmp_path / "cache", with_regions(noise_frames(2)), 32, lambda frame: None)
    gallery, track = sample_gallery(cache, 4.0, None)
    assert gallery.frame.tolist() == [0] * 4 + [4] * 4
    assert gallery.time_s.tolist() == [0] * 4 + [0.25] * 4
    assert track.tolist() == [-1, 0, 1, 2] * 2
    assert gallery.box[1:4].tolist() == [[box.x, box.y, box.w, box.h] for box in BOXES]
    assert np.array_equal(gallery.pictures[4], cache.frames[1])
    assert np.array_equal(gallery.pictures[7], cache.regions.pictures[5])


def test_of_many_regions_whole_tracks_and_an_even_sample_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three tracks of 24, of which a half of 36 regions may be whole tracks: none; of 48, one, and others up to 48."""
    cache = build_cache(tmp_path / "cache", with_regions(noise_frames(24)), 32, lambda frame: None)
    for most, whole in ((36, 0), (48, 1)):
        monkeypatch.setattr("training.summary.REGIONS", most)
        gallery, track = sample_gallery(cache, 4.0, None)
        assert int((~gallery.whole).sum()) == most
        assert sum(int((track == number).sum()) == 24 for number in range(3)) == whole


def test_of_longer_footage_stretches_are_measured_and_what_has_an_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """24 frames at 4 a second, one a second: 0 to 5 s. Two stretches of two are its first and its last two seconds.

    The event lasts three frames, 2 to 2.5 s; of those half as many as FRAMES are taken, its first and its last.
    """
    cache = build_cache(tmp_path / "cache", noise_frames(24), 32, lambda frame: None)
    monkeypatch.setattr("training.summary.FRAMES", 4)
    monkeypatch.setattr("training.summary.STRETCH", 2)
    assert sample_gallery(cache, 4.0, None)[0].time_s.tolist() == [0, 1, 4, 5]
    events = Labelled([Event("gate.mp4", 2, 2.5, "x"), Event("road.mp4", 0, 9, "x")])
    seen, _ = sample_gallery(cache, 4.0, events)
    assert seen.time_s.tolist() == [0, 1, 2, 2.5, 4, 5]
    assert np.array_equal(seen.pictures[3], cache.frames[10])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (describe_feature_std(0.05), "Collapsed"),
        (describe_feature_std(0.3), "Low"),
        (describe_feature_std(0.9), "Healthy"),
        (describe_rank(1.2, 512), "Collapsed"),
        (describe_rank(20, 512), "Low: few of 512 possible dimensions are used"),  # 5 % is 25.6
        (describe_rank(30, 512), "Healthy: above 5% of 512 possible dimensions"),
    ],
)
def test_health_is_said_in_words(words: str, says: str) -> None:
    assert words.startswith(says)


def test_a_rank_of_centred_features_is_one_less_than_of_a_simplex() -> None:
    """Three orthogonal features about their mean span a plane, evenly: rank 2."""
    features = torch.eye(3)
    assert effective_rank(features - features.mean(0)) == pytest.approx(2, abs=1e-3)
