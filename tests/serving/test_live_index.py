"""A service that is searched by several while `lookalike index` fills it, and while its graph is built."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from lookalike import pixels
from lookalike.footage import find_sources, read_frames
from lookalike.index import open_index
from lookalike.index.embedded.shards import POINTER
from lookalike.search_fields import SearchOptions
from tests.clips import noise, write_clip
from tests.e2e.conftest import run_here, run_verb
from tests.serving.conftest import encoded, picture
from tests.serving.running import ROOT, START_S, bentoml_env, served
from tests.tiny import SPEC, tiny_embedding

CLIPS, FRAMES, SEARCHERS = 8, 60, 4


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    for number in range(CLIPS):
        write_clip(folder / f"{number}.mp4", range(0, 40 * FRAMES, 40), noise(FRAMES, number))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("live") / "index"


@pytest.fixture(scope="module")
def filling(tiny_encoder: Path, folder: Path) -> Iterator[httpx.Client]:
    settings = {"LOOKALIKE_ENCODER": tiny_encoder, "LOOKALIKE_INDEX": folder, "LOOKALIKE_WRITABLE": "1"}
    env = bentoml_env(folder.parent, settings)
    with served("serving.service:Lookalike", env, ROOT, folder.parent / "log") as client:
        yield client


def test_every_search_is_answered_and_every_frame_is_found(
    filling: httpx.Client, folder: Path, recordings: Path, tiny_encoder: Path
) -> None:
    url, statuses, done = str(filling.base_url), [], threading.Event()

    def search(seed: int) -> None:
        with httpx.Client(base_url=url, timeout=60) as client:
            while not done.is_set():
                statuses.append(client.post("/search", files={"image": encoded(picture(seed))}).status_code)

    threads = [threading.Thread(target=search, args=(seed,)) for seed in range(SEARCHERS)]
    for thread in threads:
        thread.start()
    try:
        process = run_verb("index", recordings, "--encoder", tiny_encoder, "--index", url, "--regions", "none")
        assert process.returncode == 0, process.stderr
        assert json.loads(process.stdout)["points"] == CLIPS * FRAMES
        deadline = time.monotonic() + START_S
        while not (folder / POINTER).exists():  # says which shard is in use, once a graph was built
            assert time.monotonic() < deadline, "no graph was built"
            time.sleep(0.05)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert set(statuses) == {200}
    frames = list(read_frames(find_sources([recordings])))
    with open_index(url, SPEC) as index:
        assert index.missing(frames) == []
        assert index.count() == len(frames) == CLIPS * FRAMES
        for one in frames[:: FRAMES // 2]:
            expected = tiny_embedding(pixels.fit(one.image, SPEC.input_px))
            np.testing.assert_allclose(index.vector(one.id), expected, atol=1e-5)
            assert index.search(expected, options=SearchOptions(1))[0].score > 0.999


def test_the_verbs_that_keep_an_index_keep_that_of_a_service(
    filling: httpx.Client, recordings: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    """After the test above: forgetting a clip, and indexing it again."""
    at = ["--encoder", str(tiny_encoder), "--index", str(filling.base_url)]
    (tmp_path / "query.png").write_bytes(encoded(picture(1)))
    assert json.loads(run_here("forget", "--source", recordings / "0.mp4", *at))["removed"] == FRAMES
    stats = [json.loads(line) for line in run_here("stats", "--json", *at).splitlines()]
    assert {one["camera"]: one["frames"] for one in stats} == {str(number): FRAMES for number in range(1, CLIPS)}
    assert json.loads(run_here("index", recordings, "--regions", "none", *at))["added"] == FRAMES
    verdict = json.loads(run_here("verify", *at))
    assert (verdict["frames"], verdict["good"]) == (CLIPS * FRAMES, True)
    assert len(run_here("search", tmp_path / "query.png", "--json", "--top", "3", *at).splitlines()) == 3
