"""POST /search with weights, and by what moves: the service, its client, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lookalike.client import Client
from lookalike.index import StoredFrame, open_index
from tests.e2e.conftest import run_here
from tests.passes import RED_PASSES, pass_at, write_passes
from tests.serving.conftest import Shown, refused
from tests.serving.running import ROOT, bentoml_env, served
from tests.tiny import PARTS_SPEC


@pytest.fixture(scope="module")
def passing(parts_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    home = tmp_path_factory.mktemp("passing")
    write_passes(home / "recordings")
    at = ["--encoder", parts_encoder, "--index", home / "index", "--fps", "2"]
    run_here("index", home / "recordings", *at)
    settings = {"LOOKALIKE_ENCODER": parts_encoder, "LOOKALIKE_INDEX": home / "index"}
    with served("serving.service:Lookalike", bentoml_env(home, settings), ROOT, home / "log") as client:
        yield client


@pytest.fixture(scope="module")
def whole(passing: httpx.Client) -> StoredFrame:
    """A frame of the gate's first pass, as it is stored."""
    with open_index(str(passing.base_url), PARTS_SPEC) as index:
        return next(
            fields for fields in index.frames() if (fields.camera, fields.time_s, fields.region) == ("gate", 12.0, None)
        )


def hits(passing: httpx.Client, **fields: Any) -> list[dict[str, Any]]:
    answer = passing.post("/search", json=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()["hits"]


def passed(found: list[dict[str, Any]]) -> set[tuple[str, float] | None]:
    return {pass_at(hit["camera"], hit["time_s"]) for hit in found}


def test_a_frame_a_like_and_a_moment_are_asked_by_what_moves_in_them(passing: httpx.Client, whole: StoredFrame) -> None:
    by_id = hits(passing, id=whole.id, top=3)
    assert passed(by_id) == RED_PASSES
    assert {hit["asked"] for hit in by_id} == {by_id[0]["region"]} != {None}
    assert hits(passing, like=[whole.id], top=3) == by_id
    moment = hits(passing, like=[f"{whole.source_id}@12.1"], top=3)
    assert [(hit["id"], hit["asked"]) for hit in moment] == [(hit["id"], hit["asked"]) for hit in by_id]


def test_a_region_that_is_drawn_is_what_is_asked(passing: httpx.Client, whole: StoredFrame) -> None:
    assert {hit["asked"] for hit in hits(passing, like=[f"{whole.id}#0,0,1,0.3"])} == {None}


def test_unlike_an_empty_moment_leaves_what_passes(passing: httpx.Client, whole: StoredFrame) -> None:
    empty = f"{whole.source_id}@5"
    found = hits(passing, like=[whole.id], unlike=[empty], top=20)
    assert passed(found[:3]) == RED_PASSES
    assert all(hit["score"] < 0.01 for hit in found if passed([hit]) == {None} and hit["camera"] == "gate")


def test_weights_are_fields_of_json_forms_and_the_query(passing: httpx.Client, whole: StoredFrame) -> None:
    """By colour alone a score is the cosine of the colours, and everything else is as it was."""
    by_json = hits(passing, id=whole.id, colour=1, layout=0, top=8)
    weights = {"colour": "1", "layout": "0", "top": "8", "id": whole.id}
    by_form = passing.post("/search", files=[(name, (None, value)) for name, value in weights.items()])
    by_query = passing.post("/search", params={"colour": 1, "layout": 0}, json={"id": whole.id, "top": 8})
    for answer in (by_form, by_query):
        assert answer.status_code == 200, answer.text
        assert answer.json()["hits"] == by_json
    assert passed(by_json[:3]) == RED_PASSES
    assert by_json != hits(passing, id=whole.id, top=8)


def test_the_client_passes_weights_on(passing: httpx.Client, whole: StoredFrame) -> None:
    with Client(str(passing.base_url)) as client:
        found = client.search(id=whole.id, colour=1.0, top=3)
        assert [hit.to_dict() for hit in found] == hits(passing, id=whole.id, colour=1.0, top=3)
        with pytest.raises(ValueError, match="invalid layout: got 3, expected from 0 to 1"):
            client.search(id=whole.id, layout=3)


def test_an_encoder_without_parts_takes_no_weights(service: httpx.Client, footage: list[Shown]) -> None:
    for name in ("colour", "layout"):
        by_id = service.post("/search", json={"id": footage[0].frame.id, name: 0.5})
        by_image = service.post("/search", files={"image": b"not looked at"}, data={name: "0.5"})
        for answer in (by_id, by_image):
            said = f"cannot weight {name}: got 0.5 for an encoder with no parts, expected an encoder with the part"
            assert refused(answer, 400).startswith(said)
    assert refused(service.post("/search", json={"id": footage[0].frame.id, "colour": "red"}), 400) == (
        "invalid colour: got 'red', expected a number"
    )


def test_the_library_says_what_can_be_weighed(passing: httpx.Client, service: httpx.Client) -> None:
    told = passing.get("/library").json()
    assert told["parts"] == ["content", "layout", "colour"]
    assert told["weights"] == {"crop": {"colour": 0.2, "layout": 0.0}, "frame": {"colour": 0.2, "layout": 0.5}}
    assert service.get("/library").json()["parts"] == []


def test_the_document_has_the_fields(service: httpx.Client) -> None:
    document = service.get("/docs.json").json()
    names = {one["name"] for one in document["paths"]["/search"]["post"]["parameters"]}
    assert {"colour", "layout"} <= names
    assert "asked" in document["components"]["schemas"]["LookalikeHit"]["required"]
