"""Contenders: the encoder in question, encoders to compare it with, and its baselines."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
import torch
from torch import nn

from lookalike.console import say
from lookalike.contract import Device, EncoderSpec
from lookalike.encoder import Encoder
from lookalike.errors import TrainingError
from lookalike.parts import CROP, FRAME, Part, Weights, weigh
from training import warm_start
from training.config import DEFAULT_ARCH, BuiltIn, Light, TrainConfig, Views
from training.data import RegionCache
from training.encoders import TIMM, Standardize, build_encoder
from training.evaluation.baselines import Embedder, hsv_histogram, raw_pixels
from training.evaluation.gallery import Gallery
from training.evaluation.later import find_tracks
from training.head import (
    FRAMES,
    REGIONS,
    EncoderWithHead,
    OnFit,
    embed_pixels,
    fit_head,
    no_progress,
    with_fused_encoder,
)
from training.pictures import fit_all, sample_regions, sample_rows
from training.train import pick_device
from training.trained import load_trained

OWN = "this encoder"
HISTOGRAM = "HSV histogram"
UNTRAINED = "untrained, same head"
PIXELS = "16x16 pixels, same head"
PRETRAINED = "pretrained, same head"  # weights of a public model, as they are
NETWORKS = (UNTRAINED, PIXELS, PRETRAINED)  # baselines with a head like that of the encoder in question
BATCH = 256  # pictures made to fit at a time

Role = Literal["own", "compared", "baseline"]


@dataclass(frozen=True)
class Contender:
    """Something that embeds pictures. role: the encoder in question, one to compare it with, or a baseline.

    parts: of its embeddings. crop, frame: weights of the parts for a part of a picture and for a whole one.
    """

    name: str
    embed: Embedder
    role: Role = "baseline"
    parts: tuple[Part, ...] = ()
    crop: Weights = CROP
    frame: Weights = FRAME

    @property
    def joinable(self) -> bool:
        """Return whether it is also measured joined with colour: a baseline without colour."""
        colour = self.name == HISTOGRAM or any(part.name == "colour" for part in self.parts)
        return self.role == "baseline" and not colour

    def weighed(self, queries: np.ndarray, crops: bool) -> np.ndarray:
        """Weigh the parts of queries, float32 (Q, D), as a search does."""
        weights = self.crop if crops else self.frame
        return np.stack([weigh(query, self.parts, weights) for query in queries]) if len(self.parts) > 1 else queries


def contenders(
    encoder_or_run: Path,
    gallery: Gallery,
    device: Device = "auto",
    compare: Sequence[Path] = (),
    views: Views | None = None,
    arch: str | None = None,
    on_fit: OnFit = no_progress,
) -> list[Contender]:
    """Load the encoder (an ONNX file, or a run) and those to compare it with (ONNX files), and make the baselines.

    gallery: what is searched; the heads of baselines are fitted to it. views: of these pictures, if not those of the
    run: they decide how the heads of baselines are fitted. arch: as for `TrainConfig.load`.
    on_fit: see head.OnFit, of each head in turn.
    Raises: TrainingError or EncoderError if there is no such encoder; DeviceError if there is no such device.
    """
    others = [_exported(path.stem, Encoder(path, device), "compared") for path in compare]
    if encoder_or_run.is_dir():
        fitted, config = load_trained(encoder_or_run, arch, on_fit)
        return [
            of_run(fitted, config, device),
            *_named_apart(others),
            *baselines(_of_views(config, views), gallery, device, on_fit=on_fit),
        ]
    encoder = Encoder(encoder_or_run, device)
    own = _exported(OWN, encoder, "own")
    config = _of_views(_config_of(encoder.spec), views)
    networks = NETWORKS if _is_ours(encoder.spec) else (PIXELS, PRETRAINED)  # else the untrained network is unknown
    return [own, *_named_apart(others), *baselines(config, gallery, device, networks, on_fit)]


def _of_views(config: TrainConfig, views: Views | None) -> TrainConfig:
    return dataclasses.replace(config, views=views) if views else config


def of_run(encoder: EncoderWithHead, config: TrainConfig, device: Device = "auto") -> Contender:
    """Make the encoder in question of a run that is already loaded."""
    return _with_head(OWN, encoder, config, device, "own")


def baselines(
    config: TrainConfig,
    gallery: Gallery,
    device: Device = "auto",
    networks: Sequence[str] = NETWORKS,
    on_fit: OnFit = no_progress,
) -> list[Contender]:
    """Make the baselines. networks: which of NETWORKS; fitting their heads takes most of the time."""
    found = [
        Contender("raw pixels 8x8", raw_pixels(8)),
        Contender("raw pixels 32x32", raw_pixels(32)),
        Contender(HISTOGRAM, hsv_histogram),
    ]
    frames, camera, regions = _fitted_to(gallery, config)
    for name, network in _networks(config).items():
        if name not in networks:
            continue
        try:
            fitted = fit_head(network().to(pick_device(device)), frames, config, regions, camera=camera, on_fit=on_fit)
        except TrainingError as error:
            say(f"baseline left out: {name}: {error}")
            continue
        found.append(_with_head(name, fitted, config, device))
    return found


def _fitted_to(gallery: Gallery, config: TrainConfig) -> tuple[np.ndarray, np.ndarray, RegionCache]:
    """Sample what a head is fitted to, as a run caches it: frames, uint8 (M, C, C, 3), their cameras, int64 (M,), and
    regions with their tracks.
    """
    track = find_tracks(gallery)
    frames, regions = np.flatnonzero(gallery.whole), np.flatnonzero(~gallery.whole)
    frames, regions = frames[sample_rows(len(frames), FRAMES)], regions[sample_regions(track[regions], REGIONS)]
    side = config.cache_px
    small = [
        fit_all((gallery.pictures[row] for row in rows), side) if len(rows) else np.empty((0, side, side, 3), np.uint8)
        for rows in (frames, regions)
    ]
    _, camera = np.unique(gallery.camera[frames], return_inverse=True)
    return small[0], camera, RegionCache(small[1], gallery.frame[regions], gallery.box[regions], track[regions])


def _networks(config: TrainConfig) -> dict[str, Callable[[], nn.Module]]:
    """Return the networks whose heads are fitted like that of the encoder in question."""
    return {UNTRAINED: lambda: _untrained(config), PIXELS: _small_pixels, PRETRAINED: _pretrained}


def _untrained(config: TrainConfig) -> nn.Module:
    torch.manual_seed(0)
    return build_encoder(config.arch, config.light)


def _pretrained() -> nn.Module:
    network = build_encoder(DEFAULT_ARCH, "absolute")
    warm_start.warm_start(network, DEFAULT_ARCH, warm_start.PRETRAINED)
    return network


def _small_pixels() -> nn.Module:
    """Make the encoder without a network: 16 x 16 pixels, less their light."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(16), Standardize(), nn.Flatten())


