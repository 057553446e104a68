"""Settings: refused where they make no sense, kept where they do."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from lookalike import cli
from lookalike.errors import TrainingError
from tests.training.small import SMALL, small_config
from training.config import RECIPES, TrainConfig, find_recipe, read_recipe


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": -1}, "--steps is -1, expected 0 or more"),
        ({"input_px": -1}, "--input-px is -1, expected more than 0"),
        ({"checkpoint_every": 0}, "--checkpoint-every is 0, expected more than 0"),
        ({"lr": 0.0}, "--lr is 0.0, expected more than 0"),
        ({"fps": -2.0}, "--fps is -2.0, expected more than 0"),
        ({"tau0": 1.5}, "--tau0 is 1.5, expected 0 to 1"),
        ({"tau_end": 1.01}, "--tau-end is 1.01, expected 0 to 1"),
        ({"tau0": 0.99, "tau_end": 0.98}, "--tau-end is 0.98, expected at least --tau0, 0.99"),
        ({"warmup": -0.1}, "--warmup is -0.1, expected 0 to 1"),
        ({"crop_area_min": 2.0}, "--crop-area-min is 2.0, expected 0 to 1"),
        (
            {"batch": 1},
            "--batch is 1 in 1 part(s), expected at least 2 in each: batch norm needs more than one picture",
        ),
        (
            {"batch": 8, "accumulate": 8},
            "--batch is 8 in 8 part(s), expected at least 2 in each: batch norm needs more than one picture",
        ),
        ({"batch": 8, "accumulate": 3}, "--batch is 8, expected a multiple of --accumulate, 3"),
        ({"content": -1}, "--content is -1, expected 0 or more"),
        (
            {"head": True, "content": 0, "layout": 0},
            "--content and --layout are both 0, expected a length for at least one of them",
        ),
        ({"cache_scale": 0.9}, "--cache-scale is 0.9, expected at least 1"),
    ],
)
def test_a_value_out_of_range_is_named_by_its_flag(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=r"^--") as caught:
        small_config(**changes).check()
    assert str(caught.value) == message


def test_values_at_the_edge_are_in_range() -> None:
    small_config(steps=1, batch=2, tau0=0.0, warmup=1.0, crop_area_min=1.0).check()
    small_config(tau0=0.99, tau_end=0.99).check()
    TrainConfig().check()


def test_runs_that_say_nothing_about_them_keep_the_papers_decay_and_target() -> None:
    assert (TrainConfig().decay_norms, TrainConfig().tau_end, TrainConfig().views) == (False, 1.0, "auto")


def test_settings_come_back_as_they_were_saved(tmp_path: Path) -> None:
    config = small_config(seed=7, lr=0.125, camera_batches=True)
    config.save(tmp_path / "config.json")
    assert TrainConfig.load(tmp_path / "config.json") == config != SMALL


@pytest.mark.parametrize("text", [None, "", "{", "[1]", '{"stepz": 5}'])
def test_settings_that_cannot_be_read_are_reported(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "config.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(TrainingError, match=r"config\.json: cannot read the run's config \(.+\)$"):
        TrainConfig.load(path)


def test_the_recipes_that_ship_are_whole_settings_in_range() -> None:
    assert RECIPES == ["cifar10", "footage-compact", "footage-cpu", "footage-gpu", "images-cpu", "images-gpu"]
    for name in RECIPES:
        TrainConfig(**read_recipe(find_recipe(name))).check()


def test_cifar10_has_the_published_views_decay_and_target() -> None:
    """lightly steps by .06 * batch / 128 along a loss a quarter of ours: .24 / 4 at 512, with 4 times its decay."""
    config = TrainConfig(**read_recipe(find_recipe("cifar10")))
    assert (config.views, config.crop_area_min, config.blur) == ("simclr", 0.08, False)
    assert (config.decay_norms, config.tau0, config.tau_end) == (True, 0.99, 0.99)
    assert config.lr is not None
    assert config.lr * config.batch / 256 == pytest.approx(0.06 * 512 / 128 / 4)
    assert config.weight_decay == pytest.approx(4 * 5e-4)
    assert (config.steps, config.batch, config.warmup, config.hidden) == (200 * 98, 512, 0.0, 1024)


def test_a_recipe_with_an_unknown_setting_names_it_and_those_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("steps = 5\nstepz = 6\n")
    with pytest.raises(
        TrainingError, match=r"mine\.toml: unknown setting stepz; expected accumulate, arch, .*weight_decay$"
    ):
        read_recipe(tmp_path / "mine.toml")


def test_a_recipe_that_is_no_toml_and_one_that_is_not_there_are_reported(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("steps 5")
    with pytest.raises(TrainingError, match=r"mine\.toml: cannot read the recipe"):
        read_recipe(find_recipe(str(tmp_path / "mine.toml")))
    with pytest.raises(
        TrainingError,
        match="--recipe none: no such file; expected cifar10, footage-compact, footage-cpu, footage-gpu, images-cpu,",
    ):
        find_recipe("none")


def given_to_pretrain(monkeypatch: pytest.MonkeyPatch, *flags: str) -> TrainConfig:
    """What the verb makes of these flags."""
    taken: list[TrainConfig] = []

    def start_run(frames: Any, config: TrainConfig, *rest: Any) -> None:
        taken.append(config)
        raise TrainingError("enough")

    monkeypatch.setattr("training.run.start_run", start_run)
    with pytest.raises(SystemExit):
        cli.main(["pretrain", str(Path(__file__)), "--out", "nowhere", *flags])
    return taken[0]


def test_a_flag_overrides_a_recipe_and_a_recipe_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('steps = 7\nbatch = 10\nviews = "paper"\n')
    found = given_to_pretrain(monkeypatch, "--recipe", str(recipe), "--batch", "12")
    assert found == dataclasses.replace(TrainConfig(), steps=7, batch=12, views="paper")
    assert given_to_pretrain(monkeypatch) == TrainConfig()


def test_a_recipe_with_a_value_of_another_kind_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.toml").write_text('steps = "many"\n')
    with pytest.raises(SystemExit) as exit_:
        cli.main(["pretrain", str(Path(__file__)), "--out", "nowhere", "--recipe", str(tmp_path / "mine.toml")])
    assert exit_.value.code != 0
    assert "many" in (error := capfd.readouterr().err + capfd.readouterr().out)
    assert "Traceback" not in error
