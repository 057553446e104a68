"""A service whose index is on a disk that other programs fill, or that becomes read-only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from lookalike.errors import IndexStoreError, ServiceError
from lookalike.index import open_index
from lookalike.index.embedded.disk_space import MIB
from tests.index.circle import frame
from tests.serving.conftest import Shown
from tests.serving.running import ROOT, bentoml_env, served
from tests.small_disk import fill, read_only, small_disk
from tests.tiny import SPEC

DISK_MB, MIN_FREE_MB = 400, 64
FRAMES = [frame(f"s{number}", 0.0) for number in range(100)]
VECTORS = np.eye(SPEC.dim, dtype=np.float32)[np.arange(100) % SPEC.dim]

Record = Callable[[str, object], None]
pytestmark = pytest.mark.trust


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", DISK_MB) as folder:
        yield folder


@pytest.fixture
def writable(disk: Path, tiny_encoder: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    settings = {
        "LOOKALIKE_ENCODER": tiny_encoder,
        "LOOKALIKE_INDEX": disk / "index",
        "LOOKALIKE_WRITABLE": "1",
        "LOOKALIKE_MIN_FREE_MB": str(MIN_FREE_MB),
    }
    with served("serving.service:Lookalike", bentoml_env(tmp_path, settings), ROOT, tmp_path / "log") as client:
        yield client


def test_a_full_disk_is_507_and_searches_are_answered(
    writable: httpx.Client, disk: Path, footage: list[Shown], record_property: Record
) -> None:
    with open_index(str(writable.base_url), SPEC, create=True) as index:
        index.add(FRAMES, VECTORS)
        others = fill(disk, free_bytes=(MIN_FREE_MB - 1) * MIB)
        with pytest.raises(IndexStoreError, match="MiB are free on its disk, expected at least") as caught:
            index.add([frame("more", 0.0)], VECTORS[:1])
        assert isinstance(caught.value.__cause__, ServiceError)
        assert caught.value.__cause__.status == 507
        assert writable.post("/search", files={"image": footage[0].png}).status_code == 200
        assert index.count() == len(FRAMES)
        others.unlink()
        index.add([frame("more", 0.0)], VECTORS[:1])
        assert index.count() == len(FRAMES) + 1
    record_property("tried", f"a disk with {MIN_FREE_MB - 1} of {MIN_FREE_MB} MiB free")
    record_property("survived", f"{len(FRAMES)} frames, and searches")
    record_property("lost", "0 frames")


def test_a_read_only_folder_is_not_ready_and_searches_are_answered(
    writable: httpx.Client, disk: Path, footage: list[Shown]
) -> None:
    with read_only(disk / "index"):
        response = writable.get("/readyz")
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert response.json()["error"] == {
            "type": "index_unavailable",
            "message": "the folder of the index cannot be written",
        }
        assert writable.post("/search", files={"image": footage[0].png}).status_code == 200
    assert writable.get("/readyz").status_code == 200
