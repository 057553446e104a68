"""Fit the head to footage, without labels: to frames and regions, and to perturbed copies of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.console import step_bar
from lookalike.parts import PartName
from training.augment import ViewPolicy, draw_view, head_policy, make_view
from training.config import TrainConfig
from training.data import NO_REGIONS, RegionCache
from training.encoders import device_of, embedding_dim
from training.fused import with_fused_encoder
from training.head import CPU_BATCH, EncoderWithHead, Features, as_images, batch_size, gather
from training.pictures import fit_all, sample_rows
from training.whiten import LIGHT, fit_whitening

FRAMES, REGIONS = 300, 300  # at most, of longer footage
OF_TRACK = 4  # regions of a track, at least, where so many are taken of all
COPIES = 4  # of each, perturbed
OF_CAMERAS = head_policy("camera")


def fit_head(
    encoder: nn.Module,
    frames: np.ndarray,
    config: TrainConfig,
    regions: RegionCache = NO_REGIONS,
    copies: int = COPIES,
    camera: np.ndarray | None = None,
) -> EncoderWithHead:
    """The encoder with a head made for these pictures, in eval mode on the device that it is on.

    frames: uint8 (N, C, C, 3), C is config.cache_px, and so are the pictures of regions; of many, an even sample is
    taken. copies: of each picture. camera: int (N,), of each frame; it says nothing of photos.
    """
    head = EncoderWithHead(encoder, embedding_dim(encoder, config.input_px), part_names(config))
    head = head.to(device_of(encoder)).eval()
    lengths: dict[PartName, int | None] = {name: getattr(config, name) if config.head else None for name in head.names}
    policy = head_policy(config.views)
    batch = batch_size(encoder)
    features_of = with_fused_encoder(head, config.input_px).features_of
    camera = None if config.views == "photo" else camera
    layers = fit_layers(features_of, lengths, frames, regions, config.input_px, copies, policy, batch, camera)
    for name, layer in layers.items():
        head.layer(name).set(*layer)
    return head


@torch.no_grad()
def fit_layers(
    features_of: Callable[[Tensor], Features],
    lengths: Mapping[PartName, int | None],
    frames: np.ndarray,
    regions: RegionCache,
    input_px: int,
    copies: int = COPIES,
    policy: ViewPolicy = OF_CAMERAS,
    batch: int = CPU_BATCH,
    camera: np.ndarray | None = None,
) -> dict[PartName, tuple[Tensor, Tensor]]:
    """The layers of a head for these pictures; a bar counts, it may take a minute.

    features_of: float (B, 3, S, S) in [0, 1] -> unit (B, D_i) of each part. lengths: of the parts; None takes out the
    mean of the features, and changes nothing else. frames, regions, copies: as in `fit_head`. policy: how copies are
    perturbed. batch: pictures that `features_of` gets at a time. camera: int (N,), of each frame, if it stood still.
    content and colour are fitted to frames and regions, since they are asked for by regions; layout to frames alone:
    where a thing is in a region says nothing. What a camera's frames differ by is mostly its light, by which things
    have other colours: that is weighed down in colour.
    Returns: centre, float32 (D_i,), and weight, float32 (length or less, D_i), of each part.
    """
    of_frames, chosen = sample_rows(len(frames), FRAMES), sample_regions(regions.track, REGIONS)
    frames = frames[of_frames]
    pictures = torch.from_numpy(np.stack([*frames, *regions.pictures[chosen]]))
    track = torch.from_numpy(np.concatenate([np.full(len(frames), -1), regions.track[chosen]]))
    of_light = track.clone()
    if camera is not None:
        of_light[: len(frames)] = torch.from_numpy(camera[of_frames]) + regions.track.max(initial=-1) + 1
    plain = torch.from_numpy(fit_all(pictures.numpy(), input_px))
    seen = [gather(features_of(as_images(part)) for part in plain.split(batch))]
    if any(lengths.values()):
        seen += _perturbed(features_of, pictures, input_px, copies, policy, batch)
    layers: dict[PartName, tuple[Tensor, Tensor]] = {}
    for name, length in lengths.items():
        rows = slice(len(frames)) if name == "layout" else slice(None)
        of_part = torch.stack([one[name][rows] for one in seen]).cpu()  # (1 + copies, N, D)
        if length and name == "colour" and camera is not None:
            layers[name] = fit_whitening(of_part, length, of_light, LIGHT)
        elif length:
            layers[name] = fit_whitening(of_part, length, track[rows])
        else:
            layers[name] = of_part[0].mean(0), torch.eye(of_part.shape[2])
    return layers


def _perturbed(
    features_of: Callable[[Tensor], Features],
    pictures: Tensor,
    input_px: int,
    copies: int,
    policy: ViewPolicy,
    batch: int,
) -> Iterator[Features]:
    """Features of copies of the pictures, uint8 (N, C, C, 3), each perturbed by itself."""
    generator = torch.Generator().manual_seed(0)
    with step_bar("fitting the head", copies * len(pictures)) as tell:
        for copy in range(copies):
            draw = draw_view(len(pictures), policy, generator)
            found: list[Features] = []
            for start in range(0, len(pictures), batch):
                part = slice(start, start + batch)
                found.append(features_of(make_view(pictures[part], draw[part], input_px)))
                tell(copy * len(pictures) + min(start + batch, len(pictures)), "")
            yield gather(found)


def part_names(config: TrainConfig) -> list[PartName]:
    """The parts that an embedding has."""
    names: list[PartName] = ["content", "layout", "colour"]
    return [name for name in names if getattr(config, name)] if config.head else ["layout"]


def sample_regions(track: np.ndarray, count: int) -> np.ndarray:
    """Up to `count` rows: evenly spaced tracks, some moments of each, and where there is room, others.

    track: int64 (R,). Returns: int64, ascending.
    """
    if len(track) <= count:
        return np.arange(len(track))
    numbers = np.unique(track[track >= 0])
    numbers = numbers[sample_rows(len(numbers), count // OF_TRACK)] if len(numbers) else numbers
    each = count // max(len(numbers), 1)
    of_tracks = [np.flatnonzero(track == number) for number in numbers]
    chosen = np.concatenate([rows[sample_rows(len(rows), each)] for rows in of_tracks] or [numbers])
    others = np.setdiff1d(np.arange(len(track)), chosen)
    return np.union1d(chosen, others[sample_rows(len(others), count - len(chosen))])
