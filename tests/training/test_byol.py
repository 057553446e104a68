"""The method, on networks small enough to work out."""

from __future__ import annotations

import copy
import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from training.byol import Byol, regression_loss, tau_at

ROOT2 = math.sqrt(2)


def small_byol(seed: int = 0) -> Byol:
    """An encoder whose batch norm sees each view as it comes: (B, 3, 2, 2) -> (B, 12)."""
    torch.manual_seed(seed)
    return Byol(nn.Sequential(nn.Flatten(), nn.BatchNorm1d(12)), 12, hidden=8, projection=4)


def two_views(seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(6, 3, 2, 2, generator=generator), torch.rand(6, 3, 2, 2, generator=generator)


@pytest.mark.parametrize(
    ("p", "z", "loss"),
    [
        ([[1.0, 0.0]], [[1.0, 0.0]], 0.0),  # aligned
        ([[1.0, 0.0]], [[-1.0, 0.0]], 4.0),  # opposite
        ([[1.0, 0.0]], [[0.0, 1.0]], 2.0),  # orthogonal
        ([[1.0, 1.0]], [[1.0, 0.0]], 2 - ROOT2),  # 45 degrees: 2 - 2 / sqrt(2)
        ([[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0]], 2.0),  # the mean over the batch of 0 and 4
    ],
)
def test_the_loss_is_two_minus_twice_the_cosine(p: list, z: list, loss: float) -> None:
    assert regression_loss(torch.tensor(p), torch.tensor(z)).item() == pytest.approx(loss, abs=1e-6)


def test_the_loss_does_not_depend_on_scale() -> None:
    p, z = torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]])  # cosine 24 / 25
    assert regression_loss(p, z).item() == pytest.approx(0.08, abs=1e-6)
    assert regression_loss(1000 * p, 0.001 * z).item() == pytest.approx(0.08, abs=1e-6)


@pytest.mark.parametrize("shape", [(3, 4), (2, 5), (1, 4)])  # the last would broadcast
def test_the_loss_refuses_different_shapes(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"prediction is \(2, 4\), target is .*expected equal shapes"):
        regression_loss(torch.ones(2, 4), torch.ones(shape))


def test_the_loss_of_a_step_is_the_sum_over_both_directions() -> None:
    network = small_byol()
    view, other = two_views()
    with torch.no_grad():  # batch norm in train mode: what a forward pass gives does not depend on passes before it
        p, p_other = (network.predictor(network.online(one)) for one in (view, other))
        z, z_other = (network.target(one) for one in (view, other))
        there, back = regression_loss(p, z_other), regression_loss(p_other, z)
        loss, projection = network(view, other)
        assert projection.equal(network.online(view))
    assert loss.item() == pytest.approx((there + back).item(), abs=1e-6)
    assert (there + back).item() > 0.1  # so that neither their mean nor one of them alone would do
    assert min(there.item(), back.item()) > 0.05


def test_each_view_is_regressed_onto_the_other_ones_target() -> None:
    """With online = target and an identity as predictor, a view against itself would cost nothing."""
    network = small_byol()
    network.predictor = nn.Sequential(nn.Identity())
    view, other = two_views()
    with torch.no_grad():
        assert network(view, view)[0].item() == pytest.approx(0, abs=1e-6)
        assert network(view, other)[0].item() > 0.1


def test_no_gradient_reaches_the_target() -> None:
    network = small_byol()
    loss, projection = network(*two_views())
    loss.backward()
    assert all(one.grad is None and not one.requires_grad for one in network.target.parameters())
    assert all(one.grad is not None for one in (*network.online.parameters(), *network.predictor.parameters()))
    assert not projection.requires_grad


def test_the_views_do_not_share_batch_statistics() -> None:
    """Alone, batch norm takes a constant out of a view; in one batch with the other view it would not."""
    network = small_byol()
    view, other = two_views()
    with torch.no_grad():
        loss, projection = network(view, other)
        shifted_loss, unmoved = network(view, other + 100)
    assert torch.equal(projection, unmoved)
    assert shifted_loss.item() == pytest.approx(loss.item(), abs=1e-3)  # 100 costs float32 five of its digits


