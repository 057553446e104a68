"""The encoder with its head: what the ONNX graph does, from uint8 pictures to unit embeddings in parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lookalike.parts import Part, PartName
from training.encoders import device_of, grid_of
from training.histogram import BINS, ColourHistogram

BATCH = 64  # pictures per forward pass on a GPU
CPU_BATCH = 16  # on CPUs: the allocator gives larger activations back to the system, which clears them at every layer
Features = dict[PartName, Tensor]  # unit float (N, D_i), before the head


class Layer(nn.Module):
    """One part's layer: takes out the mean of the footage's features, and weighs their directions.

    Features of footage point nearly one way: without the mean taken out every cosine would be nearly 1.
    """

    center: Tensor
    weight: Tensor

    def __init__(self, dim: int, out: int | None = None) -> None:
        """dim: length of the features; out: of the part, else the same. Until it is fitted it changes nothing."""
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
        """dim: D, what the encoder gives. names: of the parts, in order; layout alone is all that the encoder gives."""
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
        """What embeddings are made of."""
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
        """Features, unit (N, D_i), through the head: unit (N, E), as lookalike.parts.join has it."""
        return torch.cat([self.layer(name)(features[name]) for name in self.names], 1) / len(self.layers) ** 0.5

    def features_of(self, images: Tensor) -> Features:
        """What each part is made from. images: float (N, 3, S, S) in [0, 1]. Returns: unit (N, D_i) of each."""
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
        """The same of uint8 (N, S, S, 3), in bounded memory."""
        return gather(self.features_of(as_images(part)) for part in pixels.split(batch_size(self.encoder)))


def batch_size(encoder: nn.Module) -> int:
    """How many pictures go through a network at a time, where it is: when nothing is trained, the fastest."""
    return CPU_BATCH if device_of(encoder).type == "cpu" else BATCH


def gather(batches: Iterable[Features]) -> Features:
    """Features of batches as those of all."""
    found = list(batches)
    return {name: torch.cat([one[name] for one in found]) for name in found[0]}


def unit(vectors: Tensor) -> Tensor:
    """Rows brought to length 1; a row of zeros stays.

    As torch.nn.functional.normalize, without the Clip that this becomes in ONNX: quantisation would calibrate it.
    """
    lengths = vectors.square().sum(1, keepdim=True).sqrt()
    return vectors / torch.maximum(lengths, torch.full_like(lengths, 1e-12))


def as_images(pixels: Tensor) -> Tensor:
    return pixels.permute(0, 3, 1, 2).float() / 255  # (N, S, S, 3) -> (N, 3, S, S) in [0, 1]


@torch.no_grad()
def embed_pixels(encoder: EncoderWithHead, pixels: Tensor) -> Tensor:
    """uint8 (N, S, S, 3) -> unit float32 (N, E), in bounded memory."""
    return torch.cat([encoder(part) for part in pixels.split(batch_size(encoder))])
