"""The encoder with its head: linear layers fitted to footage without labels, one for each part of an embedding.

This is what the ONNX graph computes: uint8 pictures -> unit embeddings.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lookalike.parts import Part, PartName
from training.augment import ViewPolicy, draw_view, head_policy, make_view
from training.config import TrainConfig
from training.data import NO_REGIONS, RegionCache
from training.encoders import device_of, embedding_dim, grid_of
from training.fused import fused
from training.histogram import BINS, ColourHistogram
from training.pictures import fit_all, sample_regions, sample_rows
from training.whiten import LIGHT, fit_whitening

BATCH = 64  # pictures per forward pass on a GPU
CPU_BATCH = 16  # on CPUs: the allocator gives larger activations back to the system, which clears them at every layer
FRAMES, REGIONS = 300, 300  # that a head is fitted to, at most
COPIES = 4  # of each, perturbed
OF_CAMERAS = head_policy("camera")
Features = dict[PartName, Tensor]  # unit float (N, D_i), before the head
OnFit = Callable[[int, int], None]  # called with the perturbed copies that are embedded, and how many there will be


def no_progress(done: int, total: int) -> None: ...


class Layer(nn.Module):
    """One part's linear layer: subtracts the mean of the footage's features, then weighs their directions.

    Features of footage point nearly one way: without subtracting the mean every cosine would be nearly 1.
    """

    center: Tensor
    weight: Tensor

    def __init__(self, dim: int, out: int | None = None) -> None:
        """dim: length of the features. out: length of the part; None for `dim`. An unfitted layer is the identity."""
        super().__init__()
        self.register_buffer("center", torch.zeros(dim))
        self.register_buffer("weight", torch.eye(dim)[:out])

    def forward(self, features: Tensor) -> Tensor:
        return unit(F.linear(features - self.center, self.weight))

    def set(self, center: Tensor, weight: Tensor) -> None:
        self.center, self.weight = center.to(self.center.device), weight.to(self.center.device)


class EncoderWithHead(nn.Module):
    """uint8 (N, S, S, 3) RGB -> unit float32 (N, E): content, layout and colour, as many of them as it has.

    content: the mean over the grid of the encoder's features: what is shown, wherever it is. layout: the grid as a
    whole: what is shown where. colour: a histogram, see training.histogram.
    """

    def __init__(self, encoder: nn.Module, dim: int, names: Sequence[PartName] = ("layout",)) -> None:
        """dim: D, the length of the encoder's features. names: of the parts, in order; layout alone is all features."""
        super().__init__()
        self.encoder = encoder.to(memory_format=torch.channels_last)  # twice as fast on CPUs
        self.cells = grid_of(encoder) ** 2
        lengths: dict[PartName, int] = {"content": dim // self.cells, "layout": dim, "colour": BINS}
        self.layers = nn.ModuleDict({name: Layer(lengths[name]) for name in names})
        self.histogram = ColourHistogram()

    @property
    def names(self) -> list[PartName]:
        return list(self.layers)  # pyright: ignore[reportReturnType]

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of an embedding, with their lengths."""
        return tuple(Part(name, len(self.layer(name).weight)) for name in self.names)

    @property
    def dim(self) -> int:
        """E, the length of an embedding."""
        return sum(part.dim for part in self.parts)

    def layer(self, name: PartName) -> Layer:
        layer = self.layers[name]
        assert isinstance(layer, Layer)
        return layer

    def forward(self, pixels: Tensor) -> Tensor:
        return self.join(self.features_of(as_images(pixels)))

    def join(self, features: Features) -> Tensor:
        """Apply the head to features, unit (N, D_i). Returns: unit (N, E), joined as by lookalike.parts.join."""
        return torch.cat([self.layer(name)(features[name]) for name in self.names], 1) / len(self.layers) ** 0.5

    def features_of(self, images: Tensor) -> Features:
        """Compute the features of each part. images: float (N, 3, S, S) in [0, 1]. Returns: unit (N, D_i) of each."""
        found: Features = {}
        images = images.to(device_of(self.encoder))
        if "content" in self.layers or "layout" in self.layers:
            grid = self.encoder(images)  # (N, C * cells)
            found["content"] = unit(grid.unflatten(1, (-1, self.cells)).mean(2))
            found["layout"] = unit(grid)
        if "colour" in self.layers:
            found["colour"] = self.histogram(images)
        return {name: found[name] for name in self.names}

    @torch.no_grad()
    def features(self, pixels: Tensor) -> Features:
        """Compute the features of uint8 (N, S, S, 3), in bounded memory."""
        return gather(self.features_of(as_images(part)) for part in pixels.split(batch_size(self.encoder)))


def fit_head(
    encoder: nn.Module,
    frames: np.ndarray,
    config: TrainConfig,
    regions: RegionCache = NO_REGIONS,
    copies: int = COPIES,
    camera: np.ndarray | None = None,
    on_fit: OnFit = no_progress,
) -> EncoderWithHead:
    """Fit a head to these pictures. Returns: the encoder with it, in eval mode on the device that it is on.

    frames: uint8 (N, C, C, 3), C is config.cache_px, as for regions; of many, an even sample is taken. copies: of each
    picture. camera: int (N,), of each frame; ignored for photos. on_fit: see OnFit.
    """
    fitted = EncoderWithHead(encoder, embedding_dim(encoder, config.input_px), part_names(config))
    fitted = fitted.to(device_of(encoder)).eval()
    names = fitted.names
    lengths: dict[PartName, int | None] = {name: getattr(config, name) if config.head else None for name in names}
    policy = head_policy(config.views)
    batch = batch_size(encoder)
    features_of = with_fused_encoder(fitted, config.input_px).features_of
    camera = None if config.views == "photo" else camera
    layers = fit_layers(features_of, lengths, frames, regions, config.input_px, copies, policy, batch, camera, on_fit)
    for name, layer in layers.items():
        fitted.layer(name).set(*layer)
    return fitted


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
    on_fit: OnFit = no_progress,
) -> dict[PartName, tuple[Tensor, Tensor]]:
    """Fit the layers of a head to these pictures; it may take a minute.

    features_of: float (B, 3, S, S) in [0, 1] -> unit (B, D_i) of each part. lengths: of the parts; None subtracts the
    mean of the features, and changes nothing else. frames, regions, copies, on_fit: as in `fit_head`. policy: how
    copies are perturbed. batch: pictures that `features_of` gets at a time. camera: int (N,), of each frame, if it
    stood still.
    content and colour are fitted to frames and regions, since regions are searched by them; layout to frames alone:
    where a thing is in a region says nothing. Frames of one camera differ mostly in light, which changes the colours of
    things: colour weighs that down.
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
        seen += _perturbed(features_of, pictures, input_px, copies, policy, batch, on_fit)
    layers: dict[PartName, tuple[Tensor, Tensor]] = {}
    for name, length in lengths.items():
        rows = slice(len(frames)) if name == "layout" else slice(None)
        of_part = torch.stack([features[name][rows] for features in seen]).cpu()  # (1 + copies, N, D)
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
    on_fit: OnFit,
) -> Iterator[Features]:
    """Yield the features of each copy of the pictures, uint8 (N, C, C, 3), every picture perturbed by itself."""
    generator = torch.Generator().manual_seed(0)
    for copy_ in range(copies):
        draw = draw_view(len(pictures), policy, generator)
        found: list[Features] = []
        for start in range(0, len(pictures), batch):
            part = slice(start, start + batch)
            found.append(features_of(make_view(pictures[part], draw[part], input_px)))
            on_fit(copy_ * len(pictures) + min(start + batch, len(pictures)), copies * len(pictures))
        yield gather(found)


