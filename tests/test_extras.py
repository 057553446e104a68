"""Verbs whose extra is not installed, with the modules of all extras hidden from a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import metadata, packages_distributions, requires
from pathlib import Path

import pytest

from lookalike.cli.extras import EXTRAS
from tests.clips import write_clip

ROOT = Path(__file__).resolve().parents[1]
MODULES = {module for modules in EXTRAS.values() for module in modules}
SCRIPT = f"""
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {MODULES}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
from lookalike.cli import main
main(sys.argv[1:])
"""


def bare(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A verb as where only `pip install lookalike` was run."""
    command = [sys.executable, "-c", SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, timeout=600)


@pytest.mark.parametrize(
    ("verb", "module", "extra"),
    [
        ("pretrain a.mp4 --out run", "torch", "train"),
        ("export run --out e.onnx", "(torch|onnx)", "train"),
        ("refit e.onnx --footage a.mp4 --out f.onnx", "(torch|onnx)", "train"),
        ("evaluate e.onnx --footage a.mp4", "torch", "train"),
        ("evaluate e.onnx --images .", "torch", "train"),
        ("demo --out demo", "torch", "train"),
        ("serve --encoder e.onnx", "bentoml", "serve"),
    ],
)
def test_a_verb_whose_extra_is_missing_names_it_in_one_line(tmp_path, tiny_encoder, verb, module, extra):
    write_clip(tmp_path / "a.mp4", range(0, 400, 40))
    (tmp_path / "e.onnx").write_bytes(tiny_encoder.read_bytes())
    done = bare(tmp_path, *verb.split())
    assert (done.returncode, done.stdout) == (1, "")
    said = rf'lookalike: {module} is not installed, which this verb needs: pip install "lookalike\[{extra}\]"'
    assert re.fullmatch(said, done.stderr.splitlines()[-1])
    assert "Traceback" not in done.stderr


def test_the_other_verbs_need_no_extra(tmp_path, tiny_encoder):
    write_clip(tmp_path / "a.mp4", range(0, 400, 40))
    done = bare(tmp_path, "index", "a.mp4", "--encoder", tiny_encoder, "--index", "index")
    assert (done.returncode, "no regions are stored" in done.stderr) == (0, True)
    for verb in ("stats", "verify", "outliers", "duplicates", f"search --at a.mp4@0 --encoder {tiny_encoder}"):
        done = bare(tmp_path, *verb.split(), "--index", "index")
        assert (done.returncode, "not installed" in done.stderr) == (0, False)


def test_a_module_that_no_extra_brings_is_a_fault_of_ours(tmp_path):
    script = SCRIPT.replace(str(MODULES), "{'numpy'}")
    command = [sys.executable, "-c", script, "stats", "--index", "index"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "No module named 'numpy'" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_package_of_an_extra_has_its_modules_listed(extra):
    wanted = {
        re.split(r"[^\w.-]", line)[0].lower() for line in requires("lookalike") or [] if f'extra == "{extra}"' in line
    }
    assert wanted
    listed = {
        distribution.lower()
        for module, distributions in packages_distributions().items()
        if module in MODULES
        for distribution in distributions
    }
    assert wanted <= listed


def test_the_manuals_install_in_a_form_that_pip_takes():
    """`"lookalike[serve] @ ."` is not one: pip expects a URL after the @. Packages of others have no quotes."""
    manuals = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    printed = [words for path in manuals for words in re.findall(r'pip install ("[^`\n]+)', path.read_text("utf-8"))]
    extras = [re.fullmatch(r'"(?:\.|lookalike)\[(\w+)\]"', words) for words in printed]
    assert extras
    assert {extra and extra[1] for extra in extras} <= set(metadata("lookalike").get_all("Provides-Extra", []))
