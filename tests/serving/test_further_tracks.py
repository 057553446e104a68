"""A file of two cameras over HTTP: the second is a recording of its own, with pictures and playback of its own."""

from __future__ import annotations

import io
import time
from pathlib import Path

import av
import numpy as np
from PIL import Image

from lookalike.index import open_index
from tests.clips import number_of
from tests.e2e.conftest import run_here
from tests.footage.tracks import film, write_tracks
from tests.serving.running import ROOT, START_S, bentoml_env, served
from tests.tiny import SPEC


def test_the_second_camera_of_a_file_is_shown_and_played(tiny_encoder: Path, tmp_path: Path) -> None:
    path = write_tracks(tmp_path / "trip.mp4", [film(0), film(20)])
    run_here("index", path, "--encoder", tiny_encoder, "--index", tmp_path / "index", "--regions", "none")
    env = bentoml_env(tmp_path, {"LOOKALIKE_ENCODER": tiny_encoder, "LOOKALIKE_INDEX": tmp_path / "index"})
    with served("serving.service:Lookalike", env, ROOT, tmp_path / "log") as service:
        with open_index(str(service.base_url), SPEC) as index:
            frames = sorted(index.frames(), key=lambda fields: (fields.camera, fields.time_s))
        assert [fields.camera for fields in frames] == ["trip"] * 12 + ["trip#2"] * 12
        for at in (13, 23, 12, 3):
            thumb = service.get(f"/frames/{frames[at].id}/thumb?px=640").raise_for_status().content
            assert number_of(np.asarray(Image.open(io.BytesIO(thumb)))) == (at if at < 12 else at + 8)
        second = f"/recordings/{frames[12].source_id}"
        deadline = time.monotonic() + START_S
        while (about := service.get(second).raise_for_status().json())["media"] == "preparing":
            assert time.monotonic() < deadline, about
            time.sleep(0.05)
        assert (about["name"], about["media"]) == ("trip.mp4#2", "ready")
        with av.open(io.BytesIO(service.get(f"{second}/media").raise_for_status().content), "r") as played:
            shown = [number_of(frame.to_ndarray(format="rgb24")) for frame in played.decode(video=0)]
        assert shown == list(range(20, 32))
