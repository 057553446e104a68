"""The encoder with its head: features, layers, parts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from lookalike.parts import Part
from tests.training.small import small_config
from training.augment import ViewPolicy
from training.data import untracked
from training.head import (
    BATCH,
    CPU_BATCH,
    EncoderWithHead,
    Features,
    embed_pixels,
    fit_head,
    fit_layers,
)
from training.pictures import sample_regions

RED, BLUE = [255, 0, 0], [0, 0, 255]


def pixels_of(*colours: list[int]) -> torch.Tensor:
    """Pictures of one pixel each, uint8 (N, 1, 1, 3)."""
    return torch.tensor(colours, dtype=torch.uint8).view(-1, 1, 1, 3)


def center_on(head: EncoderWithHead, pixels: torch.Tensor) -> None:
    """Take out the mean of their features, and change nothing else."""
    features = head.features(pixels)["layout"]
    head.layer("layout").set(features.mean(0), torch.eye(features.shape[1]))


class Grid(nn.Module):
    """Pictures as they are, as a grid of 2 x 2 cells of three channels."""

    grid = 2

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.adaptive_avg_pool2d(images, self.grid).flatten(1)


def test_an_embedding_is_a_direction_of_length_one() -> None:
    """(255, 0, 0) and (51, 0, 0) point one way; (51, 0, 102) is (1, 0, 2) / sqrt(5)."""
    encoder = EncoderWithHead(nn.Flatten(), 3)
    found = encoder(pixels_of(RED, [51, 0, 0], [51, 0, 102]))
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
    EncoderWithHead(Recorder(), 24)(given)
    assert seen[0].shape == (1, 3, 2, 4)
    assert torch.allclose(seen[0][0, 1], given[0, :, :, 1] / 255)


def test_the_centre_is_the_mean_of_directions_and_is_taken_out() -> None:
    """Red and a dark blue: mean (1/2, 0, 1/2), whatever their brightness; what is left is +-(1, 0, -1) / sqrt(2).

    A dark red counts as a direction too: .2 of red, less the mean as it is, would point elsewhere.
    """
    encoder = EncoderWithHead(nn.Flatten(), 3)
    center_on(encoder, pixels_of(RED, [0, 0, 10]))
    assert torch.allclose(encoder.layer("layout").center, torch.tensor([0.5, 0, 0.5]), atol=1e-6)
    left = torch.tensor([1, 0, -1]) / math.sqrt(2)
    assert torch.allclose(encoder(pixels_of(RED, [51, 0, 0], BLUE)), torch.stack([left, left, -left]), atol=1e-6)


def test_a_new_centre_takes_the_place_of_the_old_one() -> None:
    encoder = EncoderWithHead(nn.Flatten(), 3)
    center_on(encoder, pixels_of(RED))
    center_on(encoder, pixels_of(BLUE, BLUE))
    assert torch.allclose(encoder.layer("layout").center, torch.tensor([0.0, 0.0, 1.0]), atol=1e-6)


def test_the_centre_weighs_every_frame_equally_across_batches() -> None:
    """One frame more than a batch: the last one counts as much as each of the others."""
    encoder = EncoderWithHead(nn.Flatten(), 3)
    center_on(encoder, pixels_of(*[RED] * BATCH, BLUE))
    assert torch.allclose(encoder.layer("layout").center, torch.tensor([BATCH, 0, 1]) / (BATCH + 1), atol=1e-6)


def test_embedding_in_slices_gives_every_row() -> None:
    colours = [[one, 1, 255 - one] for one in range(2 * BATCH + 3)]
    encoder = EncoderWithHead(nn.Flatten(), 3)
    found = embed_pixels(encoder, pixels_of(*colours))
    assert torch.allclose(found, nn.functional.normalize(torch.tensor(colours).float(), dim=1), atol=1e-6)


def test_on_a_cpu_pictures_go_through_the_network_in_small_batches() -> None:
    """Three more than two batches, embedded, and then as features."""
    sizes: list[int] = []

    class Counting(nn.Flatten):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            sizes.append(len(images))
            return super().forward(images)

    encoder, pixels = EncoderWithHead(Counting(), 3), pixels_of(*[RED] * (2 * CPU_BATCH + 3))
    embed_pixels(encoder, pixels)
    encoder.features(pixels)
    assert sizes == [CPU_BATCH, CPU_BATCH, 3] * 2


def test_content_is_what_is_shown_wherever_it_is_and_layout_where() -> None:
    """Two pictures with red in one corner each, the rest black: the same content, no layout in common."""
    head = EncoderWithHead(nn.Sequential(nn.Identity(), Grid()), 12, ("content", "layout"))
    pictures = torch.zeros(2, 4, 4, 3, dtype=torch.uint8)
    pictures[0, :2, :2, 0], pictures[1, 2:, 2:, 0] = 255, 255
    assert head.parts == (Part("content", 3), Part("layout", 12))
    found = head(pictures)
    assert torch.allclose(found.norm(dim=1), torch.ones(2))
    content, layout = found[:, :3], found[:, 3:]
    assert float(content[0] @ content[1]) == pytest.approx(0.5)  # 1, of which each of two parts has half
    assert float(layout[0] @ layout[1]) == pytest.approx(0)


def test_layout_is_fitted_to_frames_alone_and_content_to_regions_too() -> None:
    """Frames are red and blue, regions green: the layout's centre knows no green."""
    frames, regions = np.zeros((6, 8, 8, 3), np.uint8), np.zeros((6, 8, 8, 3), np.uint8)
    frames[::2, ..., 0] = frames[1::2, ..., 2] = 255
    regions[..., 1] = 255
    config = small_config(head=True, content=3, layout=12, colour=64, input_px=4)
    head = fit_head(nn.Sequential(nn.Identity(), Grid()), frames, config, untracked(regions), copies=1)
    green = slice(4, 8)  # of (3, 2, 2), flattened
    assert head.layer("layout").center[green].abs().max() < 1e-6
    assert head.layer("content").center[1] > 0.3
    assert [part.name for part in head.parts] == ["content", "layout", "colour"]