def test_the_target_keeps_running_statistics_of_its_own() -> None:
    """Two passes of momentum .1: mean = .9 * .1 * m1 + .1 * m2. The online one sees pictures twice as bright."""
    network = small_byol().train()
    network.online[0] = nn.Sequential(Doubled(), network.online[0])
    view, other = two_views()
    network(view, other)
    sides = (network.target, network.online)
    target, online = (next(one for one in side.modules() if isinstance(one, nn.BatchNorm1d)) for side in sides)
    expected = 0.09 * view.flatten(1).mean(0) + 0.1 * other.flatten(1).mean(0)
    assert target.training
    assert target.num_batches_tracked == 2  # one pass for each view
    assert target.running_mean is not None
    assert online.running_mean is not None
    assert torch.allclose(target.running_mean, expected, atol=1e-6)
    assert torch.allclose(online.running_mean, 2 * expected, atol=1e-6)


class Doubled(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return 2 * images


def test_the_target_moves_by_its_moving_average() -> None:
    """tau = .75: a target of 1 and an online 5 give .75 * 1 + .25 * 5 = 2, and then .75 * 2 + .25 * 5 = 2.75."""
    network = small_byol()
    with torch.no_grad():
        for online, target in zip(network.online.parameters(), network.target.parameters(), strict=True):
            online.fill_(5)
            target.fill_(1)
    for expected in (2.0, 2.75):
        network.update_target(0.75)
        assert all(torch.all(one == expected) for one in network.target.parameters())
        assert all(torch.all(one == 5) for one in network.online.parameters())


def test_moving_the_target_leaves_its_statistics_alone() -> None:
    network = small_byol()
    for buffer in network.online.buffers():
        buffer.fill_(7)
    before = copy.deepcopy(list(network.target.buffers()))
    network.update_target(0.5)
    assert len(before) == 6  # mean, variance and count, of the encoder and of the projector
    assert all(torch.equal(one, kept) for one, kept in zip(network.target.buffers(), before, strict=True))


def test_a_tau_of_one_stands_still_and_a_tau_of_zero_copies() -> None:
    network = small_byol()
    with torch.no_grad():
        for online in network.online.parameters():
            online.add_(1)
    before = copy.deepcopy(list(network.target.parameters()))
    network.update_target(1.0)
    assert all(torch.equal(one, kept) for one, kept in zip(network.target.parameters(), before, strict=True))
    network.update_target(0.0)
    pairs = zip(network.target.parameters(), network.online.parameters(), strict=True)
    assert all(torch.allclose(target, online, atol=1e-6) for target, online in pairs)


@pytest.mark.parametrize(
    ("step", "tau"),
    [
        (0, 0.9),
        (25, 1 - 0.1 * (1 + ROOT2 / 2) / 2),  # cos(pi / 4): a straight line would give .925
        (50, 0.95),
        (100, 1.0),
    ],
)
def test_tau_rises_by_a_cosine_from_its_start_to_one(step: int, tau: float) -> None:
    assert tau_at(step, 100, 0.9) == pytest.approx(tau, abs=1e-12)


@pytest.mark.parametrize(("step", "tau"), [(0, 0.9), (25, 0.94 - 0.04 * (1 + ROOT2 / 2) / 2), (50, 0.92), (100, 0.94)])
def test_tau_ends_where_it_is_told_to(step: int, tau: float) -> None:
    assert tau_at(step, 100, 0.9, 0.94) == pytest.approx(tau, abs=1e-12)


def test_tau_is_constant_where_it_starts_and_ends_alike() -> None:
    assert {tau_at(step, 100, 0.99, 0.99) for step in range(101)} == {0.99}


def test_tau_never_falls() -> None:
    taus = [tau_at(step, 100, 0.9) for step in range(101)]
    assert all(earlier < later for earlier, later in itertools.pairwise(taus))


def test_the_encoder_that_is_kept_is_the_online_one() -> None:
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(12, 12))
    network = Byol(encoder, 12, hidden=8, projection=4)
    assert network.encoder is encoder
    assert network.target[0] is not encoder
