"""What a finished run says of itself: numbers, a verdict, and a report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.small import noise_frames, small_cache, small_config, untrained_run
from training.config import TrainConfig
from training.data import build_cache, load_cache
from training.health import effective_rank, rank_in_words, spread_in_words
from training.pictures import sample_frames
from training.record import METRICS
from training.retrieval import Event
from training.run import finish_run
from training.summary import sample_gallery
from training.trained import load_trained

CONTENDERS = [
    *("this encoder", "raw pixels 8x8", "raw pixels 32x32", "HSV histogram", "the same encoder, untrained"),
]


def finished(run: Path, config: TrainConfig) -> Path:
    """A run whose weights are as they were drawn, with two lines of metrics."""
    untrained_run(run, config)
    lines = [{"step": step, "loss": 3.0 - step / 10, "spread": 0.8, "images_per_s": 50.0 + step} for step in (10, 12)]
    (run / METRICS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


def test_a_finished_run_says_how_it_went_and_stands_beside_the_floors(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", small_config())
    found = finish_run(run)
    assert (found["steps"], found["frames"], found["loss"], found["spread"]) == (12, 24, pytest.approx(1.8), 0.8)
    assert found["images_per_s"] == 61.0  # the median of 60 and 62
    assert [row["name"] for row in found["evaluation"]["rows"]] == CONTENDERS
    assert found["evaluation"]["frames"] == 24
    assert found["verdict"] == found["evaluation"]["verdict"]
    assert "camera_share" not in found["evaluation"]["rows"][0]  # of one camera
    assert json.loads(json.dumps(found)) == found

    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.count(found["verdict"]) == 1
    assert page.index(found["verdict"]) < page.index("Against the floors") < page.index("What it finds")
    for name in CONTENDERS:
        assert f"<td>{name}</td>" in page
    assert f"{found['effective_rank']:.1f} of {found['rank_at_most']}" in page
    assert spread_in_words(0.8) in page


def test_the_rank_is_of_what_the_encoder_gives_about_its_mean(tmp_path: Path) -> None:
    """The last layer evens dimensions out, so after it every encoder would look healthy."""
    run = finished(tmp_path / "run", small_config(head=True, content=0, layout=8, colour=0))
    served, config = load_trained(run)
    _, pictures = sample_frames(load_cache(run / "cache"), config.input_px)
    features = served.features(torch.from_numpy(pictures))["layout"].numpy()
    singular = np.linalg.svd(features - features.mean(0), compute_uv=False)
    share = singular / singular.sum()
    found = finish_run(run)
    assert found["rank_at_most"] == len(features) < features.shape[1]
    assert found["effective_rank"] == pytest.approx(float(np.exp(-(share * np.log(share + 1e-12)).sum())), rel=1e-2)


def events_file(path: Path, clip: str) -> str:
    path.write_text(f"clip,start_s,end_s,label\n{clip},0,0.9,red\n{clip},1,1.9,blue\n{clip},4,5.9,red\n")
    return str(path)


def test_a_run_that_knows_its_events_is_measured_by_them(tmp_path: Path) -> None:
    events = events_file(tmp_path / "events.csv", "gate.mp4")
    found = finish_run(finished(tmp_path / "run", small_config(events=events)))
    assert set(found["evaluation"]["rows"][0]["precision5_disturbed"]) == {"gate.mp4", "mean"}
    assert "precision@5 of disturbed queries" in found["verdict"]
    assert "Precision@5 by clip, disturbed" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_events_of_other_footage_do_not_undo_a_finished_run(tmp_path: Path) -> None:
    events = events_file(tmp_path / "events.csv", "elsewhere.mp4")
    found = finish_run(finished(tmp_path / "run", small_config(events=events)))
    assert "disturbed self-retrieval" in found["verdict"]


def test_short_footage_is_measured_as_a_whole(tmp_path: Path) -> None:
    gallery = sample_gallery(small_cache(tmp_path / "cache"), 4.0, [])
    assert gallery.time_s.tolist() == [row / 4 for row in range(24)]
    assert set(gallery.clip) == {"gate.mp4"}
    assert set(gallery.camera) == {"gate"}


def test_of_longer_footage_stretches_are_measured_and_what_has_an_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """24 frames at 4 a second, one a second: 0 to 5 s. Two stretches of two are its first and its last two seconds.

    The event lasts three frames, 2 to 2.5 s; of those half as many as FRAMES are taken, its first and its last.
    """
    cache = build_cache(tmp_path / "cache", noise_frames(24), 32, lambda frame: None)
    monkeypatch.setattr("training.summary.FRAMES", 4)
    monkeypatch.setattr("training.summary.STRETCH", 2)
    assert sample_gallery(cache, 4.0, []).time_s.tolist() == [0, 1, 4, 5]
    seen = sample_gallery(cache, 4.0, [Event("gate.mp4", 2, 2.5, "x"), Event("road.mp4", 0, 9, "x")])
    assert seen.time_s.tolist() == [0, 1, 2, 2.5, 4, 5]
    assert np.array_equal(seen.pictures[3], cache.frames[10])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (spread_in_words(0.05), "Collapsed"),
        (spread_in_words(0.3), "Low"),
        (spread_in_words(0.9), "Healthy"),
        (rank_in_words(1.2, 512), "Collapsed"),
        (rank_in_words(20, 512), "Low: few of 512 possible dimensions are used"),  # 5 % is 25.6
        (rank_in_words(30, 512), "Healthy: above 5% of 512 possible dimensions"),
    ],
)
def test_health_is_said_in_words(words: str, says: str) -> None:
    assert words.startswith(says)


def test_a_rank_of_centred_features_is_one_less_than_of_a_simplex() -> None:
    """Three orthogonal features about their mean span a plane, evenly: rank 2."""
    features = torch.eye(3)
    assert effective_rank(features - features.mean(0)) == pytest.approx(2, abs=1e-3)
