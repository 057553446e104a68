"""Lightly's BYOL, following its documentation, to be timed next to ours. Imports lightly, which nothing else needs.

Source: docs.lightly.ai, examples/byol; its transforms take our policies' distributions.
"""

from __future__ import annotations

import copy
import os

import torch
from lightly.loss import NegativeCosineSimilarity  # pyright: ignore[reportMissingImports]
from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead  # pyright: ignore[reportMissingImports]
from lightly.models.utils import deactivate_requires_grad, update_momentum  # pyright: ignore[reportMissingImports]
from lightly.transforms import BYOLTransform, BYOLView1Transform  # pyright: ignore[reportMissingImports]
from PIL import Image
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset, RandomSampler

from benchmarks.machine import Spent
from training.augment import ViewPolicy, policies
from training.config import TrainConfig
from training.data import FrameCache
from training.encoders import build_encoder, embedding_dim
from training.train import pick_bf16

WORKERS = min(8, os.cpu_count() or 1)
PREFETCH = 2  # batches for each worker, the DataLoader's default


class Pictures(Dataset):
    """PIL pictures in memory: reading and decoding are not part of the comparison."""

    def __init__(self, cache: FrameCache, config: TrainConfig) -> None:
        both = policies(config.views, config.crop_area_min, config.blur)
        one, other = (_view(policy, config.input_px) for policy in both)
        self._pictures, self._views = [Image.fromarray(frame) for frame in cache.frames], BYOLTransform(one, other)

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, row: int) -> list[Tensor]:
        return self._views(self._pictures[row])


def _view(policy: ViewPolicy, size_px: int) -> BYOLView1Transform:
    return BYOLView1Transform(
        size_px,
        cj_prob=policy.jitter_p,
        cj_bright=policy.brightness,
        cj_contrast=policy.contrast,
        cj_sat=policy.saturation,
        cj_hue=policy.hue,
        min_scale=policy.crop_area_min,
        random_gray_scale=policy.grey_p,
        gaussian_blur=policy.blur_p,
        sigmas=policy.blur_sigma,
        solarization_prob=policy.solarize_p,
        hf_prob=policy.flip_p,
    )


class Network(nn.Module):
    """Backbone and heads, online and momentum. The transforms normalise the pictures, so the backbone does not."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        encoder = build_encoder(config.arch, config.light)
        self.backbone = encoder[1]
        self.projection_head = BYOLProjectionHead(
            embedding_dim(encoder, config.input_px), config.hidden, config.projection
        )
        self.prediction_head = BYOLPredictionHead(config.projection, config.hidden, config.projection)
        self.backbone_momentum = copy.deepcopy(self.backbone)
        self.projection_head_momentum = copy.deepcopy(self.projection_head)
        deactivate_requires_grad(self.backbone_momentum)
        deactivate_requires_grad(self.projection_head_momentum)

    def forward(self, x: Tensor) -> Tensor:
        return self.prediction_head(self.projection_head(self.backbone(x).flatten(start_dim=1)))

    def forward_momentum(self, x: Tensor) -> Tensor:
        return self.projection_head_momentum(self.backbone_momentum(x).flatten(start_dim=1)).detach()


class Peer:
    """Trains on demand; in between its workers are idle."""

    def __init__(self, cache: FrameCache, config: TrainConfig, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self._network, self._device, self._config = Network(config).to(device), device, config
        self._criterion = NegativeCosineSimilarity()
        trained = [one for one in self._network.parameters() if one.requires_grad]
        self._optimizer = _optimizer(trained, config)
        self._data = Pictures(cache, config)
        self._loaders: dict[int, DataLoader] = {}

    def run(self, steps: int) -> Spent:
        """Take `steps` steps. Returns: their time, with as many prefetched batches before as after."""
        prefetched = WORKERS * PREFETCH
        views = iter(self._loader(prefetched + steps + prefetched))
        for _ in range(prefetched):
            self._step(next(views))
        self._wait()
        started = Spent.so_far()
        for _ in range(steps):
            self._step(next(views))
        self._wait()
        taken = Spent.so_far() - started
        for _ in views:
            pass
        return taken

    def _loader(self, count: int) -> DataLoader:
        if count not in self._loaders:
            batch = self._config.batch
            self._loaders[count] = DataLoader(
                self._data,
                batch,
                sampler=RandomSampler(self._data, replacement=True, num_samples=count * batch),
                num_workers=WORKERS,
                prefetch_factor=PREFETCH,
                pin_memory=self._device.type == "cuda",
                persistent_workers=True,
            )
        return self._loaders[count]

    def _step(self, views: list[Tensor]) -> None:
        network, criterion = self._network, self._criterion
        update_momentum(network.backbone, network.backbone_momentum, m=0.99)
        update_momentum(network.projection_head, network.projection_head_momentum, m=0.99)
        x0, x1 = (view.to(self._device, non_blocking=True) for view in views)
        bf16 = pick_bf16(self._config.precision, self._device, network)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=bf16):
            p0, z0 = network(x0), network.forward_momentum(x0)
            p1, z1 = network(x1), network.forward_momentum(x1)
            loss = 0.5 * (criterion(p0, z1) + criterion(p1, z0))
        loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad()

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize()


def _optimizer(trained: list[nn.Parameter], config: TrainConfig) -> Optimizer:
    """Torch's own, with its defaults; lightly's LARS."""
    if config.optimizer == "sgd":
        return torch.optim.SGD(trained, config.lr or 0.0, momentum=0.9, weight_decay=config.weight_decay)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(trained, config.lr or 0.0, weight_decay=config.weight_decay)
    from lightly.utils.lars import LARS  # pyright: ignore[reportMissingImports]

    return LARS(trained, config.lr or 0.0, momentum=0.9, weight_decay=config.weight_decay)
