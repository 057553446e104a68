"""Export an encoder that was trained elsewhere, with a head fitted to the user's footage."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from exporters.onnx import Exported, describe, export
from lookalike.contract import Precision
from lookalike.footage import Frame
from training.config import TrainConfig
from training.data import temporary_cache
from training.head import OnFit, fit_head, no_progress
from training.train import first_encoder


def export_weights(
    config: TrainConfig,
    frames: Iterable[Frame],
    out: Path,
    precision: Precision,
    on_frame: Callable[[Frame], None],
    on_attempt: Callable[[str], None],
    min_top10: float | None = None,
    on_fit: OnFit = no_progress,
) -> Exported:
    """Export a state dict as one ONNX file, with a head fitted to these frames.

    config: `init` is the file; the rest says which network the weights are of, its input, and the lengths of parts.
    on_fit: see head.OnFit.
    Raises: TrainingError if the weights are of another network, or there are fewer than two frames; ExportError.
    """
    network = first_encoder(config)
    with temporary_cache(frames, config.cache_px, on_frame) as cache:
        encoder = fit_head(network, cache.frames, config, cache.regions, camera=cache.camera, on_fit=on_fit)
        return export(
            encoder, describe(encoder, config, 0, 0, cache.sources), cache.frames, out, precision, on_attempt, min_top10
        )
