"""Measure the encoder during training, on an even sample of the run's frames, and on labels if there are any."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.footage.naming import clip_of
from training.config import TrainConfig
from training.data import FrameCache
from training.encoders import device_of
from training.evaluation.gallery import whole_frames
from training.evaluation.labels import read_events
from training.evaluation.moments import OWN_MOMENT_S, event_precision, self_retrieval
from training.evaluation.perturb import Perturbation, perturb_all
from training.evaluation.probe import knn_accuracy, read_labelled
from training.head import embed_pixels, fit_head
from training.health import alignment, effective_rank, uniformity
from training.pictures import fit_all, sample_rows

SAMPLE = 500  # frames
LABELLED = 2000  # pictures
COPIES = 3  # of each frame that the head is fitted to: fewer than at the end, to be quick
GUARD_S = 3.0


class Monitor:
    """Measures one network repeatedly on the same pictures, with the same perturbations."""

    def __init__(self, cache: FrameCache, config: TrainConfig) -> None:
        """Raises: FootageError if the events or the labelled pictures of the config cannot be read."""
        rows = sample_rows(len(cache), SAMPLE)
        pictures = [np.asarray(cache.frames[row]) for row in rows]
        clips = np.array([clip_of(name) for name in cache.sources])
        cameras = np.array(cache.cameras)[cache.camera[rows]]
        self._gallery = whole_frames(pictures, clips[cache.source[rows]], cache.time_s[rows], cameras)
        self._cached, self._camera, self._config = np.stack(pictures), cache.camera[rows], config
        self._frames = _tensor(pictures, config.input_px)
        self._events = read_events(Path(config.events)) if config.events else []
        self._labelled: tuple[Tensor, np.ndarray] | None = None
        if config.labelled:
            labelled, labels, _ = read_labelled(Path(config.labelled), LABELLED)
            self._labelled = _tensor(labelled, config.input_px), labels

    @cached_property
    def _perturbed(self) -> Tensor:
        """Perturb the frames, uint8 (N, S, S, 3), at the first measurement: a run that does not train needs none."""
        return _tensor(perturb_all(self._gallery.pictures, Perturbation(), seed=0), self._config.input_px)

    def measure(self, encoder: nn.Module) -> dict[str, float]:
        """Return names and values for a line of metrics.jsonl. The encoder is unchanged."""
        modes = {module: module.training for module in encoder.modules()}
        device = device_of(encoder)
        plain = fit_head(encoder, self._cached, dataclasses.replace(self._config, head=False))
        vectors, queries = (embed_pixels(plain, part.to(device)).cpu() for part in (self._frames, self._perturbed))
        found = {
            "effective_rank": effective_rank(vectors),
            "alignment": alignment(vectors, queries),
            "uniformity": uniformity(vectors),
        }
        fitted = plain
        if self._config.head:
            fitted = fit_head(encoder, self._cached, self._config, copies=COPIES, camera=self._camera)
            vectors, queries = (embed_pixels(fitted, part.to(device)).cpu() for part in (self._frames, self._perturbed))
        gallery = self._gallery
        found["self_retrieval"] = self_retrieval(queries.numpy(), vectors.numpy(), gallery, OWN_MOMENT_S)
        if self._events:
            precision = event_precision(queries.numpy(), vectors.numpy(), gallery, self._events, GUARD_S)
            found["precision5"] = precision["mean"]
        if self._labelled:
            pictures, labels = self._labelled
            labelled = embed_pixels(fitted, pictures.to(device)).cpu().numpy()
            found["knn10"] = knn_accuracy(labelled, labels)
            found["knn200"] = knn_accuracy(labelled, labels, k=200, temperature=0.1)
        for module, mode in modes.items():
            module.training = mode
        return found


def _tensor(pictures: list[np.ndarray], side_px: int) -> Tensor:
    return torch.from_numpy(fit_all(pictures, side_px))