def part_names(config: TrainConfig) -> list[PartName]:
    """List the parts of an embedding."""
    names: list[PartName] = ["content", "layout", "colour"]
    return [name for name in names if getattr(config, name)] if config.head else ["layout"]


@torch.no_grad()
def embed_pixels(encoder: EncoderWithHead, pixels: Tensor) -> Tensor:
    """Embed uint8 (N, S, S, 3) as unit float32 (N, E), in bounded memory."""
    return torch.cat([encoder(part) for part in pixels.split(batch_size(encoder))])


def with_fused_encoder(encoder: EncoderWithHead, input_px: int) -> EncoderWithHead:
    """Copy it with batch norms fused into convolutions, in eval mode: the same embeddings from other weights."""
    quick = copy.deepcopy(encoder).eval()
    example = torch.rand(2, 3, input_px, input_px, generator=torch.Generator().manual_seed(0))
    quick.encoder = fused(quick.encoder, example.to(device_of(quick.encoder)))
    return quick


def batch_size(encoder: nn.Module) -> int:
    """Return how many pictures per forward pass are fastest on the encoder's device, without gradients."""
    return CPU_BATCH if device_of(encoder).type == "cpu" else BATCH


def gather(batches: Iterable[Features]) -> Features:
    """Concatenate the features of batches."""
    found = list(batches)
    return {name: torch.cat([features[name] for features in found]) for name in found[0]}


def unit(vectors: Tensor) -> Tensor:
    """Scale rows to length 1; a row of zeros stays.

    As torch.nn.functional.normalize, without the Clip that this becomes in ONNX: quantisation would calibrate it.
    """
    lengths = vectors.square().sum(1, keepdim=True).sqrt()
    return vectors / torch.maximum(lengths, torch.full_like(lengths, 1e-12))


def as_images(pixels: Tensor) -> Tensor:
    return pixels.permute(0, 3, 1, 2).float() / 255  # (N, S, S, 3) -> (N, 3, S, S) in [0, 1]
