"""Convert a PyTorch encoder to the ONNX graph of the contract."""

from __future__ import annotations

import copy
import hashlib

import onnx
import torch
from torch import Tensor, nn

from lookalike.contract import DIGEST_KEY, INPUT_NAME, METADATA_KEY, OUTPUT_NAME, EncoderSpec
from training.graph import trace
from training.head import EncoderWithHead, with_fused_encoder


class Clamp(nn.Module):
    """Replaces nn.Hardtanh, such as ReLU6: the exporter traces it faster, and writes the same Clip."""

    def __init__(self, least: float, most: float) -> None:
        super().__init__()
        self.least, self.most = least, most

    def forward(self, x: Tensor) -> Tensor:
        return torch.clamp(x, self.least, self.most)


class HalfNetwork(nn.Module):
    """An encoder whose network computes in float16, from pictures to features in float32.

    Normalisation and head stay float32, since they are cheap.
    """

    def __init__(self, encoder: nn.Sequential) -> None:
        """encoder: from training.encoders.build_encoder, [normalisation, network]."""
        super().__init__()
        self.normalisation, self.network = encoder[0], encoder[1].half()

    def forward(self, images: Tensor) -> Tensor:
        return self.network(self.normalisation(images).half()).float()


def in_half(encoder: EncoderWithHead) -> EncoderWithHead:
    """Copy the encoder in float16."""
    half = copy.deepcopy(encoder)
    assert isinstance(half.encoder, nn.Sequential)
    half.encoder = HalfNetwork(half.encoder)
    return half.eval()


def quick_to_trace(encoder: EncoderWithHead, input_px: int) -> EncoderWithHead:
    """Copy the encoder with fewer and simpler layers: the exporter traces each of them several times."""
    simple = with_fused_encoder(encoder, input_px)
    for module in list(simple.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, nn.Hardtanh):
                setattr(module, name, Clamp(part.min_val, part.max_val))
    return simple


def to_onnx(encoder: EncoderWithHead, spec: EncoderSpec) -> onnx.ModelProto:
    """Convert the encoder, from uint8 (N, S, S, 3) to unit float32 (N, D) for any N; check it and add its spec."""
    example = torch.zeros(2, spec.input_px, spec.input_px, 3, dtype=torch.uint8)
    model = trace(encoder, example, INPUT_NAME, OUTPUT_NAME)
    # The exporter records this machine's paths and a stack trace for every node: remove them.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    write_spec(model, spec)
    onnx.checker.check_model(model, full_check=True)
    return model


def write_spec(model: onnx.ModelProto, spec: EncoderSpec, sealed: bool = False) -> None:
    """Write the spec into the model's metadata, replacing it. sealed: with the digest of the graph, which is final."""
    digest = {DIGEST_KEY: hashlib.sha256(model.graph.SerializeToString()).hexdigest()} if sealed else {}
    onnx.helper.set_model_props(model, {METADATA_KEY: spec.to_json(), **digest})
