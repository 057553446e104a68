"""What is left of a run: the encoder, and its head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lookalike import pixels
from lookalike.errors import TrainingError
from lookalike.parts import Part
from tests.training.small import SMALL, noise_frames, small_config, untrained_run
from training.checkpoint import ENCODER, save_encoder, weights_digest
from training.data import build_cache
from training.encoders import build_encoder
from training.head import fit_head
from training.pictures import sample_frames
from training.trained import HEAD, load_trained


def test_a_trained_run_comes_back_in_eval_mode_centred_on_its_own_frames(tmp_path: Path) -> None:
    encoder, config = load_trained(untrained_run(tmp_path / "run", small_config(seed=3)))
    assert config == small_config(seed=3)
    assert not any(module.training for module in encoder.modules())
    stored = [pixels.fit(pixels.fit(frame.image, 37), 32) for frame in noise_frames(24)]
    directions = nn.functional.normalize(encoder.encoder(torch.from_numpy(np.stack(stored)).permute(0, 3, 1, 2) / 255))
    assert torch.allclose(encoder.layer("layout").center, directions.mean(0), atol=1e-5)
    again, _ = load_trained(tmp_path / "run")
    assert weights_digest(again) == weights_digest(encoder)


def test_the_head_is_fitted_once_and_kept_until_the_encoder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(head=True, content=6, layout=8, colour=4, light="relative")
    run = untrained_run(tmp_path / "run", config)
    encoder, _ = load_trained(run)
    assert encoder.parts == (Part("content", 6), Part("layout", 8), Part("colour", 4))
    fits: list[int] = []
    monkeypatch.setattr(
        "training.trained.fit_head", lambda *given, **named: (fits.append(1), fit_head(*given, **named))[1]
    )
    again, _ = load_trained(run)
    assert (fits, weights_digest(again)) == ([], weights_digest(encoder))
    torch.manual_seed(5)
    save_encoder(run / ENCODER, build_encoder(config.arch, config.light))
    other, _ = load_trained(run)
    assert fits == [1]
    assert not torch.allclose(other.layer("layout").weight, encoder.layer("layout").weight)
    (run / HEAD).write_bytes(b"cut off")
    load_trained(run)
    assert fits == [1, 1]


def test_a_long_recording_is_sampled_evenly_from_its_first_frame_to_its_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = build_cache(tmp_path, noise_frames(21), SMALL.cache_px, lambda frame: None)
    monkeypatch.setattr("training.pictures.SAMPLE", 5)
    rows, pictures = sample_frames(cache, 32)
    assert rows.tolist() == [0, 5, 10, 15, 20]
    assert (pictures.dtype, pictures.shape) == (np.uint8, (5, 32, 32, 3))
    assert np.array_equal(pictures[3], pixels.fit(cache.frames[15], 32))
    monkeypatch.setattr("training.pictures.SAMPLE", 2000)
    assert sample_frames(cache, 32)[0].tolist() == list(range(21))


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("config.json", "cannot read the run's config"),
        ("encoder.safetensors", "cannot read the encoder's weights"),
        ("cache/index.json", "no complete frame cache"),
    ],
)
def test_an_incomplete_run_says_what_is_missing(tmp_path: Path, missing: str, reason: str) -> None:
    run = untrained_run(tmp_path / "run")
    (run / missing).unlink()
    with pytest.raises(TrainingError, match=reason):
        load_trained(run)


def test_no_run_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no such folder; expected a run made by `lookalike pretrain --out"):
        load_trained(tmp_path / "none")
