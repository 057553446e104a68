"""Footage that is stored twice, from an index."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lookalike.contract import EncoderSpec
from lookalike.explore.duplicates import Duplicate, duplicates, load_tracks
from lookalike.index import Filters, open_index
from tests.explore.conftest import unit, wander
from tests.index.circle import frame

SPEC = EncoderSpec(name="wander", input_px=2, dim=64, weights_sha256="c" * 64, steps=0, frames=0)


@pytest.fixture
def index(tmp_path):
    """Two recordings of the gate, 30 s each, and 10 s of the first under another name, of another camera."""
    one, other = wander(120, seed=1), wander(120, seed=2)
    with open_index(tmp_path / "index", SPEC, create=True) as opened:
        for name, camera, vectors in (("one", "gate", one), ("other", "gate", other), ("copy", "dock", one[40:80])):
            opened.add([frame(name, number / 4, camera) for number in range(len(vectors))], vectors)
        yield opened


def test_a_copy_is_reported_once_with_both_of_its_places(index):
    assert duplicates(load_tracks(index, Filters())) == [
        Duplicate("dock/copy.mp4", "copy", "dock", (0, 9.75), "gate/one.mp4", "one", "gate", (10, 19.75), 10, 1, 1)
    ]


def test_what_is_compared_can_be_chosen(index):
    assert duplicates(load_tracks(index, Filters(("gate",)))) == []
    assert duplicates(load_tracks(index, Filters(("yard",)))) == []
    assert [track.source for track in load_tracks(index, Filters())] == [
        "dock/copy.mp4",
        "gate/one.mp4",
        "gate/other.mp4",
    ]


def test_spans_that_are_less_similar_than_asked_for_are_left_out(index):
    """Something else in the copy, the same throughout: all cosines fall to 1 / sqrt(1 + .6^2), the changes agree."""
    tracks = load_tracks(index, Filters())
    beside = 0.6 * unit(np.array([[1.0, -1.0] * 32]))  # at a right angle to the background
    changed = [replace(tracks[0], vectors=unit(tracks[0].vectors + beside)), *tracks[1:]]
    assert duplicates(changed) == []
    (found,) = duplicates(changed, min_score=0.8)
    assert found.offset_s == 10
    assert found.similarity == pytest.approx(1 / 1.36**0.5, abs=0.03)
    assert found.agreement > 0.95


def test_each_pair_is_reported(index):
    told: list[tuple[int, str]] = []
    duplicates(load_tracks(index, Filters()), on_pair=lambda done, source: told.append((done, source)))
    assert told == [(1, "dock/copy.mp4"), (2, "dock/copy.mp4"), (3, "gate/one.mp4")]
