"""Change settings of training by NAME=VALUE on a benchmark's command line."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable
from typing import Any

from lookalike.errors import TrainingError
from training.config import TrainConfig


def with_settings(config: TrainConfig, settings: Iterable[str]) -> TrainConfig:
    """The config with each NAME=VALUE in place; values are written as in a recipe, quotes may be left out.

    Raises: TrainingError if there is no such setting, or if its value is of another type.
    """
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in {one.name for one in dataclasses.fields(config)}:
            raise TrainingError(f"{setting}: unknown setting {name}, expected NAME=VALUE, as in a recipe")
        value, now = _value(text), getattr(config, name)
        if isinstance(now, float) and type(value) is int:
            value = float(value)
        if now is not None and type(value) is not type(now):
            raise TrainingError(f"{setting}: got {text}, expected {type(now).__name__}")
        config = dataclasses.replace(config, **{name: value})
    return config


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
