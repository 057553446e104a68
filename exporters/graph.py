"""A PyTorch encoder -> the ONNX graph that the contract asks for."""

from __future__ import annotations

import copy

import onnx
import torch
from torch import Tensor, nn

from lookalike.contract import INPUT_NAME, METADATA_KEY, OUTPUT_NAME, EncoderSpec
from training.graph import trace
from training.head import EncoderWithHead, with_fused_encoder


class Clamp(nn.Module):
    """As nn.Hardtanh, of which ReLU6 is one: the exporter follows it faster, and writes the same Clip."""

    def __init__(self, least: float, most: float) -> None:
        super().__init__()
        self.least, self.most = least, most

    def forward(self, x: Tensor) -> Tensor:
        return torch.clamp(x, self.least, self.most)


class HalfNetwork(nn.Module):
    """An encoder whose network computes in float16, between pictures and features in float32.

    What is done to pixels before it, and to features after it, keeps its precision: there is little of it to compute.
    """

    def __init__(self, encoder: nn.Sequential) -> None:
        """encoder: as training.encoders.build_encoder makes it, [normalisation, network]."""
        super().__init__()
        self.normalisation, self.network = encoder[0], encoder[1].half()

    def forward(self, images: Tensor) -> Tensor:
        return self.network(self.normalisation(images).half()).float()


def in_half(encoder: EncoderWithHead) -> EncoderWithHead:
    """The same encoder in float16; `encoder` itself stays as it is."""
    half = copy.deepcopy(encoder)
    assert isinstance(half.encoder, nn.Sequential)
    half.encoder = HalfNetwork(half.encoder)
    return half.eval()


def quick_to_trace(encoder: EncoderWithHead, input_px: int) -> EncoderWithHead:
    """A copy that gives the same, of fewer and simpler layers: the exporter follows each of them several times."""
    simple = with_fused_encoder(encoder, input_px)
    for module in list(simple.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, nn.Hardtanh):
                setattr(module, name, Clamp(part.min_val, part.max_val))
    return simple


def to_onnx(encoder: EncoderWithHead, spec: EncoderSpec) -> onnx.ModelProto:
    """The whole way from uint8 (N, S, S, 3) to unit float32 (N, D), for any N, checked, with its spec."""
    example = torch.zeros(2, spec.input_px, spec.input_px, 3, dtype=torch.uint8)
    model = trace(encoder, example, INPUT_NAME, OUTPUT_NAME)
    # The exporter records this machine's paths and a stack trace for every node: nobody else's business.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    write_spec(model, spec)
    onnx.checker.check_model(model, full_check=True)
    return model


def write_spec(model: onnx.ModelProto, spec: EncoderSpec) -> None:
    """Let the file say what it is; what it said before goes."""
    onnx.helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
