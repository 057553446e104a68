"""Optimiser steps and learning rates worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from tests.training.small import small_config
from training.byol import Byol
from training.optim import Lars, build_optimizer, lr_at


def parameter(*values: float, two_dimensional: bool = False) -> nn.Parameter:
    tensor = torch.tensor(values, dtype=torch.float64)
    return nn.Parameter(tensor[None] if two_dimensional else tensor)


def test_lars_scales_a_weights_step_by_its_norm_over_the_gradients() -> None:
    """|w| = 5, |g| = 1: ratio .001 * 5 / 1 = .005, step lr * ratio * g = 2 * .005 * (.6, .8) = (.006, .008)."""
    weight = parameter(3, 4, two_dimensional=True)
    weight.grad = torch.tensor([[0.6, 0.8]], dtype=torch.float64)
    Lars([{"params": [weight]}], lr=2.0).step()
    assert weight[0].tolist() == pytest.approx([2.994, 3.992], abs=1e-12)


def test_lars_counts_decay_into_the_gradient_before_it_takes_the_norm() -> None:
    """g + .5 w = (-1.5, 4) + (1.5, 2) = (0, 6), norm 6: ratio .001 * 5 / 6, step 6 * .005 / 6 * (0, 6) = (0, .03)."""
    weight = parameter(3, 4, two_dimensional=True)
    weight.grad = torch.tensor([[-1.5, 4.0]], dtype=torch.float64)
    Lars([{"params": [weight], "weight_decay": 0.5}], lr=6.0).step()
    assert weight[0].tolist() == pytest.approx([3.0, 3.97], abs=1e-12)


def test_lars_takes_the_plain_step_for_a_bias() -> None:
    """1 - .1 * .5: neither adapted (that would be 1 - .1 * .001) nor decayed."""
    bias = parameter(1)
    bias.grad = torch.tensor([0.5], dtype=torch.float64)
    Lars([{"params": [bias], "adapt": False, "weight_decay": 0.0}], lr=0.1).step()
    assert bias.item() == pytest.approx(0.95, abs=1e-12)


def test_lars_remembers_nine_tenths_of_its_last_step() -> None:
    """Momentum 0.5, then .9 * .5 + .2 = .65: 1 - .1 * .5 - .1 * .65 = .885."""
    bias = parameter(1)
    optimizer = Lars([{"params": [bias], "adapt": False}], lr=0.1)
    for gradient in (0.5, 0.2):
        bias.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
    assert bias.item() == pytest.approx(0.885, abs=1e-12)


def test_lars_momentum_holds_adapted_steps() -> None:
    """Norms 5 and 1, step .005 g; then with g = 0 only .9 of it: lr * .005 * (1 + .9) * (.6, .8)."""
    weight = parameter(3, 4, two_dimensional=True)
    optimizer = Lars([{"params": [weight]}], lr=2.0)
    for gradient in ([[0.6, 0.8]], [[0.0, 0.0]]):
        weight.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
    assert weight[0].tolist() == pytest.approx([3 - 0.019 * 0.6, 4 - 0.019 * 0.8], abs=1e-12)


@pytest.mark.parametrize(("values", "gradient"), [((3.0, 4.0), (0.0, 0.0)), ((0.0, 0.0), (0.0, 0.0))])
def test_lars_stands_still_without_a_gradient(values: tuple, gradient: tuple) -> None:
    weight = parameter(*values, two_dimensional=True)
    weight.grad = torch.tensor([gradient], dtype=torch.float64)
    Lars([{"params": [weight]}], lr=2.0).step()
    assert weight[0].tolist() == list(values)


def test_lars_moves_a_weight_of_zero_by_the_plain_step() -> None:
    """A ratio of |w| = 0 would keep it at 0 for ever."""
    weight = parameter(0, 0, two_dimensional=True)
    weight.grad = torch.tensor([[0.6, 0.8]], dtype=torch.float64)
    Lars([{"params": [weight]}], lr=2.0).step()
    assert weight[0].tolist() == pytest.approx([-1.2, -1.6], abs=1e-12)


def test_lars_leaves_what_has_no_gradient() -> None:
    weight = parameter(3, 4, two_dimensional=True)
    Lars([{"params": [weight], "weight_decay": 0.1}], lr=2.0).step()
    assert weight[0].tolist() == [3, 4]


@pytest.mark.parametrize("name", ["lars", "sgd", "adamw"])
def test_biases_and_norms_take_no_decay_and_the_target_is_not_trained(name: str) -> None:
    encoder = nn.Sequential(nn.Conv2d(3, 4, 2), nn.GroupNorm(2, 4), nn.Flatten())
    network = Byol(encoder, 4, hidden=8, projection=4)
    decayed, plain = build_optimizer(network, small_config(optimizer=name, weight_decay=0.03)).param_groups
    names = {id(one): name for name, one in network.named_parameters()}
    in_mlp = [f"{index}.{kind}" for index in (0, 3) for kind in ("weight", "bias")]
    heads = [f"{head}.{one}" for head in ("online.1", "predictor") for one in (*in_mlp, "1.weight", "1.bias")]
    norms_and_biases = {one for one in heads if one.endswith(("bias", ".1.weight"))}
    of_encoder = {"online.0.0.bias", "online.0.1.weight", "online.0.1.bias"}
    assert {names[id(one)] for one in plain["params"]} == norms_and_biases | of_encoder
    assert {names[id(one)] for one in decayed["params"]} == set(heads) - norms_and_biases | {"online.0.0.weight"}
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.03, 0.0)
    if name == "lars":
        assert (decayed["adapt"], plain["adapt"]) == (True, False)
        assert (decayed["momentum"], decayed["trust"]) == (0.9, 1e-3)


@pytest.mark.parametrize("name", ["lars", "sgd", "adamw"])
def test_biases_and_norms_take_decay_where_it_is_asked_for(name: str) -> None:
    network = Byol(nn.Flatten(), 3, hidden=4, projection=2)
    config = small_config(optimizer=name, weight_decay=0.03, decay_norms=True)
    matrices, others = build_optimizer(network, config).param_groups
    assert {one.ndim for one in matrices["params"]} == {2}
    assert {one.ndim for one in others["params"]} == {1}
    assert (matrices["weight_decay"], others["weight_decay"]) == (0.03, 0.03)
    if name == "lars":
        assert not others["adapt"]


def test_a_decayed_bias_shrinks_without_a_gradient() -> None:
    """SGD: 1 - lr * decay * 1 = 1 - .1 * .5; a weight of the same value shrinks as much."""
    network = nn.Linear(1, 1)
    optimizer = build_optimizer(network, small_config(optimizer="sgd", lr=0.1, weight_decay=0.5, decay_norms=True))
    for parameter in network.parameters():
        nn.init.ones_(parameter)
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert [parameter.item() for parameter in network.parameters()] == pytest.approx([0.95, 0.95], abs=1e-6)


@pytest.mark.parametrize(("name", "kind"), [("lars", Lars), ("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_the_optimiser_is_the_one_asked_for(name: str, kind: type) -> None:
    network = Byol(nn.Flatten(), 3, hidden=4, projection=2)
    assert type(build_optimizer(network, small_config(optimizer=name))) is kind


@pytest.mark.parametrize(
    ("step", "lr"),
    [
        (0, 0.05),  # the first of four warm-up steps, to a peak of .4 * 128 / 256 = .2
        (1, 0.1),
        (3, 0.2),  # the last
        (4, 0.2),  # the cosine's start
        (13, 0.1 * (1 + math.sqrt(2) / 2)),  # a quarter of the way to 40: a straight line would give .15
        (22, 0.1),  # half way
        (39, 0.2 * (1 - math.cos(math.pi / 36)) / 2),  # one of 36 steps before 0
        (40, 0.0),
    ],
)
def test_the_learning_rate_warms_up_and_then_follows_a_cosine(step: int, lr: float) -> None:
    config = small_config(steps=40, warmup=0.1, lr=0.4, batch=128)
    assert lr_at(step, config) == pytest.approx(lr, abs=1e-12)


@pytest.mark.parametrize(("batch", "peak"), [(256, 0.4), (512, 0.8), (8, 0.0125)])
def test_the_peak_is_in_proportion_to_the_batch(batch: int, peak: float) -> None:
    config = small_config(steps=100, warmup=0.1, lr=0.4, batch=batch)
    assert max(lr_at(step, config) for step in range(100)) == pytest.approx(peak, abs=1e-12)


def test_without_warm_up_the_first_step_is_at_the_peak() -> None:
    assert lr_at(0, small_config(steps=10, warmup=0.0, lr=1.0, batch=256)) == 1.0


def test_all_warm_up_ends_at_the_peak() -> None:
    config = small_config(steps=10, warmup=1.0, lr=1.0, batch=256)
    assert [lr_at(step, config) for step in (0, 9)] == pytest.approx([0.1, 1.0])
