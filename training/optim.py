"""Optimisers and the learning rate, as in the paper."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from training.config import TrainConfig


class Lars(Optimizer):
    """SGD with momentum whose step is scaled per tensor by |w| / |g|.

    Groups with `adapt=False` (biases and normalisation) take the plain step. Source: LARS, arXiv 1708.03888,
    algorithm 1; trust coefficient 1e-3 and momentum .9 as in BYOL, appendix J.
    """

    def __init__(
        self, params: Iterable[dict], lr: float, momentum: float = 0.9, weight_decay: float = 0.0, trust: float = 1e-3
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust, "adapt": True}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Do one step, each operation over all tensors of a group at once: on a GPU, launches dominate the cost."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            grads = [weight.grad for weight in weights]
            updates = list(torch._foreach_add(grads, weights, alpha=group["weight_decay"]))
            if group["adapt"]:
                torch._foreach_mul_(updates, _ratios(weights, updates, group["trust"]))
            for weight in weights:
                if "momentum" not in self.state[weight]:
                    self.state[weight]["momentum"] = torch.zeros_like(weight)
            momenta = [self.state[weight]["momentum"] for weight in weights]
            torch._foreach_mul_(momenta, group["momentum"])
            torch._foreach_add_(momenta, updates)
            torch._foreach_add_(weights, momenta, alpha=-group["lr"])


def _ratios(weights: list[Tensor], updates: list[Tensor], trust: float) -> list[Tensor]:
    """Return each tensor's step, trust * |w| / |update|, as scalars; 1 if either is zero."""
    weight_norms, update_norms = (torch.stack(torch._foreach_norm(one)) for one in (weights, updates))
    usable = (weight_norms > 0) & (update_norms > 0)
    return list(torch.where(usable, trust * weight_norms / update_norms, 1.0).unbind())


def build_optimizer(network: nn.Module, config: TrainConfig) -> Optimizer:
    """Build the configured optimiser. Parameters of one dimension (biases, norms) are not adapted.

    They have no weight decay either, as in the paper, unless `decay_norms` is set. Torch's optimisers are fused, with
    one pass over each tensor: half the time of the default on a CPU, one launch on a GPU.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    lr = config.lr or 0.0  # set at each step
    decay = config.weight_decay
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": decay if config.decay_norms else 0.0},
    ]
    if config.optimizer == "lars":
        groups[1]["adapt"] = False
        return Lars(groups, lr)
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr, momentum=0.9, fused=True)
    return torch.optim.AdamW(groups, lr, fused=True)


def lr_at(step: int, config: TrainConfig) -> float:
    """Return the learning rate: a linear warm-up to lr * batch / 256, then a cosine to 0 at the last step.

    Source: section 3.3, "Optimization".
    """
    assert config.lr is not None  # see warm_start.settle
    peak = config.lr * config.batch / 256
    warmup = round(config.warmup * config.steps)
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (1 + math.cos(math.pi * (step - warmup) / max(1, config.steps - warmup))) / 2
