"""Settings that are changed on a command line of a benchmark."""

from __future__ import annotations

import pytest

from benchmarks.varied import with_settings
from lookalike.errors import TrainingError
from training.config import TrainConfig


def test_settings_are_written_as_in_a_recipe() -> None:
    given = ("views=simclr", "tau_end=0.99", "decay_norms=true", "lr=1.5", "hidden=64")
    config = with_settings(TrainConfig(), given)
    assert config == TrainConfig(views="simclr", tau_end=0.99, decay_norms=True, lr=1.5, hidden=64)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("stepz=5", "stepz=5: unknown setting stepz, expected NAME=VALUE, as in a recipe"),
        ("steps", "steps: got , expected int"),
        ("decay_norms=yes", "decay_norms=yes: got yes, expected bool"),
        ("steps=1.5", "steps=1.5: got 1.5, expected int"),
    ],
)
def test_a_setting_that_does_not_fit_is_reported(setting: str, message: str) -> None:
    with pytest.raises(TrainingError) as caught:
        with_settings(TrainConfig(), (setting,))
    assert str(caught.value) == message
