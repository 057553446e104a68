"""The rows of a step's parts are printed, and kernels are counted by kind."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from benchmarks.step_parts import by_kind, main
from benchmarks.train_step import PRESETS


def test_every_row_is_timed_on_a_cpu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not compiled, and without CUDA graphs and kernels, which a CPU has not."""
    tiny = dataclasses.replace(PRESETS["cifar10"], arch="compact", input_px=32, hidden=8, projection=8)
    monkeypatch.setitem(PRESETS, "cifar10", tiny)
    monkeypatch.setattr("benchmarks.step_parts.WARM_UP", 1)
    monkeypatch.setattr(torch, "compile", lambda network: network)
    main(batch=8, steps=1, device="cpu")
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")][2:]
    assert len(rows) == 6
    assert all(float(row.split("|")[3]) > 0 for row in rows)


def test_kernels_are_added_up_by_what_they_compute() -> None:
    found = by_kind(
        [
            ("sm90_xmma_fprop_implicit_gemm_bf16", 2.0, 3),
            ("sm90_xmma_wgrad_indexed_implicit_gemm", 1.0, 2),
            ("triton_red_fused__native_batch_norm_legit_functional_17", 0.5, 20),
            ("triton_poi_fused_convolution_backward_native_batch_norm_backward_3", 0.25, 4),
            ("Memset (Device)", 0.125, 7),
        ]
    )
    assert "| convolution, forward | 2.00 ms | 3 |" in found
    assert "| convolution, gradient of weights | 1.00 ms | 2 |" in found
    assert "| batch norm, with what is fused to it | 0.75 ms | 24 |" in found
    assert "| other | 0.12 ms | 7 |" in found
    assert "| all | 3.88 ms | 36 |" in found
