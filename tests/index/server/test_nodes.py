"""Nodes of a Qdrant cluster are lost, and asked in turn."""

from __future__ import annotations

import httpx
import pytest
from qdrant_client.http.exceptions import ResponseHandlingException

from lookalike.errors import IndexUnavailable
from lookalike.index import open_index
from lookalike.index.server.client import ServerClient
from lookalike.index.server.options import ServerOptions
from tests.index.circle import SPEC, at, frame
from tests.index.server.faulty import MARKS, RECORD, refusal
from tests.index.server.qdrant_facade import READ_ONLY, Collection

pytestmark = MARKS


def copies(one: Collection) -> list[int]:
    return [len(nodes) for _, nodes in sorted(one.copies.items())]


def test_the_ledger_has_as_many_copies_as_the_frames(cluster):
    url, behind = cluster
    open_index(url, SPEC, create=True, options=ServerOptions(shards=3, replication=2)).close()
    assert copies(behind.collections["frames"]) == copies(behind.collections["frames-ledger"]) == [2, 2, 2]


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_with_one_of_three_nodes_lost_an_ingest_goes_on(cluster, lost):
    url, behind = cluster
    with open_index(url, SPEC, create=True, options=ServerOptions(3, 2)) as index:
        index.add([frame("a", 0)], at(0))
        behind.seen.down = {lost}
        index.add([frame("a", 1), frame("b", 0)], at(0, 90))
        index.mark_complete([RECORD])
        assert (index.count(), list(index.source_records())) == (3, [RECORD])


def test_a_ledger_that_was_made_with_single_copies_is_mended_on_opening(cluster):
    """As an earlier version made it: three parts, each on one node. Then any node may be lost."""
    url, behind = cluster
    with open_index(url, SPEC, create=True, options=ServerOptions(3, 2)) as index:
        index.mark_complete([RECORD])
    ledger = behind.collections["frames-ledger"]
    ledger.copies, ledger.made.replication_factor = {0: {1}, 1: {2}, 2: {3}}, 1
    behind.seen.down = {2}
    with open_index(url, SPEC) as index, pytest.raises(IndexUnavailable, match="has no active replica"):
        list(index.source_records())
    behind.seen.down = set()
    open_index(url, SPEC, create=True).close()
    assert (copies(ledger), ledger.made.replication_factor) == ([2, 2, 2], 2)
    assert sorted(node for nodes in ledger.copies.values() for node in nodes) == [1, 1, 2, 2, 3, 3]
    behind.seen.down = {2}
    with open_index(url, SPEC) as index:
        assert list(index.source_records()) == [RECORD]


def test_no_copy_is_asked_of_a_node_that_is_lost(cluster):
    url, behind = cluster
    open_index(url, SPEC, create=True, options=ServerOptions(3, 2)).close()
    ledger = behind.collections["frames-ledger"]
    ledger.copies, ledger.made.replication_factor = {0: {1}}, 1
    behind.seen.down = {2}
    open_index(url, SPEC, create=True).close()
    assert ledger.copies == {0: {1, 3}}


def test_a_key_that_may_not_mend_fills_the_index_all_the_same(cluster, monkeypatch, caplog):
    url, behind = cluster
    open_index(url, SPEC, create=True, options=ServerOptions(3, 2)).close()
    behind.collections["frames-ledger"].copies = {0: {1}}
    monkeypatch.setattr(behind, "copy", lambda name, body: (_ for _ in ()).throw(AssertionError))
    monkeypatch.setenv("QDRANT_API_KEY", READ_ONLY)
    open_index(url, SPEC, create=True).close()
    assert "frames-ledger has fewer copies than its frames, and gets no more: the Qdrant server forbids" in caplog.text


def test_the_nodes_are_asked_in_turn(cluster):
    url, behind = cluster
    with open_index(url, SPEC, create=True, options=ServerOptions(3, 3)) as index:
        index.add([frame("a", 0)], at(0))
        for down in ({1}, {1, 2}, {2, 3}, {3}):
            behind.seen.down = down
            assert index.count() == 1
        behind.seen.down = {1, 2, 3}
        with pytest.raises(IndexUnavailable):
            index.count()
        behind.seen.down = set()


def test_the_node_that_answered_last_is_asked_first():
    asked: list[str] = []

    class Node:
        def __init__(self, name: str, lost: bool) -> None:
            self.name, self.lost = name, lost

        def count(self) -> str:
            asked.append(self.name)
            if self.lost:
                raise ResponseHandlingException(httpx.ConnectTimeout("timed out"))
            return self.name

    a, b = Node("a", True), Node("b", False)
    client = ServerClient([a, b])  # pyright: ignore[reportArgumentType]
    assert [client.count(), client.count()] == ["b", "b"]
    assert asked == ["a", "b", "b"]
    a.lost, b.lost = False, True
    assert client.count() == "a"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://a:6333/x,http://b:6333/y", "names the collections x, y; expected one"),
        ("http://a:6333,b:6333/x", "expected URLs such as http://host:6333, with commas, and one collection"),
        ("http://[::1", "expected URLs such as http://host:6333"),
        ("http://a:port/x", "expected URLs such as http://host:6333"),
        ("http://a:99999", "expected URLs such as http://host:6333"),
        ("http://:6333/x", "expected URLs such as http://host:6333"),
        ("http://a:6333/..", "expected URLs such as http://host:6333"),
    ],
)
def test_nodes_that_are_not_understood_are_refused(url, says):
    assert says in refusal(url)
