"""Views that have passed the frozen stages before training: what they are, in which order, and when they are made."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lookalike.errors import TrainingError
from tests.training.small import noise_frames, small_config
from training.augment import draw_view, make_view, policies
from training.checkpoint import load_encoder
from training.config import TrainConfig
from training.data import FrameCache, build_cache
from training.encoders import build_encoder
from training.frozen import BATCH, VIEWS, ViewPool, _as_function, build_pool, pool_batches
from training.run import pretrain
from training.train import first_encoder, train

COUNT, EACH = 36, 3
CONFIG = small_config(
    arch="timm:tf_efficientnet_lite0",
    init="pretrained",
    input_px=64,
    views="camera",
    frozen_stages=5,
    frozen_views=EACH,
    pooled=True,
    freeze_norms=True,
    heads_first=2,
    head=True,
)
STOPPED = 2 * BATCH  # pictures whose views a run that was stopped had made


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FrameCache:
    folder = tmp_path_factory.mktemp("cache")
    return build_cache(folder, noise_frames(COUNT, side_px=80), CONFIG.cache_px, lambda frame: None)


@pytest.fixture(scope="module")
def frozen() -> nn.Module:
    encoder = first_encoder(CONFIG).eval()
    return nn.Sequential(encoder[0], encoder[1].in_two(5)[0])  # pyright: ignore[reportCallIssue]


@pytest.fixture(autouse=True, scope="module")
def traced_once(frozen: nn.Module) -> Iterator[None]:
    """All runs here begin with the same weights: their frozen stages are exported once, which takes seconds."""
    encode = _as_function(frozen, CONFIG.input_px)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.frozen._as_function", lambda *given: encode)
        yield


def made(cache: FrameCache, frozen: nn.Module, folder: Path, config: TrainConfig = CONFIG) -> ViewPool:
    pool = build_pool(cache, config, frozen, folder)
    assert pool
    return pool


def test_it_holds_what_the_frozen_stages_give_of_the_drawn_views(
    cache: FrameCache, frozen: nn.Module, tmp_path: Path
) -> None:
    pool = made(cache, frozen, tmp_path)
    frames = torch.from_numpy(np.array(cache.frames[:BATCH])).repeat_interleave(EACH, 0)
    generator = torch.Generator().manual_seed(CONFIG.seed * 1_000_003)
    views = make_view(frames, draw_view(len(frames), policies("camera", CONFIG.crop_area_min)[0], generator), 64)
    with torch.no_grad():
        wanted = frozen(views).unflatten(0, (BATCH, EACH))
    assert pool.features.shape == (COUNT, EACH, *wanted.shape[2:])
    assert np.allclose(pool.features[:BATCH], wanted, atol=2e-3 * float(wanted.abs().max()))  # float16 has 11 bits


def test_what_a_stopped_run_has_made_is_kept(cache: FrameCache, frozen: nn.Module, tmp_path: Path) -> None:
    whole = np.array(made(cache, frozen, tmp_path).features)
    path = tmp_path / VIEWS
    kept = bytearray(path.read_bytes()[: whole[:STOPPED].nbytes + 1000])  # and a part of the next pictures
    kept[:4] = marked = np.array([7, 7], np.float16).tobytes()
    path.write_bytes(kept)
    again = made(cache, frozen, tmp_path).features
    assert again[0].tobytes()[:4] == marked
    assert np.array_equal(again[BATCH:], whole[BATCH:])  # the last batch that was made is made again


def test_a_step_has_two_different_views_of_its_rows(cache: FrameCache) -> None:
    """Features that say which picture and which view they are of."""
    names = np.arange(COUNT)[:, None] * 10 + np.arange(EACH)
    pool = ViewPool(names.astype(np.float16)[:, :, None, None, None], np.arange(COUNT))
    for batch in islice(pool_batches(cache, CONFIG, pool), 20):
        ((view, other),) = batch.views(CONFIG.input_px)
        of, view_of = np.divmod(view.numpy().ravel(), 10)
        other_of, other_view = np.divmod(other.numpy().ravel(), 10)
        assert np.array_equal(of, other_of)
        assert (view_of != other_view).all()


def test_a_feed_that_starts_later_gives_what_it_would_have_given(cache: FrameCache) -> None:
    pool = ViewPool(np.random.default_rng(0).random((COUNT, EACH, 1, 1, 1)).astype(np.float16), np.arange(COUNT))
    all_steps = list(islice(pool_batches(cache, CONFIG, pool), 9))
    later = list(islice(pool_batches(cache, CONFIG, pool, 6), 3))
    assert all(torch.equal(one.view, two.view) for one, two in zip(all_steps[6:], later, strict=True))
    assert all(torch.equal(one.other, two.other) for one, two in zip(all_steps[6:], later, strict=True))


def test_pictures_without_views_are_not_shown(cache: FrameCache) -> None:
    place = np.full(COUNT, -1)
    place[::2] = np.arange(COUNT // 2)
    pool = ViewPool(np.arange(COUNT // 2, dtype=np.float16)[:, None, None, None, None].repeat(EACH, 1), place)
    shown = {float(one) for batch in islice(pool_batches(cache, CONFIG, pool), 10) for one in batch.view.ravel()}
    assert shown == set(range(COUNT // 2))


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 3},  # 3 x 8 x 2 views, of 60
        {"frozen_views": 0},
        {"views": "paper"},  # one view of each pair is solarised
    ],
)
def test_where_it_does_not_pay_views_are_drawn_at_each_step(
    cache: FrameCache, frozen: nn.Module, tmp_path: Path, changes: dict
) -> None:
    config = small_config(**{**vars(CONFIG), **changes})
    assert build_pool(cache, config, frozen, tmp_path) is None


def test_of_many_pictures_a_sample_has_views(
    cache: FrameCache, frozen: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.frozen.MOST_BYTES", 10 * EACH * 112 * 4 * 4 * 2)  # what stage 5 has at 64 px
    pool = made(cache, frozen, tmp_path)
    assert len(pool.features) == np.count_nonzero(pool.place >= 0) == 10


def test_training_on_them_changes_the_last_stage_alone_and_removes_them(cache: FrameCache, tmp_path: Path) -> None:
    before = first_encoder(CONFIG).state_dict()
    train(cache, CONFIG, tmp_path)
    encoder = build_encoder(CONFIG.arch, "absolute")
    load_encoder(tmp_path / "encoder.safetensors", encoder)
    changed = {name for name, tensor in encoder.state_dict().items() if not torch.equal(before[name], tensor)}
    assert changed
    assert all(name.startswith("1.model.blocks.5.") for name in changed)
    assert not (tmp_path / VIEWS).exists()


def test_a_run_that_was_stopped_while_they_were_made_goes_on(
    cache: FrameCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*arguments: object) -> ViewPool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("training.train.build_pool", stopped)
        with pytest.raises(TrainingError, match=f"--out {tmp_path} --resume"):
            pretrain(cache, CONFIG, tmp_path, False, lambda progress: None)
    pretrain(cache, CONFIG, tmp_path, True, lambda progress: None)
    assert (tmp_path / "encoder.safetensors").exists()
