"""An encoder beside its floors: what is measured, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lookalike import pixels
from lookalike.errors import FootageError, TrainingError
from lookalike.footage import Frame
from tests.tiny import tiny_embedding
from tests.training.small import noise_frames, small_config, untrained_run
from training.evaluate import Candidate, candidates, evaluate_footage, evaluate_images, gather, verdict
from training.retrieval import Disturbance, Event, Gallery

NOTHING = Disturbance(zoom=(1.0, 1.0), gamma=(1.0, 1.0), gain=(1.0, 1.0), noise=0.0)
HALVED = Disturbance(zoom=(1.0, 1.0), gamma=(1.0, 1.0), gain=(0.5, 0.5), noise=0.0)


def one_hot(levels: list[int]) -> np.ndarray:
    """Level 10 n of a plain picture -> axis n."""
    return np.eye(20, dtype=np.float32)[np.array(levels) // 10]


def exact(pictures: list[np.ndarray]) -> np.ndarray:
    return one_hot([int(picture[0, 0, 0]) for picture in pictures])


def blind(pictures: list[np.ndarray]) -> np.ndarray:
    """Takes all pictures for the same."""
    return one_hot([0] * len(pictures))


def plain(level: int) -> np.ndarray:
    return np.full((4, 4, 3), level, np.uint8)


CONTENDERS = [Candidate("this encoder", exact, trained=True), Candidate("blind", blind)]

# x at 0 and 10 s (level 20), y at 20 and 30 s (level 40): halved, an x looks like level 10, a y like an x.
GALLERY = Gallery(
    [plain(20), plain(20), plain(40), plain(40)],
    np.array(["a"] * 4),
    np.array([0.0, 10.0, 20.0, 30.0]),
    np.array(["gate"] * 4),
)
EVENTS = [Event("a", 0, 10, "x"), Event("a", 20, 30, "y")]


def test_with_events_precision_is_measured_clean_and_disturbed() -> None:
    """Clean, each finds its other. Halved, x is like nothing, so the first of the others is its answer: right for both.

    A halved y is like x: wrong for both. The blind one always answers with the first of the others.
    """
    result = evaluate_footage(CONTENDERS, GALLERY, EVENTS, guard_s=3, how=HALVED, seed=0)
    own, floor = result["rows"]
    assert (result["frames"], result["guard_s"]) == (4, 3)
    assert (own["name"], own["trained"], floor["name"], floor["trained"]) == ("this encoder", True, "blind", False)
    assert own["precision5_clean"] == {"a": 1.0, "mean": 1.0}
    assert own["precision5_disturbed"]["mean"] == pytest.approx(2 / 4)  # 0 finds 1, 1 finds 0, both y find 0
    assert floor["precision5_clean"]["mean"] == floor["precision5_disturbed"]["mean"] == pytest.approx(2 / 4)
    assert own["self_retrieval_disturbed"] == 1 / 4  # all nearest to frame 0, for want of anything nearer
    assert result["verdict"].startswith("Does not beat blind: precision@5 of disturbed queries 0.50, the floor 0.50.")


def test_without_events_the_verdict_is_about_self_retrieval() -> None:
    """Undisturbed: 0 and 1 are level, so the first is found for both; so it is for 2 and 3. The blind finds only 0."""
    result = evaluate_footage(CONTENDERS, GALLERY, None, guard_s=3, how=NOTHING, seed=0)
    assert [row["self_retrieval_disturbed"] for row in result["rows"]] == [0.5, 0.25]
    assert not any("precision5_clean" in row for row in result["rows"])
    assert result["verdict"] == ("Beats every floor: disturbed self-retrieval 0.50, the best floor (blind) 0.25.")


@pytest.mark.parametrize(
    ("events", "guard_s"),
    [([Event("elsewhere.mp4", 0, 30, "x")], 3.0), (EVENTS, 30.0)],
    ids=["another clip", "a long guard"],
)
def test_events_that_cannot_be_found_again_are_an_error_and_not_a_verdict(events: list[Event], guard_s: float) -> None:
    with pytest.raises(FootageError, match=rf"no event is seen at two moments more than {guard_s:g} s apart"):
        evaluate_footage(CONTENDERS, GALLERY, events, guard_s, NOTHING, seed=0)


def test_labelled_images_are_measured_by_their_ten_nearest() -> None:
    """Twelve of each of two classes. The blind one asks the first ten others, all of the first class."""
    pictures = [plain(20)] * 12 + [plain(40)] * 12
    result = evaluate_images(CONTENDERS, pictures, np.repeat([0, 1], 12), ["cat", "dog"])
    assert (result["images"], result["classes"]) == (24, ["cat", "dog"])
    assert [row["knn10"] for row in result["rows"]] == [1.0, 0.5]
    assert result["verdict"] == "Beats every floor: kNN accuracy 1.00, the best floor (blind) 0.50."


def rows_of(own: float, **floors: float) -> list[dict]:
    return [{"name": "this encoder", "trained": True, "value": own}] + [
        {"name": name.replace("_", " "), "trained": False, "value": value} for name, value in floors.items()
    ]


def value_of(row: dict) -> float:
    return row["value"]


def test_the_verdict_names_the_best_floor() -> None:
    rows = rows_of(0.731, raw_pixels=0.55, HSV_histogram=0.618, untrained=0.2)
    expected = "Beats every floor: precision@5 0.73, the best floor (HSV histogram) 0.62."
    assert verdict(rows, value_of, "precision@5") == expected


@pytest.mark.parametrize("own", [0.6, 0.3])
def test_the_verdict_says_so_when_a_floor_is_as_good(own: float) -> None:
    rows = rows_of(own, raw_pixels=0.25, HSV_histogram=0.6)
    assert verdict(rows, value_of, "precision@5") == (
        f"Does not beat HSV histogram: precision@5 {own:.2f}, the floor 0.60."
        " Try more steps, more footage, or a larger --input-px."
    )


def frame(image: np.ndarray, source: str = "videos/gate.mp4", time_s: float = 0.0) -> Frame:
    return Frame(image, source, "id", "gate", time_s, round(time_s * 1e6))


def test_frames_are_gathered_with_where_and_when_they_are_from() -> None:
    gallery = gather(iter([frame(plain(10), time_s=1.5), frame(plain(20), "other/road.mp4", 2.5)]))
    assert [int(picture[0, 0, 0]) for picture in gallery.pictures] == [10, 20]
    assert gallery.clip.tolist() == ["gate.mp4", "road.mp4"]
    assert gallery.time_s.tolist() == [1.5, 2.5]
    assert gallery.camera.tolist() == ["gate", "gate"]


@pytest.mark.parametrize(
    ("shape", "kept"),
    [((400, 768), (200, 384)), ((768, 400), (384, 200)), ((384, 10), (384, 10)), ((1, 4000), (1, 384))],
)
def test_large_frames_are_made_smaller_and_small_ones_are_not_touched(
    shape: tuple[int, int], kept: tuple[int, int]
) -> None:
    image = np.full((*shape, 3), 77, np.uint8)
    [picture, _] = gather([frame(image), frame(plain(0))]).pictures
    assert picture.shape == (*kept, 3)
    assert np.all(picture == 77)


@pytest.mark.parametrize("count", [0, 1])
def test_there_must_be_something_to_search_among(count: int) -> None:
    with pytest.raises(FootageError, match=rf"^{count} readable frame\(s\), expected at least 2 to search among"):
        gather([frame(plain(0))] * count)


FLOORS = ["raw pixels 8x8", "raw pixels 32x32", "HSV histogram"]


def test_a_run_contends_with_its_floors_and_with_itself_untrained(tmp_path: Path) -> None:
    """Weights drawn with seed 0 are the untrained floor's own; with seed 1 they are others."""
    pictures = [pixels.fit(one.image, 37) for one in noise_frames(24)]  # the very frames of the run's cache
    embedded = {}
    for seed in (0, 1):
        found = candidates(untrained_run(tmp_path / str(seed), small_config(seed=seed)), pictures)
        assert [one.name for one in found] == ["this encoder", *FLOORS, "the same encoder, untrained"]
        assert [one.trained for one in found] == [True, False, False, False, False]
        for one in found:
            assert np.allclose(np.linalg.norm(one.embed(pictures), axis=1), 1, atol=1e-4)
        embedded[seed] = (found[0].embed(pictures), found[-1].embed(pictures))
    assert np.allclose(*embedded[0], atol=1e-5)
    assert np.allclose(embedded[0][1], embedded[1][1], atol=1e-5)
    assert not np.allclose(*embedded[1], atol=0.1)


def test_an_encoder_of_another_architecture_has_no_untrained_floor(tiny_encoder: Path) -> None:
    pictures = [one.image for one in noise_frames(3, side_px=64)]
    found = candidates(tiny_encoder, pictures)
    assert [one.name for one in found] == ["this encoder", *FLOORS]
    expected = np.stack([tiny_embedding(pixels.fit(picture, 32)) for picture in pictures])
    assert np.allclose(found[0].embed(pictures), expected, atol=1e-5)


def test_a_folder_that_is_no_run_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"config\.json: cannot read the run's config"):
        candidates(tmp_path, [plain(0)])
