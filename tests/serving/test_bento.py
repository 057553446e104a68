"""`bentoml build`, and what it built: served, without torch, without this project being installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.serving.conftest import Shown, expected_embedding
from tests.serving.running import ROOT, bentoml_env, served


@pytest.fixture(scope="module")
def bentoml_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def bento(bentoml_home: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy that has an encoder.onnx. The `uv` there fails if it is asked for anything: nothing is locked,
    so a build needs no network."""
    project = tmp_path_factory.mktemp("project")
    for name in ("lookalike", "serving"):
        shutil.copytree(ROOT / name, project / name)
    shutil.copy(ROOT / "bentofile.yaml", project)
    shutil.copy(tiny_encoder, project / "encoder.onnx")
    uv = project / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text("#!/bin/sh\nexit 1\n")
    uv.chmod(0o755)
    env = bentoml_env(bentoml_home, {})
    env["PATH"] = f"{uv.parent}:{env['PATH']}"
    build = [sys.executable, "-m", "bentoml", "build", "--output", "tag"]
    done = subprocess.run(build, cwd=project, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    _, name, version = done.stdout.strip().split(":")
    return bentoml_home / "bentos" / name / version


def test_it_requires_what_serving_requires_and_no_torch(bento: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {*project["dependencies"], *project["optional-dependencies"]["serve"]}
    lines = (bento / "env" / "python" / "requirements.txt").read_text().splitlines()
    required = {line.replace('"', "'") for line in lines if not line.startswith("bentoml==")}  # its own pin
    assert required == needed
    assert not any("torch" in line for line in required)


def test_its_dockerfile_installs_that_and_runs_as_a_user(bento: Path) -> None:
    """What `bentoml containerize` builds; there is no Docker in these tests."""
    lines = [" ".join(line.split()) for line in (bento / "env" / "docker" / "Dockerfile").read_text().splitlines()]
    assert f"FROM python:{sys.version_info.major}.{sys.version_info.minor}-slim AS base-container" in lines
    assert any("pip install -r $BENTO_PATH/env/python/requirements.txt" in line for line in lines)
    assert [line for line in lines if line.startswith("USER ")] == ["USER bentoml"]
    assert "EXPOSE 3000" in lines


def test_the_bento_for_gpus_differs_by_the_cuda_libraries_only() -> None:
    cpu, gpu = (
        yaml.safe_load((ROOT / name).read_text(encoding="utf-8")) for name in ("bentofile.yaml", "bentofile-gpu.yaml")
    )
    [plain] = set(cpu["python"]["packages"]) - set(gpu["python"]["packages"])
    [cuda] = set(gpu["python"]["packages"]) - set(cpu["python"]["packages"])
    assert cuda == plain.replace("onnxruntime-gpu", "onnxruntime-gpu[cuda,cudnn]")
    del cpu["python"]["packages"], gpu["python"]["packages"]
    assert cpu == gpu


def test_it_holds_the_service_and_the_encoder_only(bento: Path) -> None:
    assert {path.name for path in (bento / "src").iterdir()} == {
        "bentofile.yaml",
        "encoder.onnx",
        "lookalike",
        "serving",
    }


def test_it_holds_every_file_of_the_page(bento: Path) -> None:
    held, expected = (
        {path.relative_to(folder).as_posix() for path in (folder / "serving" / "ui").rglob("*") if path.is_file()}
        for folder in (bento / "src", ROOT)
    )
    assert held == expected


def test_it_imports_where_the_project_is_not_installed(bento: Path) -> None:
    script = """
import importlib.metadata as metadata, sys
installed = metadata.version
def version(name):
    if name == "lookalike":
        raise metadata.PackageNotFoundError(name)
    return installed(name)
metadata.version = version
sys.modules["torch"] = None
import serving.service
print(serving.__file__)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=bento / "src", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == bento / "src" / "serving" / "__init__.py"


def test_it_serves_its_own_encoder(bento: Path, bentoml_home: Path, footage: list[Shown], tmp_path: Path) -> None:
    env = bentoml_env(bentoml_home, {})
    with served(f"{bento.parent.name}:{bento.name}", env, tmp_path, tmp_path / "log") as client:
        upload = {"images": ("frame.png", footage[0].png)}
        answer = client.post("/embed", files=upload).raise_for_status().json()
    np.testing.assert_allclose(answer["embeddings"], [expected_embedding(footage[0].png)], atol=1e-5)
