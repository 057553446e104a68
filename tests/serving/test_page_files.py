"""Every file of the page is served, and is in what is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx

from tests.serving.running import ROOT

PAGE_FILES = {path.relative_to(ROOT).as_posix() for path in (ROOT / "serving" / "ui").rglob("*") if path.is_file()}
BUILD = "import setuptools.build_meta as build; print(build.build_wheel('dist'))"


def test_every_file_of_the_page_is_served(service: httpx.Client) -> None:
    assert "serving/ui/query/query-panel.js" in PAGE_FILES
    for path in PAGE_FILES:
        answer = service.get(path.removeprefix("serving"))
        assert (path, answer.status_code) == (path, 200)
        assert answer.content == (ROOT / path).read_bytes()
        if path.endswith(".js"):
            assert "javascript" in answer.headers["content-type"]


def test_a_wheel_holds_every_file_of_the_page(tmp_path: Path) -> None:
    """Built from a copy, without what a build leaves behind."""
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("lookalike", "serving"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-c", BUILD], cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "dist" / done.stdout.splitlines()[-1]) as wheel:
        held = {name for name in wheel.namelist() if name.startswith("serving/ui/")}
    assert held == PAGE_FILES
