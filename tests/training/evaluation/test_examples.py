"""Crops with what each contender finds first: which are chosen, what is searched, and what is right."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.evaluation.footage import blind, exact, gallery_of
from training.evaluation.contenders import HISTOGRAM, PRETRAINED, Contender
from training.evaluation.examples import find_examples
from training.evaluation.gallery import Gallery
from training.evaluation.labels import Event, Labelled, label_gallery
from training.evaluation.panel import Panel

SMALL, LARGE, ALL = (0.0, 0.0, 0.25, 0.25), (0.5, 0.5, 0.5, 0.5), (0.0, 0.0, 1.0, 1.0)
CAR, DOG = 20, 60  # levels


def passing() -> tuple[Gallery, Labelled]:
    """A car passes three times and a dog twice, in turn, 20 s apart; each is seen small, and a second later large."""
    rows: list[tuple] = []
    levels: list[int] = []
    events: list[Event] = []
    for number, (label, level) in enumerate([("car", CAR), ("dog", DOG), ("car", CAR), ("dog", DOG), ("car", CAR)]):
        start_s = 20.0 * number
        for second, box in enumerate((SMALL, LARGE)):
            rows += [("gate", start_s + second), ("gate", start_s + second, box)]
            levels += [level, level]
        events.append(Event("gate", start_s, start_s + 1, label))
    return gallery_of(*rows, levels=levels), Labelled(events)


def panel(gallery: Gallery) -> Panel:
    """The histogram and the pretrained encoder are blind; another baseline is not shown."""
    rivals = [Contender(HISTOGRAM, blind), Contender("raw pixels 8x8", exact), Contender(PRETRAINED, blind)]
    return Panel([Contender("this encoder", exact, "own"), *rivals], gallery.pictures)


def test_the_crop_of_median_size_of_each_label_is_searched_for_outside_its_own_pass() -> None:
    gallery, labelled = passing()
    found = find_examples(panel(gallery), gallery, label_gallery(gallery, labelled), np.full(len(gallery), -1))
    places = [(one["label"], one["camera"], one["clip"], one["time_s"], one["box"]) for one in found]
    assert places == [("car", "gate", "gate", 1.0, list(LARGE)), ("dog", "gate", "gate", 21.0, list(LARGE))]
    assert [one["to_find"] for one in found] == [2, 1]  # the other passes
    assert [(row["name"], row["role"]) for row in found[0]["rows"]] == [
        (HISTOGRAM, "baseline"),
        (PRETRAINED, "baseline"),
        ("this encoder", "own"),
    ]


def test_a_frame_that_changes_as_a_whole_is_not_what_is_searched_for() -> None:
    own = [("gate", 0), ("gate", 0, SMALL), ("gate", 3), ("gate", 3, LARGE), ("gate", 6), ("gate", 6, ALL)]
    gallery = gallery_of(*own, ("gate", 20), ("gate", 20, SMALL))
    [found] = find_examples(panel(gallery), gallery, None, np.array([-1, 0, -1, 0, -1, 0, -1, -1]))
    assert found["box"] == list(LARGE)


def test_each_other_pass_is_one_hit_and_is_right_if_it_has_the_label() -> None:
    """The blind ones take the gallery's order, each pass's first region, without the query's own pass at 0 s."""
    gallery, labelled = passing()
    [car, dog] = find_examples(panel(gallery), gallery, label_gallery(gallery, labelled), np.full(len(gallery), -1))

    def hits(example: dict, row: int) -> list[tuple[float, bool]]:
        return [(hit["time_s"], hit["right"]) for hit in example["rows"][row]["hits"]]

    assert hits(car, 2) == [(40, True), (80, True), (20, False), (60, False)]
    assert hits(car, 0) == [(20, False), (40, True), (60, False), (80, True)]
    assert hits(dog, 2) == [(60, True), (0, False), (40, False), (80, False)]


@pytest.mark.parametrize("clip", ["gate", "other"])
def test_without_labels_the_own_track_is_left_out_and_nobody_knows_what_is_right(clip: str) -> None:
    """Track 0 lasts from 0 to 4 s; what else is near in time in the same clip may be the rest of it."""
    own = [("gate", 0), ("gate", 0, SMALL), ("gate", 4), ("gate", 4, LARGE)]
    others = [(clip, 6), (clip, 6, SMALL), ("gate", 20), ("gate", 20, SMALL), ("gate", 22), ("gate", 22, SMALL)]
    gallery = gallery_of(*own, *others)
    track = np.array([-1, 0, -1, 0, -1, 1, -1, -1, -1, -1])
    [found] = find_examples(panel(gallery), gallery, None, track)
    assert (found["time_s"], found["box"], found["label"], found["to_find"]) == (4, list(LARGE), "", None)
    near = [] if clip == "gate" else [(6, None)]
    assert [(hit["time_s"], hit["right"]) for hit in found["rows"][2]["hits"]] == [*near, (20, None)]


def test_without_regions_there_is_no_example() -> None:
    gallery = gallery_of(("gate", 0), ("gate", 1))
    assert find_examples(panel(gallery), gallery, None, np.full(2, -1)) == []
