"""Fit the head to footage, without labels: to frames and regions, and to perturbed copies of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.console import step_bar
from lookalike.parts import PartName
from training.augment import camera_policy, draw_view, make_view
from training.config import TrainConfig
from training.data import NO_REGIONS, RegionCache
from training.encoders import device_of, embedding_dim
from training.head import BATCH, EncoderWithHead, Features, gather
from training.pictures import fit_all, sample_rows
from training.whiten import fit_whitening

FRAMES, REGIONS = 300, 300  # at most, of longer footage
OF_TRACK = 4  # regions of a track, at least, where so many are taken of all
COPIES = 4  # of each, perturbed


def fit_head(
    encoder: nn.Module,
    frames: np.ndarray,
    config: TrainConfig,
    regions: RegionCache = NO_REGIONS,
    copies: int = COPIES,
) -> EncoderWithHead:
    """The encoder with a head made for these pictures, in eval mode on the device that it is on.

    frames: uint8 (N, C, C, 3), C is config.cache_px, and so are the pictures of regions; of many, an even sample is
    taken. copies: of each picture.
    content and colour are fitted to both, since they are asked for by regions; layout to frames alone: where a thing is
    in a region says nothing.
    """
    device = device_of(encoder)
    dim = embedding_dim(encoder, config.input_px)
    head = EncoderWithHead(encoder, dim, part_names(config)).to(device).eval()
    frames, chosen = frames[sample_rows(len(frames), FRAMES)], sample_regions(regions.track, REGIONS)
    pictures = [*frames, *regions.pictures[chosen]]
    track = torch.from_numpy(np.concatenate([np.full(len(frames), -1), regions.track[chosen]]))
    plain = torch.from_numpy(fit_all(pictures, config.input_px)).to(device)
    seen = [head.features(plain)]
    if config.head:
        cached = torch.from_numpy(np.stack(pictures)).to(device)
        seen += perturbed(head, cached, config.input_px, copies)
    for name in head.names:
        rows = slice(len(frames)) if name == "layout" else slice(None)
        of_part = torch.stack([one[name][rows] for one in seen]).cpu()  # (1 + copies, N, D)
        if config.head:
            head.layer(name).set(*fit_whitening(of_part, getattr(config, name), track[rows]))
        else:
            head.layer(name).set(of_part[0].mean(0), torch.eye(of_part.shape[2]))
    return head


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


def part_names(config: TrainConfig) -> list[PartName]:
    """The parts that an embedding has."""
    names: list[PartName] = ["content", "layout", "colour"]
    return [name for name in names if getattr(config, name)] if config.head else ["layout"]


@torch.no_grad()
def perturbed(head: EncoderWithHead, pictures: Tensor, input_px: int, copies: int) -> Iterator[Features]:
    """Features of copies of the pictures, uint8 (N, C, C, 3), each perturbed; a bar counts, it may take minutes."""
    generator = torch.Generator().manual_seed(0)
    with step_bar("fitting the head", copies * len(pictures)) as tell:
        for copy in range(copies):
            draw = draw_view(len(pictures), camera_policy(), generator)
            found: list[Features] = []
            for start in range(0, len(pictures), BATCH):
                part = slice(start, start + BATCH)
                found.append(head.features_of(make_view(pictures[part], draw[part], input_px)))
                tell(copy * len(pictures) + min(start + BATCH, len(pictures)), "")
            yield gather(found)
