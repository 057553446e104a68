"""Collections of a Qdrant server are opened by several at once, and after a creation that was interrupted."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lookalike.errors import IndexUnavailable
from lookalike.index import open_index
from lookalike.index.server.schema import INDEXED_FIELDS
from tests.index.circle import SPEC, at, frame
from tests.index.server.faulty import MARKS, RECORD, name_of

pytestmark = MARKS


def test_of_forty_ingests_that_start_at_once_every_one_opens(anywhere):
    """Ten new collections, each opened by four at the same time."""
    url, client = anywhere

    def opened(number: int, start: threading.Barrier) -> int:
        start.wait(30)
        with open_index(f"{url}-{number}", SPEC, create=True) as index:
            index.add([frame("a", 0)], at(0))
            index.mark_complete([RECORD])
            return index.count()

    with ThreadPoolExecutor(4) as pool:
        for number in range(10):
            start = threading.Barrier(4)
            assert list(pool.map(opened, [number] * 4, [start] * 4)) == [1] * 4
            indexed = client.get_collection(f"{name_of(url)}-{number}").payload_schema
            assert indexed.keys() == INDEXED_FIELDS.keys()


@pytest.mark.parametrize("done", range(12))
def test_what_an_interrupted_creation_left_out_is_created_by_the_next(behind, server, done):
    """The frames, nine payload indexes, the ledger and the spec are twelve changes."""
    url, seen = server
    seen.interrupted_after = done
    with pytest.raises(IndexUnavailable):
        open_index(url, SPEC, create=True).close()
    seen.interrupted_after = None
    with open_index(url, SPEC, create=True) as index:
        index.add([frame("a", 0)], at(0))
        index.mark_complete([RECORD])
    assert behind.collections.keys() == {"frames", "frames-ledger"}
    assert behind.collections["frames"].indexed == set(INDEXED_FIELDS)
    with open_index(url) as index:
        assert (index.spec, index.count(), list(index.source_records())) == (SPEC, 1, [RECORD])


def test_without_a_ledger_no_source_is_complete(behind, server):
    url, _ = server
    open_index(url, SPEC, create=True).close()
    behind.remove("frames-ledger", {})
    with open_index(url, SPEC) as index:
        assert list(index.source_records()) == []
