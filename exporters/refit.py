"""Fit the head of an exported encoder to other footage, without training and without its run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn.functional import linear, normalize

from exporters.graph import write_spec
from exporters.onnx import VERIFIED, Exported, constants_digest, in_words, judge_of, write_verified
from exporters.parity import LIMITS
from lookalike.contract import INPUT_NAME, EncoderSpec
from lookalike.encoder import Encoder
from lookalike.errors import ExportError
from lookalike.footage import Frame
from lookalike.parts import Part, PartName
from training.augment import head_policy
from training.config import TrainConfig, Views, frame_weights
from training.data import FrameCache, temporary_cache
from training.head import Features, OnFit, fit_layers, no_progress
from training.pictures import fit_all, sample_rows

LAYERS = "layers"  # of training.head.EncoderWithHead, whose buffers keep their names in the graph
Layers = dict[PartName, tuple[Tensor, Tensor]]


def refit(
    encoder: Path,
    frames: Iterable[Frame],
    out: Path,
    on_frame: Callable[[Frame], None] = lambda frame: None,
    views: Views = "camera",
    on_fit: OnFit = no_progress,
) -> Exported:
    """Write the encoder with a head fitted to these frames and their regions; `encoder` may be `out`.

    views: `photo` if the frames are photos of things. on_fit: see head.OnFit.
    Raises: ExportError if the file has no head, does not agree with the fitted head, or cannot be written; EncoderError
    if it is not an encoder; TrainingError if there are fewer than two frames.
    """
    spec, model = Encoder(encoder, "cpu").spec, onnx.load(encoder)
    parts = spec.parts or (Part("layout", spec.dim),)
    features = GraphFeatures(model, parts, encoder)
    with temporary_cache(frames, TrainConfig(input_px=spec.input_px).cache_px, on_frame) as cache:
        lengths: dict[PartName, int | None] = {part.name: part.dim for part in parts}
        spec = dataclasses.replace(spec, frame=frame_weights(views))
        layers = fit_layers(
            features,
            lengths,
            cache.frames,
            cache.regions,
            spec.input_px,
            policy=head_policy(views),
            camera=None if views == "photo" else cache.camera,
            on_fit=on_fit,
        )
        padded: Layers = {part.name: (layers[part.name][0], _padded(layers[part.name][1], part.dim)) for part in parts}
        for name, (center, weight) in padded.items():
            _replace(model, f"{LAYERS}.{name}.center", center)
            _replace(model, f"{LAYERS}.{name}.weight", weight)
        return _write(model, spec, cache, features, padded, out)


class GraphFeatures:
    """Computes the features before the head of a graph: float (B, 3, S, S) in [0, 1] -> unit (B, D_i) of each part."""

    def __init__(self, model: onnx.ModelProto, parts: Iterable[Part], path: Path) -> None:
        """Find the features of each part. Raises: ExportError if the graph has no such head."""
        inputs = {node.input[1]: node.input[0] for node in model.graph.node if node.op_type == "Sub"}
        self._outputs: dict[PartName, str] = {}
        for part in parts:
            if (center := f"{LAYERS}.{part.name}.center") not in inputs:
                raise ExportError(f"{path}: the graph has no {part.name} layer to fit; export it again from its run")
            self._outputs[part.name] = inputs[center]
        graph = onnx.ModelProto()
        graph.CopyFrom(model)
        graph.graph.output.extend(onnx.ValueInfoProto(name=name) for name in self._outputs.values())
        self._session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])

    def __call__(self, images: Tensor) -> Features:
        pixels = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
        found = self._session.run(list(self._outputs.values()), {INPUT_NAME: pixels})
        return {
            name: torch.from_numpy(np.asarray(features)) for name, features in zip(self._outputs, found, strict=True)
        }


def _padded(weight: Tensor, length: int) -> Tensor:
    """Pad with rows of zeros: lengths are fixed in the graph, and the fit may keep fewer directions."""
    return torch.cat([weight, torch.zeros(length - len(weight), weight.shape[1])])


def _replace(model: onnx.ModelProto, name: str, tensor: Tensor) -> None:
    initializer = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    initializer.CopyFrom(numpy_helper.from_array(tensor.contiguous().numpy(), name))


def _write(
    model: onnx.ModelProto,
    spec: EncoderSpec,
    cache: FrameCache,
    features: GraphFeatures,
    layers: Layers,
    out: Path,
) -> Exported:
    real = fit_all(cache.frames[sample_rows(len(cache), VERIFIED)], spec.input_px)
    found = features(torch.from_numpy(real).permute(0, 3, 1, 2) / 255)
    wanted = [normalize(linear(found[name] - center, weight), dim=1) for name, (center, weight) in layers.items()]
    joined = (torch.cat(wanted, 1) / len(wanted) ** 0.5).numpy()
    spec = dataclasses.replace(
        spec, weights_sha256=constants_digest(model.graph), whitened=True, fitted_to=in_words(cache.sources)
    )

    def make(folder: Path) -> tuple[Path, str]:
        path = folder / "encoder.onnx"
        write_spec(model, spec, sealed=True)
        onnx.save(model, path)
        return path, ""

    return write_verified(out, spec, judge_of(joined, real, "cpu", LIMITS[spec.precision]), make)
