"""Share training steps between the processes that `torchrun` starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from lookalike.errors import TrainingError

PATIENCE = timedelta(days=7)  # the others wait while the first decodes footage


@dataclass(frozen=True)
class World:
    """The processes that share a run. rank: this one's number; the first, 0, does all the writing."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def part(self, batch: int, accumulate: int = 1) -> slice:
        """Return this process's rows of a batch. Raises: TrainingError if the batch cannot be divided evenly."""
        if batch % (self.size * accumulate):
            raise TrainingError(
                f"--batch is {batch}, expected a multiple of {self.size} processes x --accumulate {accumulate}"
            )
        own = batch // self.size
        if own // accumulate < 2:
            raise TrainingError(
                f"--batch is {batch} for {self.size} processes x --accumulate {accumulate}, expected at least 2 in each"
            )
        return slice(self.rank * own, (self.rank + 1) * own)

    def wrap(self, network: nn.Module, parts_rest: bool = False) -> nn.Module:
        """Average the network's gradients over processes. parts_rest: whether parts of it may have no gradients."""
        if self.size == 1:
            return network
        return DistributedDataParallel(network, forward_sync_buffers=False, find_unused_parameters=parts_rest)

    def mean(self, value: Tensor) -> float:
        """Average a scalar over processes; all of them must call."""
        if self.size > 1:
            value = value.detach().clone()
            dist.all_reduce(value)
        return value.item() / self.size

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process; all of them must call."""
        return self.mean(torch.tensor(float(flag), device=_collective_device())) > 0 if self.size > 1 else flag

    def barrier(self) -> None:
        if self.size > 1:
            dist.barrier()


ALONE = World()


@contextmanager
def joined(cuda: bool) -> Iterator[World]:
    """Join the processes that torchrun started; without torchrun there is one.

    cuda: each process takes the GPU of its local rank, and they talk over NCCL; else over gloo.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    try:
        yield World(dist.get_rank(), size)
        dist.barrier()  # gloo aborts a process whose peers leave while its threads still listen to them
    finally:
        dist.destroy_process_group()


def without_exchange(network: nn.Module, apply: bool) -> AbstractContextManager[Any]:
    """Keep gradients in this process, for all but the last part of an accumulated step."""
    return network.no_sync() if apply and isinstance(network, DistributedDataParallel) else nullcontext()


class _Sum(torch.autograd.Function):
    """Sums over processes, and sums the gradients over processes."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        total = own.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        total = gradient.clone()
        dist.all_reduce(total)
        return total


class SharedBatchNorm(_BatchNorm):
    """Batch norm with the mean and variance of the batch of all processes.

    For CPUs: nn.SyncBatchNorm, which does the same, takes GPU tensors only.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        axes = [0, *range(2, input.ndim)]
        shape = [1, -1, *[1] * (input.ndim - 2)]
        count = input.numel() // input.shape[1] * dist.get_world_size()
        values = input.float()
        mean = _Sum.apply(values.sum(axes)) / count  # (C,)
        centred = values - mean.view(shape)
        variance = _Sum.apply(centred.square().sum(axes)) / count
        with torch.no_grad():
            momentum = self.momentum or 0.0
            self.running_mean.lerp_(mean, momentum)  # pyright: ignore[reportOptionalMemberAccess]
            self.running_var.lerp_(variance * count / (count - 1), momentum)  # pyright: ignore[reportOptionalMemberAccess]
            self.num_batches_tracked.add_(1)  # pyright: ignore[reportOptionalMemberAccess]
        normalized = centred * torch.rsqrt(variance + self.eps).view(shape)
        return (normalized * self.weight.view(shape) + self.bias.view(shape)).to(input.dtype)


def share_batch_norm(network: nn.Module, cuda: bool) -> nn.Module:
    """Replace every batch norm by one over all processes; parameters and buffers stay the same objects."""
    if cuda:
        return nn.SyncBatchNorm.convert_sync_batchnorm(network)
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm):
                shared = SharedBatchNorm(child.num_features, child.eps, child.momentum)
                shared.weight, shared.bias = child.weight, child.bias
                for buffer, tensor in child.named_buffers():
                    shared.register_buffer(buffer, tensor)
                setattr(parent, name, shared.train(child.training))
    return network


def _collective_device() -> torch.device:
    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
