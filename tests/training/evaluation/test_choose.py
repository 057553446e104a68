"""A run ends with the better of what it began from and what it trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lookalike.footage import Frame
from lookalike.region import Region
from tests.training.small import small_config
from training.data import FrameCache, build_cache
from training.evaluation.choose import Choice, choose
from training.summary import sample_gallery

CONFIG = small_config(head=True, content=4, layout=0, colour=0, input_px=8, fps=2.0)
THINGS, MOMENTS = 12, 8


class Sees(nn.Module):
    """Which colour a picture has, and no more; or how bright its upper left corner is, which says nothing here."""

    grid = 1

    def __init__(self, colour: bool) -> None:
        super().__init__()
        self.colour = colour

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        means = images.mean((2, 3)) + 1e-3
        ratios = torch.stack([means[:, 0] / means[:, 1], means[:, 1] / means[:, 2], means[:, 2] / means[:, 0]], 1).log()
        noise = torch.stack([images[:, 0, row, row] for row in range(3)], 1)
        return torch.cat([ratios if self.colour else noise, torch.ones(len(images), 1)], 1)


def network(colour: bool) -> nn.Sequential:
    return nn.Sequential(nn.Identity(), Sees(colour))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FrameCache:
    """Things of a colour of their own pass one after the other, each for 3.5 s; twelve tracks."""
    rng, given = np.random.default_rng(0), []
    colours = rng.uniform(40, 220, (THINGS, 3))
    for thing, colour in enumerate(colours):
        for moment in range(MOMENTS):
            time_s = thing * 10 + moment / 2
            image = rng.integers(90, 110, (40, 40, 3), dtype=np.uint8)
            region = Region(0.1 + 0.05 * moment, 0.4, 0.2, 0.2)
            part = np.clip(colour + rng.normal(0, 25, (16, 16, 1)), 0, 255).astype(np.uint8)
            frame = Frame(image, "gate.mp4", "gate", "gate", time_s, round(time_s * 1e6))
            given += [frame, dataclasses.replace(frame, image=part, region=region)]
    return build_cache(tmp_path_factory.mktemp("cache"), given, CONFIG.cache_px, lambda frame: None)


def compare(cache: FrameCache, initial: bool, trained: bool) -> Choice:
    return choose(network(initial), network(trained), CONFIG, cache, *sample_gallery(cache, 2.0, None))


def test_training_that_makes_it_blind_is_taken_back(cache: FrameCache) -> None:
    found = compare(cache, initial=True, trained=False)
    assert found.keep_initial
    assert found.initial > 2 * found.trained
    assert "The initial weights are kept" in str(found)


def test_training_that_makes_it_see_is_kept(cache: FrameCache) -> None:
    """Every second of twelve tracks is asked; of eight moments, .5 s apart, those more than 2 s from another."""
    found = compare(cache, initial=False, trained=True)
    assert not found.keep_initial
    assert found.tracks == THINGS // 2
    assert found.queries == THINGS // 2 * 6
    assert f"({found.queries} queries of 6 tracks that the head was not fitted to" in str(found)


def test_where_nothing_moves_nothing_tells(tmp_path: Path) -> None:
    frames = [Frame(np.zeros((8, 8, 3), np.uint8), "a.mp4", "a", "a", row / 2, row * 500_000) for row in range(4)]
    cache = build_cache(tmp_path, frames, CONFIG.cache_px, lambda frame: None)
    found = compare(cache, initial=True, trained=False)
    assert (found.queries, found.keep_initial) == (0, False)
    assert str(found).startswith("Whether training helped is unknown: ")
