"""A run folder may come from elsewhere: code that its config names is executed only if the same is given by hand."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from exporters.onnx import export_run
from lookalike.errors import TrainingError
from tests.conftest import SHARED_DATA
from tests.e2e.conftest import run_verb
from tests.training.small import SMALL, untrained_run
from training.config import CONFIG, TrainConfig, read_recipe
from training.encoders import build_encoder
from training.evaluation.contenders import contenders
from training.evaluation.images import evaluate_finetune
from training.run import continue_run, finish_run, join_run
from training.trained import load_trained

CASE = SHARED_DATA / "cases" / "hostile" / "run_config_arch.py"
CODE = """
from pathlib import Path
from torch import nn
Path(__file__).with_suffix(".executed").touch()
def small():
    return nn.Sequential(nn.Conv2d(3, 8, 8, 4), nn.AdaptiveAvgPool2d(4), nn.Flatten())
"""


@pytest.fixture
def code(tmp_path) -> Path:
    (tmp_path / "own.py").write_text(CODE)
    return tmp_path / "own.py"


@pytest.fixture
def run(tmp_path, code) -> Path:
    """A run whose config names code that says when it is executed."""
    made = untrained_run(tmp_path / "run", dataclasses.replace(SMALL, arch=f"{code}:small"))
    code.with_suffix(".executed").unlink()
    return made


WAYS = {
    "load": lambda run: load_trained(run),
    "export": lambda run: export_run(run, run.parent / "x.onnx"),
    "evaluate": lambda run: contenders(run, None),  # pyright: ignore[reportArgumentType]
    "fine-tune": lambda run: evaluate_finetune(run, None, None, 0),  # pyright: ignore[reportArgumentType]
    "join": lambda run: join_run(run),
    "resume": lambda run: continue_run(run, TrainConfig()),
    "finish": lambda run: finish_run(run),
}


@pytest.mark.parametrize("way", WAYS)
def test_code_that_a_run_names_is_not_executed(run, code, way):
    expected = (
        f"the run's architecture is code in {code}, which is not executed without permission;"
        f" allow it with `--arch {code}:small`"
    )
    with pytest.raises(TrainingError) as raised:
        WAYS[way](run)
    assert str(raised.value) == f"{run / CONFIG}: {expected}"
    assert not code.with_suffix(".executed").exists()


def test_it_is_if_the_same_is_given(run, code):
    with pytest.raises(TrainingError, match="is code in"):
        load_trained(run, f"{code}:other")
    assert not code.with_suffix(".executed").exists()
    head, config = load_trained(run, f"{code}:small")
    assert (head.dim > 0, config.arch) == (True, f"{code}:small")
    assert code.with_suffix(".executed").exists()


@pytest.mark.parametrize("verb", ["export", "evaluate", "resume"])
def test_the_verbs_say_so_in_one_line(run, code, verb):
    words = {
        "export": ["export", run, "--out", run.parent / "x.onnx"],
        "evaluate": ["evaluate", run, "--images", pictures(run.parent)],
        "resume": ["pretrain", "--out", run, "--resume"],
    }
    process = run_verb(*words[verb])
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1].startswith(f"lookalike: {run / CONFIG}: the run's architecture is code in ")
    assert "Traceback" not in process.stderr
    assert not code.with_suffix(".executed").exists()


def pictures(folder: Path) -> Path:
    import numpy as np
    from PIL import Image

    for number in range(4):
        path = folder / "classes" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((32, 32, 3), 40 * number, np.uint8)).save(path)
    return folder / "classes"


@pytest.mark.skipif(not CASE.exists(), reason="SHARED CASES ABSENT: only the code made here was tried")
def test_the_code_of_the_collection_is_not_executed(tmp_path, monkeypatch):
    run = untrained_run(tmp_path / "run", SMALL)
    shutil.copy(CASE, run / "own.py")
    dataclasses.replace(SMALL, arch=f"{run}/own.py:small").save(run / CONFIG)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrainingError, match="is code in"):
        export_run(run, tmp_path / "x.onnx")
    assert not (tmp_path / "pwned_arch").exists()


@pytest.mark.parametrize("arch", ["os:abort", "own.py:small", "package.module:small"])
def test_modules_are_code_too(tmp_path, arch):
    dataclasses.replace(SMALL, arch=arch).save(tmp_path / CONFIG)
    with pytest.raises(TrainingError, match="is code in"):
        TrainConfig.load(tmp_path / CONFIG)
    assert TrainConfig.load(tmp_path / CONFIG, arch).arch == arch


@pytest.mark.parametrize(
    "text",
    ["7", "[]", "null", '{"arch": 5}', '{"arch": null}', '{"steps": "many"}', '{"blur": 1}', '{"lr": []}', "{", "\xff"],
)
def test_a_config_of_another_shape_is_one_line(tmp_path, text):
    (tmp_path / CONFIG).write_bytes(text.encode("latin-1"))
    with pytest.raises(TrainingError, match=r"config\.json: cannot read the run's config \("):
        TrainConfig.load(tmp_path / CONFIG)


def test_good_values_of_every_type_are_read(tmp_path):
    given = json.dumps({"lr": 0.1, "events": "e.csv", "tau0": 1, "blur": False, "crop_area_min": None})
    (tmp_path / CONFIG).write_text(given)
    config = TrainConfig.load(tmp_path / CONFIG)
    assert (config.lr, config.events, config.tau0, config.blur, config.crop_area_min) == (0.1, "e.csv", 1, False, None)


def test_a_recipe_names_no_code(tmp_path):
    (tmp_path / "a.toml").write_text('arch = "own.py:small"\n')
    with pytest.raises(TrainingError, match=r"a\.toml: arch is code \(own\.py:small\), which a recipe may not name"):
        read_recipe(tmp_path / "a.toml")


@pytest.mark.parametrize("name", ["hf-hub:someone/model", "local-dir:/tmp/model", "someone/model"])
def test_no_hub_is_asked_for_a_network(name):
    with pytest.raises(TrainingError, match="names of hubs are not supported"):
        build_encoder(f"timm:{name}")
