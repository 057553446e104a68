"""Imports run one way, as drawn in the design: training, exporters and serving stand on lookalike."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = {"lookalike", "training", "exporters", "serving", "benchmarks", "tests"}
MAY_IMPORT = {
    "lookalike": {"lookalike"},
    "training": {"lookalike", "training"},
    "exporters": {"exporters", "lookalike", "training"},
    "serving": {"lookalike", "serving"},
}
COMPOSITION_ROOT = ROOT / "lookalike" / "cli"
FILES = [path for package in MAY_IMPORT for path in sorted((ROOT / package).rglob("*.py"))]


def imported(tree: ast.AST) -> Iterator[str]:
    """Names of all modules imported anywhere in it, inside functions and for type checkers as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import; write it out"
            yield node.module or ""


def packages(names: Iterator[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def test_every_package_is_looked_at():
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(MAY_IMPORT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    package = path.relative_to(ROOT).parts[0]
    found = packages(imported(parsed(path)))
    if path.parent != COMPOSITION_ROOT:
        assert found & OURS <= MAY_IMPORT[package]
    if package in ("lookalike", "serving"):
        assert not found & {"torch", "torchvision"}
    if package != "serving":
        assert "bentoml" not in found


MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}


def lazy_names() -> Iterator[tuple[str, str]]:
    """Names that a package imports when they are first used, and the module of each."""
    for package, path in MODULES.items():
        for block in parsed(path).body if path.name == "__init__.py" else []:
            for node in block.body if isinstance(block, ast.If) else []:
                if isinstance(node, ast.ImportFrom):
                    yield from ((f"{package}.{alias.name}", node.module or "") for alias in node.names)


LAZY = dict(lazy_names())


def loaded_with(path: Path) -> set[str]:
    """Names of our modules that are imported as the module is loaded, and so not within a function or for types."""
    names = set[str]()
    for node in parsed(path).body:
        if isinstance(node, ast.ImportFrom):
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else LAZY.get(name, node.module or "") for name in full}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names & set(MODULES)


def test_no_modules_import_each_other():
    graph = {module: loaded_with(path) for module, path in MODULES.items()}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names them


def test_the_composition_root_reaches_up_only_inside_its_verbs():
    """But for settings that are flags: a run's of `pretrain`, and a perturbation's of `evaluate`; and for types."""
    above: set[str] = set()
    for path in COMPOSITION_ROOT.glob("*.py"):
        tree = parsed(path)
        tree.body = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.If)]
        above |= {name for name in imported(tree) if name.split(".")[0] in OURS - {"lookalike"}}
    assert above == {"training.config", "training.evaluation.perturb"}


@pytest.mark.parametrize("module", ["lookalike.cli", "lookalike.ingest.index", "lookalike.index", "lookalike.encoder"])
def test_the_core_is_loaded_without_torch_and_bentoml(module):
    script = f"import sys, {module}; print(sorted({{'torch', 'bentoml'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_command_line_starts_without_what_its_verbs_need():
    heavy = "{'av', 'onnxruntime', 'pyarrow', 'qdrant_client', 'qdrant_edge', 'sklearn'}"
    script = f"import sys, lookalike.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
