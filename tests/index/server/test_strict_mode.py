"""A Qdrant server in strict mode: what it forbids is not asked for, and a limit that is in the way is named."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from qdrant_client import models

from lookalike.errors import IndexStoreError
from lookalike.index import Filters, SourceRecord, open_index
from lookalike.index.clock import TimeOfDay
from lookalike.index.server.engine import _filter
from lookalike.index.server.schema import INDEXED_FIELDS, ledger_of
from lookalike.search_fields import SearchOptions
from tests.index.circle import SPEC, at, frame
from tests.index.server.faulty import MARKS, QUERY, name_of
from tests.index.server.qdrant_strict import keys

pytestmark = MARKS
STRICT = models.StrictModeConfig(
    enabled=True,
    max_query_limit=7,
    unindexed_filtering_retrieve=False,
    unindexed_filtering_update=False,
    search_allow_exact=False,
    search_max_oversampling=2.0,
    upsert_max_batchsize=5,
)


def test_every_question_is_answered_within_the_limits_of_strict_mode(anywhere):
    """More frames than a page of seven, and than a request of five takes."""
    url, client = anywhere
    open_index(url, SPEC, create=True).close()
    for collection in (name_of(url), ledger_of(name_of(url))):
        client.update_collection(collection, strict_mode_config=STRICT)
    with open_index(url, SPEC, create=True) as index:
        index.add([frame("a", second * 10) for second in range(20)], at(*range(20)))
        index.add([frame("b", 0, "dock")], at(30))
        records = [SourceRecord(str(number), "all", "gate/a.mp4", 1, 1) for number in range(12)]
        index.mark_complete(records)
        assert index.count() == 21
        assert [hit.time_s for hit in index.search(QUERY, options=SearchOptions(20))] == [10 * n for n in range(20)]
        assert len(list(index.frames(Filters(whole=True, cameras=("gate",), since=0.0)))) == 20
        assert [len(frames) for frames, _ in index.vectors(Filters(whole=True))] == [7, 7, 7]
        assert sorted(one.source_id for one in index.source_records()) == sorted(one.source_id for one in records)
        index.rename(records[0], "gate/c.mp4", "gate")
        assert index.forget(Filters(cameras=("dock",))) == 1


def test_a_managed_cluster_makes_every_new_collection_strict(server):
    url, seen = server
    seen.strict = STRICT
    with open_index(url, SPEC, create=True) as index:
        index.add([frame("a", second) for second in range(20)], at(*range(20)))
        index.mark_complete([SourceRecord(str(number), "all", "gate/a.mp4", 1, 1) for number in range(12)])
        assert (index.count(), len(list(index.source_records()))) == (20, 12)
    assert max(seen.upserts) == 5


def test_all_that_a_filter_can_name_has_a_payload_index():

    moment = datetime(2026, 1, 5, tzinfo=UTC)
    hours = TimeOfDay.parse("22:00-06:00", "Europe/Berlin")
    every = Filters(("gate",), moment, 10.0, ("gate/a.mp4",), hours, True, ("a",))
    other = Filters(since=0.0, until=moment)
    filters = [_filter(one) for one in (every, other)]
    named = {key for one in filters if one for key in keys(one.model_dump())}
    assert named == set(INDEXED_FIELDS)


def test_the_limit_that_is_in_the_way_is_named(anywhere):
    """A collection whose `region` has no index, as an earlier version made it."""
    url, client = anywhere
    open_index(url, SPEC, create=True).close()
    client.delete_payload_index(name_of(url), "region")
    client.update_collection(name_of(url), strict_mode_config=STRICT)
    with open_index(url, SPEC) as index, pytest.raises(IndexStoreError) as caught:
        list(index.frames(Filters(whole=True)))
    says = str(caught.value)
    assert says.startswith(
        'strict mode of the Qdrant collection is in the way: Bad request: Index required but not found for "region" of'
    )
    assert says.endswith(
        "Help: Create an index for this key or use a different filter."
        " `lookalike index` into it adds the payload indexes that are missing."
    )
    open_index(url, SPEC, create=True).close()
    with open_index(url, SPEC) as index:
        assert list(index.frames(Filters(whole=True))) == []


def test_a_limit_that_came_later_is_named(behind, server):
    url, _ = server
    with open_index(url, SPEC, create=True) as index:
        behind.collections["frames"].made.strict_mode_config = STRICT
        with pytest.raises(IndexStoreError, match=r'in the way: Bad request: Limit exceeded 500 > 7 for "limit"'):
            index.search(QUERY)