def test_fitting_tells_how_many_perturbed_copies_are_embedded() -> None:
    """Two copies of CPU_BATCH + 1 frames: each copy takes two batches. Without a head no copy is made."""
    frames, told = np.zeros((CPU_BATCH + 1, 8, 8, 3), np.uint8), []
    config = small_config(head=True, content=0, layout=3, colour=0, input_px=4)
    fit_head(nn.Flatten(), frames, config, copies=2, on_fit=lambda done, total: told.append((done, total)))
    of_one = CPU_BATCH + 1
    assert told == [(done, 2 * of_one) for done in (CPU_BATCH, of_one, of_one + CPU_BATCH, 2 * of_one)]
    told.clear()
    fit_head(nn.Flatten(), frames, small_config(head=False, input_px=4), on_fit=lambda done, _: told.append(done))
    assert told == []


def test_a_whitened_embedding_tells_perturbed_frames_apart_where_a_centred_one_does_not() -> None:
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
    encoder = EncoderWithHead(Three(), 3)
    center_on(encoder, frames)
    centred = encoder(frames)
    config = small_config(head=True, content=0, layout=3, colour=0, input_px=16)
    whitened = fit_head(Three(), frames.numpy(), config, copies=8)(frames)
    assert centred[0] @ centred[2] < 0 < centred[0] @ centred[1]  # by light
    assert whitened[0] @ whitened[1] < 0 < whitened[0] @ whitened[2]  # by what is seen


def test_regions_are_sampled_by_their_tracks() -> None:
    """Tracks of 6 and 2, and 4 in none; 8 are taken: 4 of one, 2 of the other, the first and the last of the rest."""
    track = np.array([0, 0, 0, 0, 0, 0, -1, -1, -1, -1, 1, 1])
    assert sample_regions(track, 8).tolist() == [0, 1, 2, 3, 5, 9, 10, 11]
    assert sample_regions(track, 12).tolist() == list(range(12))


class ColourAndSide(nn.Module):
    """Three numbers: whether red or blue prevails, which half is lighter, and a constant."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        half = images.shape[3] // 2
        side = (images[..., :half].mean((1, 2, 3)) - images[..., half:].mean((1, 2, 3))).sign()
        colour = (images[:, 0] - images[:, 2]).mean((1, 2)).sign()
        return torch.stack([colour, side, torch.ones_like(side)], 1)


def test_a_mirrored_photo_shows_the_same_and_a_mirrored_scene_does_not() -> None:
    """Red and blue, each with its left or its right half lit. Half of the copies of photos are mirrored: the lit side
    says nothing. No copy of what a camera sees is: there both count alike, and to differ in one is a cosine of about 0.
    """
    frames = np.zeros((4, 16, 16, 3), np.uint8)
    for row, (channel, half) in enumerate([(0, slice(8)), (0, slice(8, 16)), (2, slice(8)), (2, slice(8, 16))]):
        frames[row, :, :, channel] = 60
        frames[row, :, half, channel] = 200
    found = {}
    for views in ("photo", "camera"):
        config = small_config(head=True, content=0, layout=3, colour=0, input_px=16, views=views)
        embedded = fit_head(ColourAndSide(), np.repeat(frames, 20, 0), config, copies=8)(torch.from_numpy(frames))
        found[views] = float(embedded[0] @ embedded[1])
    assert found["photo"] > 0.8
    assert abs(found["camera"]) < 0.5


def test_what_a_cameras_light_changes_counts_less_in_colour() -> None:
    """Frames of one camera differ in red alone, regions in red and in blue. As frames of a camera, red is its light;
    as photos, of which each is by itself, red and blue tell as much.
    """
    frames, regions = np.full((8, 8, 8, 3), 100, np.uint8), np.full((4, 8, 8, 3), 100, np.uint8)
    frames[::2, ..., 0] = 200
    regions[1::2, ..., 0] = regions[2:, ..., 2] = 200

    def features_of(images: torch.Tensor) -> Features:
        return {"colour": images.mean((2, 3)) - 0.5}

    def fitted(camera: np.ndarray | None) -> torch.Tensor:
        policy = ViewPolicy(jitter_p=0, grey_p=0, blur_p=0, gain=0.3)
        layers = fit_layers(
            features_of, {"colour": 3}, frames, untracked(regions), 8, copies=8, policy=policy, camera=camera
        )
        return layers["colour"][1].norm(dim=0)  # how much red, green and blue count

    light, none = fitted(np.zeros(8, int)), fitted(None)
    assert light[0] / light[2] < 0.8 * none[0] / none[2]
