"""What is left of a run: directions, centred on the footage."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lookalike import pixels
from lookalike.errors import TrainingError
from tests.training.small import SMALL, noise_frames, small_config, untrained_run
from training.checkpoint import ENCODER, save_encoder, weights_digest
from training.data import build_cache
from training.encoders import build_encoder
from training.trained import BATCH, HEAD, ServedEncoder, embed_pixels, load_trained, sample_frames

RED, BLUE = [255, 0, 0], [0, 0, 255]


def pixels_of(*colours: list[int]) -> torch.Tensor:
    """Pictures of one pixel each, uint8 (N, 1, 1, 3)."""
    return torch.tensor(colours, dtype=torch.uint8).view(-1, 1, 1, 3)


def test_an_embedding_is_a_direction_of_length_one() -> None:
    """(255, 0, 0) and (51, 0, 0) point one way; (51, 0, 102) is (1, 0, 2) / sqrt(5)."""
    served = ServedEncoder(nn.Flatten(), 3)
    found = served(pixels_of(RED, [51, 0, 0], [51, 0, 102]))
    expected = torch.tensor([[1, 0, 0], [1, 0, 0], [1 / math.sqrt(5), 0, 2 / math.sqrt(5)]])
    assert found.dtype == torch.float32
    assert torch.allclose(found, expected, atol=1e-6)


def test_the_encoder_sees_numbers_from_zero_to_one_channels_first() -> None:
    seen = []

    class Recorder(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(images)
            return images.flatten(1)

    given = torch.arange(24, dtype=torch.uint8).view(1, 2, 4, 3)
    ServedEncoder(Recorder(), 24)(given)
    assert seen[0].shape == (1, 3, 2, 4)
    assert torch.allclose(seen[0][0, 1], given[0, :, :, 1] / 255)


def test_the_centre_is_the_mean_of_directions_and_is_taken_out() -> None:
    """Red and a dark blue: mean (1/2, 0, 1/2), whatever their brightness; what is left is +-(1, 0, -1) / sqrt(2).

    A dark red counts as a direction too: .2 of red, less the mean as it is, would point elsewhere.
    """
    served = ServedEncoder(nn.Flatten(), 3)
    served.center_on(served.directions(pixels_of(RED, [0, 0, 10])))
    assert torch.allclose(served.center, torch.tensor([0.5, 0, 0.5]), atol=1e-6)
    left = torch.tensor([1, 0, -1]) / math.sqrt(2)
    assert torch.allclose(served(pixels_of(RED, [51, 0, 0], BLUE)), torch.stack([left, left, -left]), atol=1e-6)


def test_a_new_centre_takes_the_place_of_the_old_one() -> None:
    served = ServedEncoder(nn.Flatten(), 3)
    served.center_on(served.directions(pixels_of(RED)))
    served.center_on(served.directions(pixels_of(BLUE, BLUE)))
    assert torch.allclose(served.center, torch.tensor([0.0, 0.0, 1.0]), atol=1e-6)


def test_the_centre_weighs_every_frame_equally_across_batches() -> None:
    """One frame more than a batch: the last one counts as much as each of the others."""
    served = ServedEncoder(nn.Flatten(), 3)
    served.center_on(served.directions(pixels_of(*[RED] * BATCH, BLUE)))
    assert torch.allclose(served.center, torch.tensor([BATCH, 0, 1]) / (BATCH + 1), atol=1e-6)


def test_embedding_in_slices_gives_every_row() -> None:
    colours = [[one, 1, 255 - one] for one in range(2 * BATCH + 3)]
    served = ServedEncoder(nn.Flatten(), 3)
    found = embed_pixels(served, pixels_of(*colours))
    assert torch.allclose(found, nn.functional.normalize(torch.tensor(colours).float(), dim=1), atol=1e-6)


def test_a_trained_run_comes_back_in_eval_mode_centred_on_its_own_frames(tmp_path: Path) -> None:
    served, config = load_trained(untrained_run(tmp_path / "run", small_config(seed=3)))
    assert config == small_config(seed=3)
    assert not any(module.training for module in served.modules())
    stored = [pixels.fit(pixels.fit(frame.image, 37), 32) for frame in noise_frames(24)]
    directions = nn.functional.normalize(served.encoder(torch.from_numpy(np.stack(stored)).permute(0, 3, 1, 2) / 255))
    assert torch.allclose(served.center, directions.mean(0), atol=1e-5)
    again, _ = load_trained(tmp_path / "run")
    assert weights_digest(again) == weights_digest(served)


def test_the_last_layer_is_fitted_once_and_kept_until_the_encoder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(embedding=8, light="relative")
    run = untrained_run(tmp_path / "run", config)
    served, _ = load_trained(run)
    assert served.weight.shape == (8, served.center.shape[0])
    fits: list[int] = []
    whiten_on = ServedEncoder.whiten_on
    monkeypatch.setattr(ServedEncoder, "whiten_on", lambda *given: (fits.append(1), whiten_on(*given)))
    again, _ = load_trained(run)
    assert (fits, weights_digest(again)) == ([], weights_digest(served))
    torch.manual_seed(5)
    save_encoder(run / ENCODER, build_encoder(config.arch, config.light))
    other, _ = load_trained(run)
    assert fits == [1]
    assert not torch.allclose(other.weight, served.weight)
    (run / HEAD).write_bytes(b"cut off")
    load_trained(run)
    assert fits == [1, 1]


def test_a_whitened_embedding_tells_disturbed_frames_apart_where_a_centred_one_does_not() -> None:
    """An encoder of three numbers: what frames differ in, tiny; their exposure, large; and a constant."""

    class Three(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            light = images.mean((1, 2, 3))
            left, right = images[..., :8].mean((1, 2, 3)), images[..., 8:].mean((1, 2, 3))
            return torch.stack([0.01 * (left > right + 0.01).float(), light, torch.full_like(light, 0.1)], 1)

    dark, bright = torch.full((1, 16, 16, 3), 90, dtype=torch.uint8), torch.full((1, 16, 16, 3), 130, dtype=torch.uint8)
    dark_left, bright_left = dark.clone(), bright.clone()
    dark_left[:, :, :8] += 20
    bright_left[:, :, :8] += 20
    frames = torch.cat([dark_left, dark, bright_left, bright])
    served = ServedEncoder(Three(), 3)
    served.center_on(served.directions(frames))
    centred = served(frames)
    served.whiten_on(served.directions(frames), frames, 16, dim=3)
    whitened = served(frames)
    assert centred[0] @ centred[2] < 0 < centred[0] @ centred[1]  # by light
    assert whitened[0] @ whitened[1] < 0 < whitened[0] @ whitened[2]  # by what is seen


def test_a_long_recording_is_sampled_evenly_from_its_first_frame_to_its_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = build_cache(tmp_path, noise_frames(21), SMALL.cache_px, lambda frame: None)
    monkeypatch.setattr("training.trained.SAMPLE", 5)
    rows, pictures = sample_frames(cache, 32)
    assert rows.tolist() == [0, 5, 10, 15, 20]
    assert (pictures.dtype, pictures.shape) == (np.uint8, (5, 32, 32, 3))
    assert np.array_equal(pictures[3], pixels.fit(cache.frames[15], 32))
    monkeypatch.setattr("training.trained.SAMPLE", 2000)
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
