"""`import lookalike`: what it offers, that it is typed, and that it loads nothing before it is used."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import lookalike
import lookalike.footage
import lookalike.index

ROOT = Path(__file__).resolve().parents[1]
LAZY = [lookalike, lookalike.footage, lookalike.index]
NAMES = [(package, name) for package in LAZY for name in package.__all__]


def checked(package: ModuleType) -> dict[str, str]:
    """What a type checker is told: the imports below `if TYPE_CHECKING`."""
    return {
        alias.name: node.module or ""
        for block in ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8")).body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def run(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_the_import_alone_loads_nothing():
    heavy = "{'numpy', 'onnxruntime', 'qdrant_client', 'qdrant_edge', 'av', 'httpx', 'PIL', 'pyarrow'}"
    assert run(f"import sys, lookalike; print(sorted({heavy} & set(sys.modules)))") == "[]\n"


def test_a_name_loads_its_own_module_and_no_other():
    script = "import json, sys, lookalike; lookalike.LookalikeError; "
    told = "print(json.dumps(sorted(name for name in sys.modules if name.startswith('lookalike'))))"
    assert json.loads(run(script + told)) == ["lookalike", "lookalike.errors", "lookalike.lazy"]


@pytest.mark.parametrize("package", LAZY)
def test_what_a_type_checker_is_told_is_what_there_is(package):
    assert checked(package) == package._MODULES
    assert sorted(checked(package)) == sorted(package.__all__)
    assert set(package.__all__) <= set(dir(package))
    assert (ROOT / "lookalike" / "py.typed").exists()


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_each_name_is_that_of_its_module(package, name):
    assert getattr(package, name) is getattr(import_module(checked(package)[name]), name)


@pytest.mark.parametrize("module", ["footage.sampling", "footage.naming", "footage.limits", "index.server.options"])
def test_the_flags_of_a_package_are_loaded_without_its_decoders_and_engines(module):
    heavy = "{'av', 'qdrant_client', 'qdrant_edge', 'onnxruntime', 'PIL'}"
    assert run(f"import sys, lookalike.{module}; print(sorted({heavy} & set(sys.modules)))") == "[]\n"


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'lookalike' has no attribute 'Encodr'"):
        lookalike.Encodr  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ImportError, match="cannot import name 'Encodr'"):
        from lookalike import Encodr  # noqa: F401  # pyright: ignore[reportAttributeAccessIssue]
