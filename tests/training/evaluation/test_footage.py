"""Footage measured as a whole: every task, every label, and what is said of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lookalike.errors import FootageError
from tests.training.evaluation.footage import blind, exact, gallery_of, one_hot, panel
from training.evaluation.footage import Protocol, evaluate_footage, over_seeds
from training.evaluation.gallery import Gallery
from training.evaluation.labels import Event, Labelled
from training.evaluation.perturb import Perturbation

HALF = (0.0, 0.0, 0.5, 0.5)
NOTHING = Perturbation(zoom=(1.0, 1.0), gamma=(1.0, 1.0), gain=(1.0, 1.0), noise=0.0)
HALVED = Perturbation(zoom=(1.0, 1.0), gamma=(1.0, 1.0), gain=(0.5, 0.5), noise=0.0)
CAR, DOG, CAT, EMPTY = 20, 60, 100, 200  # levels


def passing() -> tuple[Gallery, Labelled]:
    """A car, a dog and a cat pass twice each, all looking like themselves, with a region each; at the end nothing."""
    rows: list[tuple] = []
    levels: list[int] = []
    events: list[Event] = []
    for number, (label, level) in enumerate([("car", CAR), ("dog", DOG), ("cat", CAT)] * 2):
        rows += [("gate", 10.0 * number), ("gate", 10.0 * number, HALF)]
        levels += [level, level]
        events.append(Event("gate", 10.0 * number, 10.0 * number + 1, label))
    events.append(Event("gate", 90, 91, "empty"))
    return gallery_of(*rows, ("gate", 90), levels=[*levels, EMPTY]), Labelled(events)


def measures(result: dict) -> dict[str, dict]:
    return {one["name"]: one for one in result["measures"]}


def test_a_perfect_encoder_beats_one_that_takes_all_for_the_same() -> None:
    """Crops: of each, the frame and the region of the other pass are right, and come first: 1. The blind one ranks as
    the gallery is ordered, car, dog, cat, car, dog, cat, without the query's own pass."""
    gallery, labelled = passing()
    result = evaluate_footage(panel(), gallery, labelled, Protocol(NOTHING))
    crops = measures(result)["crops_another_pass"]
    assert (crops["queries"], crops["units"]) == (6, {"passes": 6})
    own, other = crops["rows"]
    assert (own["name"], own["role"], own["map"], own["map_clean"], own["p5"]) == ("this encoder", "own", 1, 1, 1)
    places = [(5, 6), (7, 8), (9, 10), (1, 2), (3, 4), (5, 6)]
    assert other["map"] == pytest.approx(np.mean([(1 / first + 2 / last) / 2 for first, last in places]))
    assert crops["won"]
    assert crops["verdict"].startswith(
        "Crops of what moves, another pass (6 queries of 6 passes): mAP 1.00 perturbed, beats every baseline, the"
        " best HSV histogram"
    )
    assert "Beats every baseline in 2 of 2 measure(s).\nCrops of what moves, another pass" in result["verdict"]
    assert json.loads(json.dumps(result)) == result


def test_a_histogram_that_wins_is_named() -> None:
    """The histogram is the one that sees."""
    gallery, labelled = passing()
    result = evaluate_footage(panel(blind, exact), gallery, labelled, Protocol(NOTHING))
    assert not any(one["won"] for one in result["measures"])
    assert "does not beat HSV histogram (1.00)" in measures(result)["crops_another_pass"]["verdict"]
    assert result["verdict"].startswith("Beats every baseline in 0 of 2 measure(s).")


def test_other_light_and_pictures_as_they_are_are_judged_apart() -> None:
    """Halved, a car is 10, a dog 30 and a cat 50: nothing that is stored. So unperturbed the encoder wins, and
    perturbed it ranks as the blind one does."""
    gallery, labelled = passing()
    result = evaluate_footage(panel(), gallery, labelled, Protocol(HALVED))
    crops = measures(result)["crops_another_pass"]
    own, other = crops["rows"]
    assert (own["map"], own["map_clean"]) == (other["map"], 1)
    assert [one["beaten"] for light in ("perturbed", "clean") for one in crops["comparisons"][light]] == [False, True]
    assert not crops["won"]
    assert "perturbed, does not beat HSV histogram" in crops["verdict"]
    assert "mAP 1.00 unperturbed, beats every baseline" in crops["verdict"]


def test_every_label_has_its_queries_or_its_reason() -> None:
    gallery, labelled = passing()
    result = evaluate_footage(panel(), gallery, labelled, Protocol(NOTHING))
    found = {one["name"]: {label["label"]: label for label in one["labels"]} for one in result["measures"]}
    assert all(
        set(of) == {"car", "dog", "cat", "empty"} for name, of in found.items() if "pass" in name or "other" in name
    )
    scored = {"map": {}, "map_clean": {}, "p5": {}, "p5_clean": {}}
    assert found["crops_another_pass"]["car"] | scored == scored | {
        "label": "car",
        "camera": "gate",
        "queries": 2,
        "possible": 2,
        "units": {"passes": 2},
    }
    car = found["crops_another_pass"]["car"]
    assert {name: car[name]["this encoder"] for name in scored} == dict.fromkeys(scored, 1)
    # The blind one finds the first car first: of the second query all is right, of the first (dog, cat) nothing.
    assert car["p5"]["HSV histogram"] == 0.5
    assert found["crops_other_cameras"]["car"] == {
        "label": "car",
        "camera": "gate",
        "queries": 0,
        "reason": "one camera only",
    }
    assert found["frames_state"]["empty"]["reason"] == "one interval only"
    assert measures(result)["crops_other_cameras"]["reason"] == "no label has a query"


