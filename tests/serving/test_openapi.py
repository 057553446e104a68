"""The table of routes: the router and the OpenAPI document read it, and so do the requests and responses."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.routing import Mount, Route

import serving.routes
from lookalike.index import Hit, StoredFrame
from lookalike.search.fields import FIELDS
from serving.http.endpoint import Endpoint
from serving.http.errors import ApiError
from serving.http.query import read_query
from serving.openapi.document import describe
from serving.routes.explore import FoundResponse, OutliersQuery
from serving.routes.frames import FrameResponse, ThumbQuery
from serving.routes.library import LibraryResponse, MediaResponse, MomentQuery
from serving.routes.search import HitResponse, HitsResponse, SearchFields
from serving.service import ENDPOINTS, app

PAGES = {"/", "/ui", "/docs.json", "/metrics"}
MODULES = sorted(path for path in Path(serving.routes.__file__).parent.glob("*.py") if path.name != "__init__.py")
BASE: dict[str, Any] = {"openapi": "3.0.2", "paths": {"/livez": {}}, "components": {"schemas": {"NotFound": {}}}}
Stored = dict[str, list[StoredFrame]]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return describe(BASE, ENDPOINTS)


def test_every_route_has_an_entry_in_the_table() -> None:
    routes = [route for route in app.routes if isinstance(route, Route) and route.path not in PAGES]
    assert {(route.path, method) for route in routes for method in route.methods or () if method != "HEAD"} == {
        (endpoint.path, endpoint.method) for endpoint in ENDPOINTS
    }
    others = [route for route in app.routes if route not in routes]
    assert {route.path for route in others if isinstance(route, Route | Mount)} == PAGES
    assert len(others) == len(PAGES) + 1  # /ui is the page, and the folder of its files


def test_the_document_has_every_entry_and_keeps_those_of_bentoml(document: dict[str, Any]) -> None:
    assert set(document["paths"]) == {endpoint.path for endpoint in ENDPOINTS} | {"/livez"}
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert sorted(names) == sorted(endpoint.name for endpoint in ENDPOINTS)
    assert len(set(names)) == len(names)
    assert {"NotFound", "LookalikeHits", "OpenAIRequest"} <= set(document["components"]["schemas"])


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_an_operation_says_all_that_its_entry_says(document: dict[str, Any], endpoint: Endpoint) -> None:
    operation = document["paths"][endpoint.path][endpoint.method.lower()]
    assert operation["summary"]
    assert {int(status) for status in operation["responses"]} == {200, 401, 403, *endpoint.errors} | (
        {202} if endpoint.pending else set()
    )
    assert set(operation["responses"]["200"]["content"]) == set(endpoint.responses)
    assert set(operation.get("requestBody", {}).get("content", {})) == set(endpoint.body or ())
    in_path = [field["name"] for field in operation["parameters"] if field["in"] == "path"]
    in_query = [field["name"] for field in operation["parameters"] if field["in"] == "query"]
    assert in_path == re.findall(r"{(\w+)}", endpoint.path)
    assert in_query == [field.name for field in dataclasses.fields(endpoint.query)] if endpoint.query else not in_query


def test_a_field_of_a_search_has_its_docstring_its_range_and_its_choices(document: dict[str, Any]) -> None:
    fields = document["components"]["schemas"]["LookalikeSearchFields"]["properties"]
    assert list(fields) == list(FIELDS) == [field.name for field in dataclasses.fields(SearchFields)]
    assert fields["top"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 1000,
        "default": 10,
        "description": "How many hits to return.",
    }
    below = fields["min_percentile"]
    assert (below["minimum"], below["maximum"], below["exclusiveMaximum"]) == (0, 100, True)
    assert fields["by"]["enum"] == ["moment", "clip"]
    assert fields["camera"]["type"] == "array"
    assert "nullable" not in fields["since"]
    assert "default" not in fields["since"]


def test_what_may_be_null_says_so_as_openapi_3_0_does(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    hit, error = schemas["LookalikeHit"], schemas["LookalikeErrorDetail"]
    assert hit["properties"]["captured_at"] == {"type": "string", "format": "date-time", "nullable": True}
    assert hit["required"] == [field.name for field in dataclasses.fields(Hit)]
    assert error["required"] == ["type", "message"]
    assert error["properties"]["index"]["type"] == "integer"


def test_a_hit_has_the_fields_of_the_index() -> None:
    assert [field.name for field in dataclasses.fields(HitResponse)] == [
        field.name for field in dataclasses.fields(Hit)
    ]


def test_responses_have_the_fields_of_their_classes(recordings: httpx.Client, stored: Stored) -> None:
    frame = stored["gate.mp4"][0]
    responses = {
        LibraryResponse: recordings.get("/library"),
        MediaResponse: recordings.get(f"/recordings/{frame.source_id}"),
        FrameResponse: recordings.get(f"/frames/{frame.id}/about"),
        HitsResponse: recordings.post("/search", json={"id": frame.id}),
    }
    for of, response in responses.items():
        assert list(response.raise_for_status().json()) == [field.name for field in dataclasses.fields(of)]
    hit = responses[HitsResponse].json()["hits"][0]
    assert list(hit) == [field.name for field in dataclasses.fields(HitResponse)]
    assert [field.name for field in dataclasses.fields(FoundResponse)] == ["found"]


def request(query: str) -> Request:
    return Request({"type": "http", "query_string": query.encode(), "headers": []})


def test_a_query_string_is_read_into_its_class() -> None:
    assert read_query(OutliersQuery, request("")) == OutliersQuery((), 24)
    assert read_query(OutliersQuery, request("camera=gate&top=3&camera=yard&size=1")) == OutliersQuery(
        ("gate", "yard"), 3
    )
    assert read_query(MomentQuery, request("t=2.5&px=640")) == MomentQuery(2.5, 640)


@pytest.mark.parametrize(
    ("of", "query", "reason"),
    [
        (OutliersQuery, "top=0", "invalid top: got '0', expected a whole number from 1 to 200"),
        (OutliersQuery, "top=1.5", "invalid top: got '1.5', expected a whole number from 1 to 200"),
        (OutliersQuery, "top=", "invalid top: got '', expected a whole number from 1 to 200"),
        (ThumbQuery, "px=100", "invalid px: got '100', expected one of 160, 320, 640"),
        (MomentQuery, "t=soon", "invalid t: got 'soon', expected a number from 0 to below 1e+07"),
        (MomentQuery, "t=nan", "invalid t: got 'nan', expected a number from 0 to below 1e+07"),
        (MomentQuery, "t=-1", "invalid t: got '-1', expected a number from 0 to below 1e+07"),
    ],
)
def test_an_invalid_parameter_is_named(of: type, query: str, reason: str) -> None:
    with pytest.raises(ApiError) as error:
        read_query(of, request(query))
    assert (error.value.status, str(error.value)) == (400, reason)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_of_routes_imports_no_other_and_asks_no_engine(path: Path) -> None:
    """What two resources share is in serving.http or serving.recordings; the index is asked through FrameIndex."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imports |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not {name for name in imports if name.startswith(("serving.routes", "lookalike.index.engine"))}
    assert "engine" not in {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
