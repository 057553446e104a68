"""A table that names files of this machine: the service opens none of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest

from lookalike.footage import Frame
from lookalike.index import open_index
from lookalike.ingest.import_table import import_frames
from lookalike.ingest.table import NO_PICTURE, to_table
from tests.clips import write_clip
from tests.serving.conftest import encoded, picture, refused
from tests.serving.running import ROOT, bentoml_env, served
from tests.tiny import SPEC


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[Frame]:
    """Of a picture, a recording and a text file that are really there, named with the right hash."""
    folder = tmp_path_factory.mktemp("private")
    (folder / "a.png").write_bytes(encoded(picture(1)))
    write_clip(folder / "b.mp4", [0, 100, 200])
    paths = [folder / "a.png", folder / "b.mp4", Path("/etc/hostname")]
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    return [Frame(NO_PICTURE, str(path), sha, "gate", 0.0, 0) for path, sha in zip(paths, digests, strict=True)]


@pytest.fixture(scope="module")
def imported(
    tiny_encoder: Path, frames: list[Frame], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    home = tmp_path_factory.mktemp("imported")
    vectors = np.eye(len(frames), SPEC.dim, dtype=np.float32)
    pq.write_table(to_table(frames, vectors, SPEC), home / "x.parquet")
    with open_index(home / "index", SPEC, create=True) as index:
        assert import_frames(home / "x.parquet", index, lambda frames: None).added == len(frames)
    env = bentoml_env(home, {"LOOKALIKE_ENCODER": tiny_encoder, "LOOKALIKE_INDEX": home / "index"})
    with served("serving.service:Lookalike", env, ROOT, home / "log") as client:
        yield client


def test_no_picture_of_a_file_that_a_table_names_is_shown(imported: httpx.Client, frames: list[Frame]) -> None:
    for frame in frames:
        for path in (f"/frames/{frame.id}/thumb", f"/frames/{frame.id}", f"/recordings/{frame.source_id}/thumb"):
            reason = refused(imported.get(path), 410)
            assert reason.startswith(f"{frame.source}: named over HTTP or by an imported table, so not opened")


def test_nothing_that_a_table_names_is_played_or_searched_by_a_part(
    imported: httpx.Client, frames: list[Frame]
) -> None:
    assert {one["served"] for one in imported.get("/library").json()["recordings"]} == {False}
    for frame in frames:
        media = imported.get(f"/recordings/{frame.source_id}/media")
        assert media.status_code >= 400 or media.json()["state"] == "none"
        by_part = imported.post("/search", json={"id": frame.id, "region": "0,0,.5,1"})
        assert refused(by_part, 410).startswith(frame.source)
        assert imported.post("/search", json={"id": frame.id}).status_code == 200
