"""Some seconds of each fuzz target: no input is a fault. Longer by hand: `python -m tests.fuzz TARGET --seconds N`."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.service import fuzz
from tests.fuzz.target import NAMES, target
from tests.serving.running import ROOT

SECONDS, SERVICE_SECONDS = 10, 60
pytestmark = [pytest.mark.trust, pytest.mark.long]


@pytest.mark.skipif(
    find_spec("atheris") is None, reason="ATHERIS ABSENT (it is for Linux on x86-64): nothing was fuzzed"
)
@pytest.mark.parametrize("name", NAMES)
def test_no_input_is_a_fault(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", str(SECONDS), "--found", str(tmp_path)]
    run = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, errors="replace")
    assert run.returncode == 0, run.stderr[-4000:]
    assert list(tmp_path.iterdir()) == []
    executed = re.search(r"number_of_executed_units: (\d+)", run.stderr)
    assert executed
    assert int(executed[1]) > len(target(name).seeds())


def test_every_response_of_the_service_is_as_its_document_says(tmp_path: Path) -> None:
    run = fuzz(SERVICE_SECONDS, tmp_path)
    assert run.returncode == 0, run.stdout[-8000:]
    tested = re.search(r"(\d+) generated, (\d+) passed", run.stdout)
    assert tested
    assert int(tested[1]) == int(tested[2]) > 100
