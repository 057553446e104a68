"""The examples in --help, and the commands and code in the README and the manuals, work as they stand."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path

import httpx
import pytest
from PIL import Image

from lookalike import cli
from tests.e2e.conftest import FEW_STEPS, ROOT, TWINS, copy_of, five_commands, run_verb

MANUALS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
VERBS = ["info", "embed", "search", "locate", "outliers", "duplicates", "cluster", "stats", "verify", "forget"]
VERBS += ["reindex", "snapshot", "restore", "evaluate"]


def example(verb: str) -> list[str]:
    """The words of the example at the end of a verb's --help."""
    out = io.StringIO()
    with redirect_stdout(out):
        cli.main([verb, "--help"])
    text = " ".join(out.getvalue().split())
    match = re.search(rf"Example: (lookalike {verb} .*)$", text)
    assert match, text
    return shlex.split(match[1])[1:]


def commands_in(path: Path) -> list[list[str]]:
    """The words after `lookalike` of each command in a manual: an indented line, maybe continued on the next."""
    lines = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    matches = (re.match(r"    .*?\blookalike (?!:)([a-z]\w*.*)", line) for line in lines)
    return [shlex.split(match[1].partition(" | ")[0], comments=True) for match in matches if match]


@pytest.mark.parametrize("path", MANUALS, ids=lambda path: path.name)
def test_the_commands_in_a_manual_have_the_flags_of_their_verbs(path: Path) -> None:
    for words in commands_in(path):
        verbs, apps, _ = cli.app.parse_commands(words)  # `keys` has verbs of its own
        known = {name for argument in apps[-1].assemble_argument_collection() for name in argument.names}
        assert {word for word in words if word.startswith("--")} <= known, f"lookalike {' '.join(verbs)}"


def test_the_commands_of_the_manuals_are_found() -> None:
    verbs = {words[0] for path in MANUALS for words in commands_in(path)}
    assert {"pretrain", "export", "refit", "index", *VERBS} <= verbs


@pytest.mark.parametrize("verb", VERBS)
def test_the_example_of_a_verb_works(home: Path, tmp_path: Path, verb: str) -> None:
    place = copy_of(home, tmp_path / "home")
    if verb == "restore":
        assert run_verb(*example("snapshot"), cwd=place).returncode == 0
    process = run_verb(*example(verb), cwd=place)
    assert process.returncode == 0, process.stderr
    assert process.stdout


def test_the_example_of_serve_works(home: Path, tmp_path: Path) -> None:
    place = copy_of(home, tmp_path / "home")
    words = example("serve")
    address = f"http://127.0.0.1:{words[words.index('--port') + 1]}"
    process = subprocess.Popen(
        [sys.executable, "-m", "lookalike", *words], cwd=place, stderr=subprocess.PIPE, text=True
    )
    try:
        answer = _ask_until_ready(f"{address}/search", place / "crop.jpg", process)
        own = _ask_until_ready(f"{address}/search?camera=gate&since=5&until=5", place / "crop.jpg", process)
        by_client = _run_client_of_readme(place)
        locked = run_verb("stats", "--index", "index", cwd=place)
    finally:
        process.terminate()
        process.communicate(timeout=60)
    first = answer["hits"][0]
    assert first["camera"] == "gate"
    assert [hit["time_s"] for hit in own["hits"]] == [5]
    assert own["hits"][0]["score"] >= TWINS * first["score"]
    assert by_client == {"vectors": 2, "first": first["id"]}
    told = f"index: in use by the service at {address}; give that URL, as --index {address}, or stop it"
    assert (locked.returncode, locked.stderr) == (1, f"lookalike: {told}\n")


def _run_client_of_readme(place: Path) -> dict:
    """The lines of Python, against the service of the example."""
    for name in ("a.jpg", "b.png"):
        Image.open(place / "crop.jpg").save(place / name)
    told = "import json; print(json.dumps({'vectors': len(vectors), 'first': hits[0].id}))"
    code = python_in_manuals("import Client") + told
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=place, check=True)
    return json.loads(process.stdout)


def test_the_five_commands_of_the_readme_lead_to_a_search(home: Path, tmp_path: Path) -> None:
    """`home` was made by three of them, which are the examples of their verbs too."""
    commands = five_commands()
    assert [words[0] for words in commands] == ["setup", "pretrain", "export", "index", "search"]
    assert [example(words[0]) for words in commands[1:-1]] == commands[1:-1]
    copy_of(home / "index", tmp_path / "index")
    shutil.copy(home / "encoder.onnx", tmp_path)
    shutil.copy(home / "crop.jpg", tmp_path / "picture.jpg")
    process = run_verb(*commands[-1], cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "gate" in process.stdout.splitlines()[1]


def python_in_manuals(containing: str) -> str:
    texts = (path.read_text(encoding="utf-8") for path in MANUALS)
    blocks = (block for text in texts for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    return next(block for block in blocks if containing in block)


def test_your_own_encoder_as_the_manual_has_it_trains(home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(python_in_manuals("def small"))
    flags = ["--out", "run", "--arch", "mine.py:small", *FEW_STEPS]
    process = run_verb("pretrain", home / "recordings", *flags, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    unasked = run_verb("export", "run", "--out", "mine.onnx", cwd=tmp_path)
    assert (unasked.returncode, "allow it with `--arch mine.py:small`" in unasked.stderr) == (1, True)
    assert run_verb("export", "run", "--out", "mine.onnx", "--arch", "mine.py:small", cwd=tmp_path).returncode == 0
    spec = json.loads(run_verb("info", "mine.onnx", cwd=tmp_path).stdout)
    assert spec["space"].startswith("small-32-")
    assert str(tmp_path) not in json.dumps(spec)


def test_five_lines_of_onnxruntime_in_the_readme_give_the_served_embedding(home: Path, tmp_path: Path) -> None:
    code = python_in_manuals("InferenceSession")
    shutil.copy(home / "encoder.onnx", tmp_path)
    shutil.copy(home / "crop.jpg", tmp_path / "a.jpg")
    check = "import sys, json; assert 'lookalike' not in sys.modules; print(json.dumps(embedding[0].tolist()))"
    process = subprocess.run(
        [sys.executable, "-c", code + check], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    from lookalike import pixels
    from lookalike.encoder import Encoder

    encoder = Encoder(home / "encoder.onnx", "cpu")
    wanted = encoder.embed(pixels.fit(pixels.decode((home / "crop.jpg").read_bytes()), encoder.spec.input_px)[None])
    assert json.loads(process.stdout) == pytest.approx(wanted[0].tolist(), abs=1e-5)


def _ask_until_ready(url: str, picture: Path, process: subprocess.Popen[str]) -> dict:
    for _ in range(600):
        assert process.poll() is None, process.communicate()[1]
        try:
            answer = httpx.post(url, files={"image": picture.read_bytes()}, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()
    raise AssertionError("the service did not answer")
