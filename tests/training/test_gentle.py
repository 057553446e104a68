"""BYOL that goes on from pretrained weights: gently, on regions that were followed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lookalike.demo.scenes import render_scenes
from lookalike.footage import find_sources, read_frames
from tests.training.small import small_config
from training.byol import Byol
from training.checkpoint import load_encoder
from training.config import DEFAULT_ARCH, TrainConfig
from training.data import FrameCache, build_cache, pictures_of, track_partners
from training.encoders import build_encoder, embedding_dim
from training.evaluation.choose import choose
from training.summary import sample_gallery
from training.train import first_encoder, train

CONFIG = small_config(
    arch=DEFAULT_ARCH,
    init="pretrained",
    input_px=64,
    batch=16,
    lr=2e-3,
    views="camera",
    heads_first=10,
    frozen_stages=5,
    freeze_norms=True,
    pooled=True,
    region_share=0.8,
    track_s=2.5,
    head=True,
    hidden=256,
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FrameCache:
    """Rendered passes, with regions and tracks."""
    folder = tmp_path_factory.mktemp("footage")
    render_scenes(folder, duration_s=40, fps=8)
    frames = read_frames(find_sources([folder]), 4.0, regions="motion")
    return build_cache(folder / "cache", frames, CONFIG.cache_px, lambda frame: None)


def weights_of(encoder: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in encoder.state_dict().items()}


def trained(cache: FrameCache, folder: Path, config: TrainConfig) -> torch.nn.Sequential:
    train(cache, config, folder)
    encoder = build_encoder(config.arch, "absolute")
    load_encoder(folder / "encoder.safetensors", encoder)
    return encoder


def test_early_stages_and_batch_norm_stay_as_they_came(cache: FrameCache, tmp_path: Path) -> None:
    """Of the stages 0 to 5 that there are, only the last trains; no running statistic moves anywhere."""
    before = weights_of(first_encoder(CONFIG))
    after = weights_of(trained(cache, tmp_path, small_config(**{**vars(CONFIG), "steps": 12, "heads_first": 2})))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("1.model.blocks.5.") for name in changed)
    assert not any("running" in name for name in changed)


def test_projector_and_predictor_train_alone_at_first(cache: FrameCache, tmp_path: Path) -> None:
    before = weights_of(first_encoder(CONFIG))
    after = weights_of(trained(cache, tmp_path, small_config(**{**vars(CONFIG), "steps": 10})))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_fifty_steps_do_not_lower_a_good_start(cache: FrameCache, tmp_path: Path) -> None:
    """By the measure that needs no labels, on tracks that the heads were not fitted to."""
    config = small_config(**{**vars(CONFIG), "steps": 50})
    encoder = trained(cache, tmp_path, config)
    found = choose(first_encoder(config), encoder, config, cache, *sample_gallery(cache, 4.0, None))
    assert found.tracks >= 3
    assert found.trained > found.initial - 0.01


def test_frozen_stages_give_what_the_whole_encoder_gives() -> None:
    torch.manual_seed(0)
    encoder = build_encoder(DEFAULT_ARCH)
    dim = embedding_dim(encoder, 64)
    views = torch.rand(4, 3, 64, 64), torch.rand(4, 3, 64, 64)
    losses = []
    for stages in (0, 3):
        torch.manual_seed(1)
        network = Byol(encoder, dim, 32, 16, pooled_cells=9, freeze_norms=True, frozen_stages=stages)
        losses.append(float(network(*views)[0].detach()))
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_regions_are_the_share_of_a_batch_that_is_asked_for(cache: FrameCache) -> None:
    shown = pictures_of(cache, by_novelty=False, region_share=0.8)
    assert len(shown.weight) == len(cache) + len(cache.regions)
    assert shown.weight[len(cache) :].sum() / shown.weight.sum() == pytest.approx(0.8)
    rows = np.array([len(cache) + 3, 1, len(cache)])
    read = shown.read(rows)
    assert np.array_equal(read[0], cache.regions.pictures[3])
    assert np.array_equal(read[1], cache.frames[1])
    assert np.array_equal(read[2], cache.regions.pictures[0])


def test_second_views_are_of_the_same_track_nearby(cache: FrameCache) -> None:
    regions, rows = cache.regions, np.arange(len(cache.regions))
    moved = track_partners(cache, rows, 1.0, np.random.default_rng(0))
    time_s = cache.time_s[regions.frame]
    followed = regions.track >= 0
    assert np.array_equal(regions.track[moved[followed]], regions.track[followed])
    assert np.array_equal(moved[~followed], rows[~followed])
    assert np.abs(time_s[moved] - time_s).max() <= 1.0
    assert (moved[followed] != rows[followed]).mean() > 0.9  # but for those whose others are further away
