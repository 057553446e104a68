"""The demo's side by side: whose pictures are shown, and what is said of them."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lookalike.demo.summary import compare, named_sources

LEFT, RIGHT = [0.0, 0.0, 0.5, 1.0], [0.5, 0.0, 0.5, 1.0]


def place(clip: str, box: list[float], **about: Any) -> dict[str, Any]:
    return {"clip": clip, "camera": "gate", "time_s": 0.0, "box": box} | about


def example(to_find: int | None) -> dict[str, Any]:
    right = None if to_find is None else True
    hits = [place("b.png", RIGHT, right=right), place("a.png", RIGHT, right=None if to_find is None else False)]
    return place(
        "a.png", LEFT, label="car", to_find=to_find, rows=[{"name": "this encoder", "role": "own", "hits": hits}]
    )


def save(path: Path) -> Path:
    """A picture that is black on its left and white on its right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 8, 1)[..., None].repeat(3, 2).repeat(8, 0)).save(path)
    return path


def level(uri: str) -> int:
    """The mean level of a picture in a page."""
    data = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))
    return round(np.asarray(Image.open(io.BytesIO(data))).mean())


def test_crops_are_cut_from_their_own_recordings(tmp_path: Path) -> None:
    """Two of five hits are there, one of them is right, and three could have been."""
    sources = named_sources([str(save(tmp_path / "gate" / name)) for name in ("a.png", "b.png")])
    [comparison] = compare([example(3)], sources)
    assert (comparison.query.note, comparison.query.camera, level(comparison.query.uri)) == ("car", "gate", 0)
    [row] = comparison.rows
    assert (row.name, row.note) == ("this encoder", "1 right of 2 possible")
    assert [(hit.right, level(hit.uri)) for hit in row.hits] == [(True, 255), (False, 255)]


def test_without_labels_nothing_is_said_of_right_and_wrong(tmp_path: Path) -> None:
    sources = named_sources([str(save(tmp_path / "gate" / name)) for name in ("a.png", "b.png")])
    [comparison] = compare([example(None)], sources)
    assert comparison.rows[0].note == ""
    assert [hit.right for hit in comparison.rows[0].hits] == [None, None]


def test_files_of_one_name_and_camera_are_not_mistaken_for_each_other(tmp_path: Path) -> None:
    paths = [save(tmp_path / day / "gate" / "a.png") for day in ("monday", "tuesday")]
    paths.append(save(tmp_path / "gate" / "b.png"))
    sources = named_sources([str(path) for path in paths])
    assert sources == {("gate", "b.png"): str(paths[2])}
    assert compare([example(1)], sources) == []