def _is_ours(spec: EncoderSpec) -> bool:
    """Return whether the spec names an architecture that can be built here."""
    return spec.arch in get_args(BuiltIn) or spec.arch.startswith(TIMM)


def _config_of(spec: EncoderSpec) -> TrainConfig:
    """Return settings for an untrained encoder of the same kind, and for heads of the same lengths."""
    if not _is_ours(spec):
        return TrainConfig(input_px=spec.input_px)
    lengths = {part.name: part.dim for part in spec.parts} or {"layout": spec.dim}
    none = dict.fromkeys(("content", "layout", "colour"), 0)
    kind = TrainConfig(arch=spec.arch, init="none", light=cast(Light, spec.light), input_px=spec.input_px)
    return dataclasses.replace(kind, head=spec.whitened, **none | lengths)


def _exported(name: str, encoder: Encoder, role: Role) -> Contender:
    spec = encoder.spec
    return Contender(name, _prepared(encoder.embed, spec.input_px), role, spec.parts, spec.crop, spec.frame)


def _named_apart(found: list[Contender]) -> list[Contender]:
    """Number encoders whose files have the same name."""
    names = [contender.name for contender in found]
    return [
        Contender(
            f"{contender.name} ({row + 1})",
            contender.embed,
            contender.role,
            contender.parts,
            contender.crop,
            contender.frame,
        )
        if names.count(contender.name) > 1 or contender.name == OWN
        else contender
        for row, contender in enumerate(found)
    ]


def _with_head(
    name: str, encoder: EncoderWithHead, config: TrainConfig, device: Device, role: Role = "baseline"
) -> Contender:
    where = pick_device(device)
    encoder = encoder.to(where)
    quick = with_fused_encoder(encoder, config.input_px)

    def embed(batch: np.ndarray) -> np.ndarray:
        return embed_pixels(quick, torch.from_numpy(batch).to(where)).cpu().numpy()

    return Contender(name, _prepared(embed, config.input_px), role, encoder.parts, frame=config.frame_weights)


def _prepared(embed_batch: Callable[[np.ndarray], np.ndarray], input_px: int) -> Embedder:
    def embed(pictures: list[np.ndarray]) -> np.ndarray:
        batches = [pictures[start : start + BATCH] for start in range(0, len(pictures), BATCH)]
        return np.concatenate([embed_batch(fit_all(batch, input_px)) for batch in batches])

    return embed
