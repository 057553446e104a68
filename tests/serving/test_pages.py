"""The pages, the OpenAPI document and the probes of the running service."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from lookalike.search_fields import MOST_HITS
from tests.tiny import SPEC


def test_openapi_lists_our_routes_next_to_those_of_bentoml(service: httpx.Client) -> None:
    document = service.get("/docs.json").json()
    ours = {"/embed", "/v1/embeddings", "/search", "/index/{operation}", "/library", "/frames/{frame_id}"}
    assert ours | {"/livez", "/readyz", "/metrics"} <= set(document["paths"])
    assert document["openapi"].startswith("3.0.")  # serving.openapi.schemas writes this version
    embed, search = (document["paths"][path]["post"] for path in ("/embed", "/search"))
    assert set(embed["responses"]) == {"200", "400", "401", "403", "413", "415", "503", "504"}
    assert set(search["responses"]) == {"200", "400", "401", "403", "404", "409", "410", "413", "415", "503", "504"}
    assert next(field for field in search["parameters"] if field["name"] == "top")["schema"]["maximum"] == MOST_HITS


def test_every_reference_in_the_document_leads_somewhere(service: httpx.Client) -> None:
    answer = service.get("/docs.json")
    names = set(re.findall(r'"#/components/schemas/(\w+)"', answer.text))
    assert (
        {"LookalikeEmbeddings", "LookalikeHits", "LookalikeError"}
        <= names
        <= set(answer.json()["components"]["schemas"])
    )


@pytest.mark.parametrize(("path", "words"), [("/ui", "Where else does this appear?"), ("/", 'src="ui/api.js"')])
def test_pages_need_nothing_from_elsewhere(service: httpx.Client, path: str, words: str) -> None:
    page = service.get(path)
    assert page.headers["content-type"].startswith("text/html")
    assert words in page.text
    assert "://" not in page.text
    assert not re.search(r"<style|<script>|style=|onclick", page.text)  # the policy allows none of these
    for own in re.findall(r'(?:src|href)="(\w[^":]*)"', page.text):
        assert service.get(f"/{own}").status_code == 200


@pytest.mark.parametrize("method", ["TRACE", "POST", "DELETE"])
def test_readyz_takes_no_other_method(service: httpx.Client, method: str) -> None:
    assert service.request(method, "/readyz").status_code == 405


def test_readyz_and_metrics_say_what_runs(service: httpx.Client) -> None:
    assert service.get("/readyz").json() == {
        "space": SPEC.space,
        "dim": SPEC.dim,
        "encoder": json.loads(SPEC.to_json()),
        "precision": "fp32",
        "provider": "CPUExecutionProvider",
        "index": True,
        "writable": False,
    }
    labels = f'precision="fp32",provider="CPUExecutionProvider",space="{SPEC.space}"'
    assert re.search(rf"lookalike_encoder\{{[^}}]*{re.escape(labels)}[^}}]*\}} 1\.0", service.get("/metrics").text)


def test_probes(service: httpx.Client) -> None:
    assert [service.get(path).status_code for path in ("/livez", "/readyz", "/metrics")] == [200, 200, 200]


def test_what_the_page_is_made_of_is_asked_for_anew(service: httpx.Client) -> None:
    for path in ("/ui", "/ui/index.html"):
        page = service.get(path)
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["cache-control"] == "no-cache"
        assert "media-src 'self' blob:" in page.headers["content-security-policy"]
        again = service.get(path, headers={"If-None-Match": page.headers["etag"]})
        assert again.status_code in (200, 304)
    for path in ("/ui/none.js", "/ui/../service.py", "/ui/%2e%2e/service.py"):
        assert service.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/frames/a%0Ab", "/frames/a%0Ab/thumb", "/pictures/%0A", "/index/%0A", "/%0A"])
def test_a_path_with_a_line_break_is_404_as_json(service: httpx.Client, path: str) -> None:
    answer = service.get(path)
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found")