def test_without_labels_and_regions_nothing_was_judged() -> None:
    """Whole frames find their own moment, and nothing is made of it."""
    gallery = gallery_of(("a", 0), ("a", 10), levels=[20, 40])
    result = evaluate_footage(panel(), gallery, None, Protocol(NOTHING))
    [later] = result["measures"]
    assert (later["queries"], later["reason"]) == (0, "no region in which something moves was found")
    assert result["verdict"].startswith("No verdict: ")
    assert result["moments"]["rows"][0]["self_retrieval"] == 1.0


def test_without_labels_a_thing_is_found_later_in_its_track() -> None:
    """Three tracks of three regions each, 3 s apart, alike within a track; the blind one finds them by their order."""
    rows: list[tuple] = []
    for step in range(3):
        rows += [("a", 3.0 * step), *[("a", 3.0 * step, (0.3 * number, 0.0, 0.2, 0.2)) for number in range(3)]]
    gallery = gallery_of(*rows, levels=[0, 20, 40, 60] * 3)
    track = np.array([-1, 0, 1, 2] * 3)
    result = evaluate_footage(panel(), gallery, None, Protocol(NOTHING), track)
    [later] = result["measures"]
    assert (later["queries"], later["units"], later["rows"][0]["map"]) == (9, {"tracks": 3}, 1)
    assert "map_clean" not in later["rows"][0]
    assert later["won"]


def test_seeds_are_counted_from_the_first_and_averaged() -> None:
    """Each seed's own value is that of an evaluation with that seed alone."""
    gallery, labelled = passing()
    how = Perturbation(gain=(0.4, 1.6))
    alone = [evaluate_footage(panel(), gallery, labelled, Protocol(how, (seed,))) for seed in (4, 5, 6)]
    values = [measures(one)["crops_another_pass"]["rows"][0]["map"] for one in alone]
    assert len(set(values)) > 1
    result = evaluate_footage(panel(), gallery, labelled, Protocol(how, (4, 5, 6)))
    own = measures(result)["crops_another_pass"]["rows"][0]
    assert result["seeds"] == [4, 5, 6]
    assert own["map"] == pytest.approx(np.mean(values))
    assert own["std"]["map"] == pytest.approx(np.std(values, ddof=1))
    assert "std" not in measures(alone[0])["crops_another_pass"]["rows"][0]


def test_moments_of_whole_frames_and_the_cameras_share_stand_next_to_them() -> None:
    """x of the gate at 0 and 5 s, x and y of the road: for `exact`, the gate is axis 2, the road axes 2 and 4.

    Near in time for the gate's two are each other, 5 s apart. The first x finds the second, and the second the first.
    The road's x has y alone to find, and takes the gate's x; y, like nothing else, takes frame 0: 2 of 4.
    Mean of all (.75, .25), of the gate (1, 0), of the road (.5, .5). Between: 4 * (.25^2 + .25^2); in all: 3 * (.25^2 +
    .25^2) + .75^2 + .75^2. That is .5 of 1.5.
    """
    gallery = gallery_of(("gate", 0), ("gate", 5), ("road", 0), ("road", 5), levels=[20, 20, 20, 40])
    result = evaluate_footage(panel(), gallery, None, Protocol(NOTHING, window_s=9))
    own, other = result["moments"]["rows"]
    assert own["temporal_recall"] == 2 / 4
    assert own["camera_share"] == pytest.approx(0.5 / 1.5)
    assert other["camera_share"] == 0
    short = evaluate_footage(panel(), gallery, None, Protocol(NOTHING, window_s=4))["moments"]["rows"][0]
    assert "temporal_recall" not in short


def test_labels_of_other_footage_are_an_error_and_not_a_verdict() -> None:
    gallery, _ = passing()
    with pytest.raises(FootageError, match=r"no frame lies within a labelled interval: .* \(gate\)"):
        evaluate_footage(panel(), gallery, Labelled([Event("elsewhere.mp4", 0, 30, "x")]), Protocol())


def test_a_deviation_is_that_of_a_sample() -> None:
    """1, 2 and 6: mean 3, squares 4 + 1 + 9 over 2."""
    found = over_seeds([{"a": 1.0}, {"a": 2.0}, {"a": 6.0}])
    assert found == {"a": 3.0, "std": {"a": pytest.approx(7**0.5)}}
    assert over_seeds([{"a": 1.0}]) == {"a": 1.0}


def test_one_hot_has_an_axis_for_each_level() -> None:
    assert one_hot([0, 250]).argmax(1).tolist() == [0, 25]
