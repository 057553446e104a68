"""Bootstrap your own latent: the method, independent of files and devices.

Source: BYOL, arXiv 2006.07733; equation numbers are the paper's.
"""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def regression_loss(p: Tensor, z: Tensor) -> Tensor:
    """Regress each view's prediction onto the other view's target.

    p, z: (B, D) float32, any scale; z carries no gradient.
    Returns: scalar in [0, 4]; 0 when aligned.
    Raises: ValueError if shapes differ.
    Source: eq. 2.
    """
    if p.shape != z.shape:
        raise ValueError(f"prediction is {tuple(p.shape)}, target is {tuple(z.shape)}; expected equal shapes")
    return (2 - 2 * F.cosine_similarity(p, z, dim=1)).mean()


def tau_at(step: int, steps: int, tau0: float, tau_end: float = 1.0) -> float:
    """Return the target's decay at `step` of `steps`, which rises by a cosine from tau0 to tau_end over the whole run.

    Source: section 3.3, "Target network", where tau_end is 1.
    """
    return tau_end - (tau_end - tau0) * (math.cos(math.pi * step / steps) + 1) / 2


def mlp(dim_in: int, hidden: int, dim_out: int) -> nn.Sequential:
    """Build a projector or predictor: linear, batch norm, ReLU, linear. Source: section 3.3, "Architecture"."""
    return nn.Sequential(
        nn.Linear(dim_in, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, dim_out)
    )


class CellMean(nn.Module):
    """The mean over a grid that was flattened: (B, C * cells) -> (B, C)."""

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.cells = cells

    def forward(self, grid: Tensor) -> Tensor:
        return grid.unflatten(1, (-1, self.cells)).mean(2)


class Byol(nn.Module):
    """Online and target networks and the predictor.

    The target stays in train mode: its batch norm uses the batch and keeps running statistics of its own.
    """

    def __init__(
        self,
        encoder: nn.Module,
        dim: int,
        hidden: int,
        projection: int,
        pooled_cells: int = 1,
        freeze_norms: bool = False,
        frozen_stages: int = 0,
        teacher_dim: int = 0,
    ) -> None:
        """dim: D, length of the encoder's features. pooled_cells: of the encoder's grid, if its mean is projected.

        freeze_norms: whether the encoder's batch norm stays in eval mode. frozen_stages: number of first stages that do
        not train, if the encoder has stages: online and target share their output, without gradients.
        teacher_dim: T, length of a teacher's targets; 0 without a teacher.
        """
        super().__init__()
        projector = mlp(dim // pooled_cells, hidden, projection)
        if pooled_cells > 1:
            projector.insert(0, CellMean(pooled_cells))
        self.online = nn.Sequential(encoder, projector)
        self.predictor = mlp(projection, hidden, projection)
        self.student = nn.Linear(dim, teacher_dim) if teacher_dim else None
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self._freeze_norms, self._frozen_stages = freeze_norms, frozen_stages
        self.past_frozen = False  # whether views are outputs of the frozen stages
        for parameter in self.frozen_parameters():
            parameter.requires_grad_(False)
        self.train()

    @property
    def frozen(self) -> nn.Module | None:
        """Return the fixed part of the online encoder: normalisation and frozen stages; None if all of it trains."""
        parts = _in_two(self.encoder, self._frozen_stages)
        return parts[0] if parts else None

    def frozen_parameters(self) -> list[nn.Parameter]:
        return list(self.frozen.parameters()) if self.frozen else []

    def train(self, mode: bool = True) -> Byol:
        super().train(mode)
        if self._freeze_norms:
            for module in (*self.online[0].modules(), *self.target[0].modules()):
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def train_encoder(self, wanted: bool) -> None:
        """Enable or disable gradients of the online encoder, except its frozen part."""
        self.encoder.requires_grad_(wanted)
        for parameter in self.frozen_parameters():
            parameter.requires_grad_(False)

    @property
    def encoder(self) -> nn.Module:
        """Return the online encoder, which is all that is kept after training."""
        return self.online[0]

    def forward(self, view: Tensor, other: Tensor, *targets: Tensor) -> tuple[Tensor, Tensor]:
        """Compute both directions of the loss on two views, float (B, 3, S, S) in [0, 1].

        After `past_frozen` is set, views are (B, C, H, W).

        targets: of a teacher, for each view, float32 (B, T): a linear map of the features is regressed onto them, with
        the same weight.
        Returns: the scalar loss, the SUM over both directions, in [0, 8], or 16 with targets; and the online projection
        of `view`, (B, P) float32 without gradient, for the collapse meter.
        The views go through separately, so that batch statistics do not mix. Source: section 3.1.
        """
        online, target = self.online, self.target
        if frozen := self.frozen:
            if not self.past_frozen:
                with torch.no_grad():
                    view, other = frozen(view), frozen(other)
            online, target = (_after(branch, self._frozen_stages) for branch in (self.online, self.target))
        features, features_other = online[0](view), online[0](other)
        projection = online[1](features)
        prediction, prediction_other = self.predictor(projection), self.predictor(online[1](features_other))
        with torch.no_grad():
            z, z_other = target(view), target(other)
        loss = regression_loss(prediction.float(), z_other.float())
        loss = loss + regression_loss(prediction_other.float(), z.float())
        if self.student:
            for given, target_of in zip((features, features_other), targets, strict=True):
                loss = loss + regression_loss(self.student(given).float(), target_of)
        return loss, projection.detach().float()

    @torch.no_grad()
    def update_target(self, tau: float) -> None:
        """Move the target's parameters towards the online ones, after the optimiser's step. Source: eq. 1."""
        torch._foreach_lerp_(list(self.target.parameters()), list(self.online.parameters()), 1 - tau)


def _in_two(encoder: nn.Module, stages: int) -> tuple[nn.Module, nn.Module] | None:
    """Split an encoder, [normalisation, network], into the frozen part and the rest; None if nothing is frozen."""
    if not (stages and isinstance(encoder, nn.Sequential) and hasattr(encoder[1], "in_two")):
        return None
    normalisation, network = encoder.children()
    parts = network.in_two(stages)  # pyright: ignore[reportCallIssue]
    return (nn.Sequential(normalisation, parts[0]), parts[1]) if parts else None


def _after(branch: nn.Sequential, stages: int) -> nn.Sequential:
    """Return a branch, [encoder, projector], without its frozen stages."""
    encoder, projector = branch.children()
    parts = _in_two(encoder, stages)
    assert parts
    return nn.Sequential(parts[1], projector)
