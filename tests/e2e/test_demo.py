"""The demo, on a little footage with few steps: every stage real, every file there."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.conftest import TWINS, run_verb


def test_the_demo_leaves_what_it_promises(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    process = run_verb("demo", home / "recordings", "--out", out, "--steps", "3")
    assert process.returncode == 0, process.stderr
    assert (out / "encoder.onnx").stat().st_size > 0
    assert (out / "index" / "lookalike.json").is_file()

    results = json.loads((out / "results.json").read_text())
    stages = ["pretrain", "export", "index", "serve and search", "evaluate", "total"]
    assert list(results["seconds"]) == stages
    assert results["frames_trained"] == 4 * 12 * 4  # four cameras, 12 s, 4 frames a second
    assert results["frames_indexed"] == 4 * 12 * 2
    assert results["parity"]["min_cosine"] >= 0.99999
    assert {row["name"] for row in results["retrieval"]["moments"]["rows"]} == {
        *("this encoder", "raw pixels 8x8", "raw pixels 32x32", "HSV histogram", "untrained, same head"),
        *("raw pixels 8x8, with colour", "raw pixels 32x32, with colour"),
        *("16x16 pixels, same head", "pretrained, same head"),
    }
    for search in results["searches"]:
        first = search["hits"][0]
        assert first["source"] == search["source"]
        assert first["score"] > 0.999
        (own,) = (hit for hit in search["hits"] if hit["source"] == first["source"] and holds(hit, search["time_s"]))
        assert own["score"] >= TWINS * first["score"]

    examples = results["retrieval"]["examples"]
    assert 0 < len(examples) <= 6
    for example in examples:
        assert [row["name"] for row in example["rows"]] == [
            "HSV histogram",
            "pretrained, same head",
            "this encoder",
        ]

    report = (out / "report.html").read_text(encoding="utf-8")
    assert report.count('class="sheet"') == len(results["searches"])
    assert report.count('class="comparison"') == len(examples)
    verdict = results["retrieval"]["verdict"].splitlines()
    assert all(line in report for line in verdict)
    assert [line for line in process.stderr.splitlines() if line in verdict] == verdict
    assert "Side by side" in report
    assert "http://127.0.0.1:3000/ui" in process.stderr


def holds(hit: dict, time_s: float) -> bool:
    """Whether a frame belongs to the moment of a hit."""
    return hit["span_s"][0] <= time_s <= hit["span_s"][1]


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("chapter one")
    process = run_verb("demo", "--out", tmp_path)
    assert process.returncode == 1
    assert "not an empty folder or one of a demo" in process.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
