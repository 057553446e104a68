"""Nothing reports to the makers of libraries what runs here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.running import ROOT

PACKAGES = ("lookalike", "exporters", "training", "serving", "benchmarks")
LOADS = re.compile(r"^\s*(import|from) onnxruntime\b", re.MULTILINE)
SUPPRESSED = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME", "BENTOML_DO_NOT_TRACK")


def identities(code: str, home: Path) -> list[str]:
    """Names of the files in which onnxruntime keeps the identity of this machine, after `code` ran."""
    env = {name: value for name, value in os.environ.items() if name not in SUPPRESSED}
    command = [sys.executable, "-c", code]
    subprocess.run(command, env=env | {"HOME": str(home)}, cwd=ROOT, check=True, capture_output=True)
    return [path.name for path in home.rglob("*") if "onnxruntime" in path.parent.name]


def loading() -> list[str]:
    """Modules that load onnxruntime themselves."""
    paths = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if LOADS.search(path.read_text()))
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted(paths)]


@pytest.mark.trust
@pytest.mark.skipif(sys.platform != "linux", reason="REPORTS ARE NOT TESTED: elsewhere they have no file in HOME")
@pytest.mark.parametrize("module", [*loading(), "serving.service"])
def test_no_module_lets_onnxruntime_report(module: str, tmp_path: Path) -> None:
    """It makes an identity when it is loaded, and sends what it notes later, with the name of the model's file."""
    assert identities(f"import {module}, onnxruntime", tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="REPORTS ARE NOT TESTED: elsewhere they have no file in HOME")
def test_alone_it_would(tmp_path: Path) -> None:
    """Else the test above shows nothing."""
    assert "deviceid" in identities("import onnxruntime", tmp_path)


def test_bentoml_reports_nothing() -> None:
    code = "import serving.service; from bentoml._internal.utils.analytics.usage_stats import do_not_track"
    env = {name: value for name, value in os.environ.items() if name not in SUPPRESSED}
    command = [sys.executable, "-c", f"{code}; print(do_not_track())"]
    done = subprocess.run(command, env=env, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.split()[-1] == "True"
