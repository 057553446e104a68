"""What the benchmark of regions counts."""

from __future__ import annotations

import dataclasses

import numpy as np

from benchmarks.regions import largest_moving, precision
from lookalike.footage import Frame
from lookalike.region import Region
from tests.index.circle import at
from training.evaluation.labels import Event

EVENTS = [Event("a.mp4", 0, 10, "person"), Event("a.mp4", 20, 30, "other"), Event("b.mp4", 0, 10, "person")]


def shown(clip: str, time_s: float, degrees: float, region: Region | None = None) -> Frame:
    """Its picture is the angle at which `embed` puts it."""
    image = np.full((1, 1, 3), degrees, np.float32)
    return Frame(image, f"gate/{clip}", clip, "gate", time_s, round(time_s * 1e6), region=region)


def embed(pictures: list[np.ndarray]) -> np.ndarray:
    return at(*(float(picture[0, 0, 0]) for picture in pictures))


def test_an_answer_is_right_if_it_shows_the_same_event_of_the_same_clip() -> None:
    """Nearest first: its neighbour, which does not count; two of the event, one of them twice; another event; the same
    label of another clip; another event. Two of five."""
    query = shown("a.mp4", 5, 0)
    twice = shown("a.mp4", 8, 3, Region(0, 0, 1, 0.5))
    stored = [
        *(query, shown("a.mp4", 5.2, 1), shown("a.mp4", 2, 2), twice, dataclasses.replace(twice, region=None)),
        *(
            shown("a.mp4", 25, 5),
            shown("b.mp4", 5, 6),
            shown("a.mp4", 28, 7),
            shown("a.mp4", 15, 2),
            shown("a.mp4", 0, 90),
        ),
    ]
    assert precision(embed, [query], stored, EVENTS) == {"a.mp4": 0.4}


def test_queries_are_the_largest_region_of_each_frame_in_an_event() -> None:
    large, small = Region(0, 0, 0.5, 0.5), Region(0.5, 0.5, 0.2, 0.2)
    frames = [
        *(shown("a.mp4", 5, 0), shown("a.mp4", 5, 0, large), shown("a.mp4", 5, 0, small)),
        *(shown("a.mp4", 15, 0, large), shown("b.mp4", 5, 0, small)),
    ]
    assert [(one.source_id, one.region) for one in largest_moving(frames, EVENTS)] == [
        ("a.mp4", large),
        ("b.mp4", small),
    ]
