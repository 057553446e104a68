"""examples/: each runs as it stands, on two clips and the tiny encoder."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike import Encoder, find_sources, index_footage, open_index
from lookalike.footage import frame_at
from lookalike.footage.sampling import Sampling
from lookalike.ingest.settings import IngestSettings
from tests.tiny import SPEC
from tests.two_clips import write_two_clips

FOLDER = Path(__file__).resolve().parents[1] / "examples"
FPS = 5
FRAMES = 12  # of each clip: 60 frames in 2.4 s


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    """recordings/ of two cameras, encoder.onnx, index/ and crop.png, a frame of the second."""
    home = tmp_path_factory.mktemp("home")
    (home / "recordings").mkdir()
    write_two_clips(home / "recordings")
    (home / "encoder.onnx").write_bytes(tiny_encoder.read_bytes())
    encoder = Encoder(home / "encoder.onnx", "cpu")
    with open_index(home / "index", encoder.spec, create=True) as index:
        sources = find_sources([home / "recordings"])
        assert index_footage(sources, encoder, index, IngestSettings(Sampling(FPS, regions=None))).added == 2 * FRAMES
    Image.fromarray(frame_at(str(home / "recordings" / "c.mp4"), 0.4)).save(home / "crop.png")
    return home


def run(home: Path, name: str, *arguments: str) -> list[str]:
    """Returns: the lines that an example printed."""
    command = [sys.executable, str(FOLDER / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=home, check=True).stdout.splitlines()


def test_search(home: Path) -> None:
    first = run(home, "search.py", "crop.png")[0]
    score, camera, source = first.split(maxsplit=2)
    assert float(score) > 0.99
    assert (camera, source.split(" at ")[0]) == ("c", f"{home}/recordings/c.mp4")


def test_to_dataframe(home: Path) -> None:
    example = runpy.run_path(str(FOLDER / "to_dataframe.py"))
    table = example["embed_folder"](str(home / "recordings"), Encoder(home / "encoder.onnx", "cpu"), FPS)
    assert table.column_names == ["id", "source", "camera", "time_s", "embedding"]
    assert table["camera"].to_pylist() == ["a"] * FRAMES + ["c"] * FRAMES
    np.testing.assert_allclose(table["time_s"].to_pylist(), [number / FPS for number in range(FRAMES)] * 2)
    vectors = example["vectors"](table)
    with open_index(home / "index") as index:
        np.testing.assert_allclose(vectors[0], index.vector(table["id"][0].as_py()), atol=1e-5)
    assert vectors.shape == (2 * FRAMES, SPEC.dim)
    assert run(home, "to_dataframe.py", "recordings")[-1].startswith("6 rows; ")  # one a second, in 2.4 s of each


def test_explore_notebook(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its cells, one after the other; and it is kept without what they printed."""
    monkeypatch.chdir(home)
    monkeypatch.delenv("LOOKALIKE_INDEX", raising=False)
    notebook = json.loads((FOLDER / "explore.ipynb").read_text(encoding="utf-8"))
    assert (notebook["nbformat"], len({cell["id"] for cell in notebook["cells"]})) == (4, len(notebook["cells"]))
    names: dict = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
            exec(compile("".join(cell["source"]), "explore.ipynb", "exec"), names)  # noqa: S102 - it is ours
    assert [(camera.camera, camera.frames) for camera in names["cameras"]] == [("a", FRAMES), ("c", FRAMES)]
    assert names["similar"][0].score == pytest.approx(1, abs=1e-5)
    assert sum(group.frames for group in names["groups"]) == 2 * FRAMES
    assert names["strip"](names["similar"]).height == 120
    assert f"24 frames and regions, embedded by tiny into {SPEC.dim} dimensions" in capsys.readouterr().out
