"""Trace a PyTorch module as an ONNX graph for batches of any size."""

from __future__ import annotations

import logging
import warnings

import onnx
import torch
from torch import Tensor, nn

OPSET = 18  # the oldest that the exporter writes without conversion, which most runtimes read


def trace(module: nn.Module, example: Tensor, input_name: str, output_name: str) -> onnx.ModelProto:
    """Export the graph of a module with one input and one output. example: of its input, (2, ...)."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # meant for the exporter's developers
        program = torch.onnx.export(
            module,
            (example,),
            input_names=[input_name],
            output_names=[output_name],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # None only for the old exporter
    return program.model_proto
