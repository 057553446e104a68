"""What is said of a key that is refused, of somebody else's collection, and by the client."""

from __future__ import annotations

import warnings

import pytest
from qdrant_client import models

from lookalike.errors import IndexStoreError
from lookalike.index import Filters, open_index
from lookalike.index.server.client import connect
from lookalike.index.server.schema import ledger_of
from tests.index.circle import SPEC, at, frame
from tests.index.server.faulty import MARKS, QUERY, name_of, refusal
from tests.index.server.qdrant_facade import READ_ONLY

pytestmark = MARKS


def test_a_key_that_is_refused_is_named_by_its_variable(server, monkeypatch):
    monkeypatch.setenv("QDRANT_API_KEY", "wrong")
    assert refusal(server[0]) == (
        "the Qdrant server refuses the API key: set QDRANT_API_KEY to a key of it (Invalid API key or JWT)"
    )
    monkeypatch.delenv("QDRANT_API_KEY")
    assert refusal(server[0]) == (
        "the Qdrant server asks for an API key: set QDRANT_API_KEY"
        " (Must provide an API key or an Authorization bearer token)"
    )


def test_a_key_that_may_only_read_searches_and_is_named_when_it_changes(server, monkeypatch):
    url, _ = server
    with open_index(url, SPEC, create=True) as index:
        index.add([frame("a", 0)], at(0))
    monkeypatch.setenv("QDRANT_API_KEY", READ_ONLY)
    with open_index(url, SPEC) as index:
        assert [hit.source for hit in index.search(QUERY)] == ["gate/a.mp4"]
        with pytest.raises(IndexStoreError) as caught:
            index.forget(Filters(cameras=("gate",)))
    assert str(caught.value) == (
        "the Qdrant server forbids this to the API key in QDRANT_API_KEY: Forbidden: Global manage access is required."
        " A key that may only read is enough to search; to change an index, set one that may write"
    )


@pytest.mark.parametrize("vectors", [{}, models.VectorParams(size=2, distance=models.Distance.COSINE)])
@pytest.mark.parametrize("create", [True, False])
def test_a_collection_of_somebody_else_is_refused_by_name_and_left_as_it_is(anywhere, vectors, create):
    url, client = anywhere
    name = name_of(url)
    client.create_collection(name, vectors_config=vectors)
    before = client.get_collection(name)
    assert refusal(url, create) == (
        f"{url}: the collection '{name}' was not made by Lookalike; give another name, as"
        f" {url.removesuffix(name)}frames"
    )
    assert client.get_collection(name) == before
    assert not client.collection_exists(ledger_of(name))


def test_no_warning_of_the_client_is_printed_and_an_unencrypted_key_is(monkeypatch, caplog):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        connect(["http://127.0.0.1:6333"])
        assert caplog.text == ""
        connect(["http://qdrant.example:6333", "https://qdrant.example:6333"])
    assert [record.getMessage() for record in caplog.records] == [
        "QDRANT_API_KEY is sent unencrypted to http://qdrant.example:6333; give an https:// URL"
    ]


def test_no_score_is_above_one(behind, server, monkeypatch):
    """As Qdrant answers now and then: a product of two float32 vectors of length 1, rounded."""
    url, _ = server
    query = behind.query

    def rounded(name, body):
        found = query(name, body)
        for point in found.points:
            point.score *= 1.0000002
        return found

    monkeypatch.setattr(behind, "query", rounded)
    with open_index(url, SPEC, create=True) as index:
        index.add([frame("a", 0), frame("b", 0)], at(0, 60))
        assert [hit.score for hit in index.search(QUERY)] == [1.0, pytest.approx(0.5, abs=1e-6)]
