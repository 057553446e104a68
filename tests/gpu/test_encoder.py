"""On an NVIDIA GPU: the same embeddings as on the CPU, in every batch size, in fp32 and fp16."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from exporters.onnx import export
from lookalike.contract import EncoderSpec, Precision
from lookalike.encoder import MAX_BATCH, Encoder
from training.config import TrainConfig
from training.encoders import build_encoder
from training.head import fit_head

pytestmark = pytest.mark.gpu

CONFIG = TrainConfig()
FRAMES = np.random.default_rng(0).integers(0, 256, (80, CONFIG.cache_px, CONFIG.cache_px, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=["fp32", "fp16"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    precision: Precision = request.param
    torch.manual_seed(0)
    served = fit_head(build_encoder(CONFIG.arch, CONFIG.light), FRAMES, CONFIG)
    spec = EncoderSpec(
        name="compact", input_px=CONFIG.input_px, dim=served.dim, weights_sha256="0" * 64, steps=0, frames=80
    )
    out = tmp_path_factory.mktemp(precision) / "encoder.onnx"
    return export(served, spec, FRAMES, out, precision, min_top10=0.0).path


def test_a_gpu_is_taken_by_itself(exported: Path) -> None:
    assert Encoder(exported).provider == "CUDAExecutionProvider"


@pytest.mark.parametrize("count", [1, 2, 3, MAX_BATCH, MAX_BATCH + 1])
def test_embeddings_are_those_of_the_cpu(exported: Path, count: int) -> None:
    side = CONFIG.input_px
    pixels = np.random.default_rng(1).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    cuda, cpu = Encoder(exported, "cuda"), Encoder(exported, "cpu")
    least = 0.99999 if cpu.spec.precision == "fp32" else 0.999
    assert (cuda.embed(pixels) * cpu.embed(pixels)).sum(1).min() >= least
