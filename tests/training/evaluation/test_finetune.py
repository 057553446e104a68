"""Fine-tuning: what is learned, that it repeats, and that the two networks are treated alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lookalike.errors import TrainingError
from tests.training.small import small_config
from training.encoders import build_encoder
from training.evaluation.finetune import Examples, Schedule, compare_with_scratch, fine_tune, store_examples

CONFIG = small_config()
SCHEDULE = Schedule(epochs=8, batch=8, lr=1e-3, weight_decay=0.05)


def stripes(count: int, seed: int) -> Examples:
    """Class 0 is striped across, class 1 along, under noise: a shape, which no colour or brightness gives away."""
    rng = np.random.default_rng(seed)
    wave = np.where(np.arange(32) // 4 % 2, 200, 50)
    labels = np.arange(count) % 2
    clean = np.stack([np.broadcast_to(wave if label else wave[:, None], (32, 32)) for label in labels])
    noisy = clean[..., None] + rng.normal(0, 20, (count, 32, 32, 3))
    return Examples(noisy.clip(0, 255).astype(np.uint8), labels)


def fresh(seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return build_encoder(CONFIG.arch, CONFIG.light)


def test_a_few_epochs_tell_two_shapes_apart() -> None:
    steps: list[int] = []
    found = fine_tune(
        fresh(0), CONFIG, stripes(32, 0), stripes(20, 1), 0, "cpu", SCHEDULE, lambda step, loss: steps.append(step)
    )
    assert steps == list(range(1, 8 * 4 + 1))
    assert found == 1


def test_both_networks_see_the_same_and_the_encoder_given_stays_as_it_is() -> None:
    """Given what "scratch" starts from, both do the same: the weights that seed 5 draws."""
    encoder = fresh(5)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    losses: list[tuple[int, float]] = []
    schedule = Schedule(epochs=2, batch=8)
    one, other = compare_with_scratch(
        encoder, CONFIG, stripes(16, 0), stripes(10, 1), 5, "cpu", schedule, lambda *told: losses.append(told)
    )
    assert one == other
    assert [step for step, _ in losses] == list(range(1, 9))
    assert [loss for _, loss in losses[:4]] == pytest.approx([loss for _, loss in losses[4:]], rel=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_all_weights_are_trained_and_not_the_classifier_alone() -> None:
    encoder = fresh(0)
    before = [weight.detach().clone() for weight in encoder.parameters()]
    fine_tune(encoder, CONFIG, stripes(8, 0), stripes(4, 1), 0, "cpu", Schedule(1, 8), lambda step, loss: None)
    assert not any(torch.equal(*pair) for pair in zip(before, encoder.parameters(), strict=True))


def test_ctrl_c_is_said_in_one_line() -> None:
    def interrupt(step: int, loss: float) -> None:
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(
        TrainingError, match="interrupted at step 1 of 32 of fine-tuning, which keeps no partial results"
    ):
        fine_tune(fresh(0), CONFIG, stripes(32, 0), stripes(4, 1), 0, "cpu", SCHEDULE, interrupt)


def test_examples_are_kept_in_a_file_at_the_encoders_size(tmp_path: Path) -> None:
    given = [(np.full((9, 7, 3), level, np.uint8), level // 10) for level in (10, 20, 30)]
    done: list[int] = []
    found = store_examples(iter(given), 4, tmp_path / "examples", done.append)
    assert (tmp_path / "examples").stat().st_size == 3 * 4 * 4 * 3
    assert (found.pixels.shape, found.pixels.dtype) == ((3, 4, 4, 3), np.uint8)
    assert found.pixels[:, 0, 0, 0].tolist() == [10, 20, 30]
    assert (found.labels.tolist(), done) == ([1, 2, 3], [1, 2, 3])


@pytest.mark.parametrize(("pictures", "steps"), [(1, 5), (128, 5), (129, 10), (50_000, 1955)])
def test_each_epoch_sees_every_picture(pictures: int, steps: int) -> None:
    """50,000 / 128 is 390.6: 391 batches, five times."""
    assert Schedule(epochs=5, batch=128).steps(pictures) == steps
