"""The examples in --help and the commands in the README work as they stand."""

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

VERBS = ["info", "embed", "search", "locate", "outliers", "duplicates", "cluster", "stats", "verify", "forget"]
VERBS += ["reindex", "snapshot", "restore", "evaluate"]


def example(verb: str) -> list[str]:
    """The words of the example that a verb's --help ends with."""
    out = io.StringIO()
    with redirect_stdout(out):
        cli.main([verb, "--help"])
    text = " ".join(out.getvalue().split())
    found = re.search(rf"Example: (lookalike {verb} .*)$", text)
    assert found, text
    return shlex.split(found[1])[1:]


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
    code = python_in_readme("import Client") + told
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


def python_in_readme(containing: str) -> str:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return next(block for block in blocks if containing in block)


def test_an_encoder_of_ones_own_as_the_readme_has_it_trains(home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(python_in_readme("def small"))
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
    code = python_in_readme("InferenceSession")
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
