"""The server engine over sockets: a URL, a key, uploads side by side. Behind it is no Qdrant server: see the facade."""

from __future__ import annotations

import _thread
import threading

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from lookalike.errors import IndexStoreError, IndexUnavailable
from lookalike.index import Filters, SourceRecord, open_index
from lookalike.index.generations import Pointer, generation_of
from lookalike.index.open import location_of
from lookalike.index.server.collection import CollectionLocation
from lookalike.index.server.engine import ServerEngine
from lookalike.index.server.limits import CollectionLimits
from lookalike.index.server.options import ServerOptions
from lookalike.index.server.uploads import BATCH, STREAMS, Uploads
from tests.index.circle import OTHER, SPEC, at, frame
from tests.index.server.qdrant_facade import KEY, READ_ONLY, facade

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact:UserWarning"),
    pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection:UserWarning"),
]


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    with facade() as (url, seen):
        yield url, seen


def test_a_bulk_load_goes_in_large_batches_side_by_side_and_none_is_lost(server):
    url, seen = server
    count = 10 * BATCH + 7
    seen.together_s = 30
    with open_index(url, SPEC, create=True) as index:
        for start in range(0, count, 32):
            some = range(start, min(start + 32, count))
            index.add([frame("a", number) for number in some], at(*some))
        assert index.missing([frame("a", count - 1), frame("b", 0)])[0].source_id == "b"  # known, though under way
        index.mark_complete([SourceRecord("a", "all", "gate/a.mp4", count, count)])
        assert index.count() == count
        assert len(list(index.frames(Filters(since=100.0, until=199.0)))) == 100
    assert sorted(seen.upserts[:-1]) == [7] + [BATCH] * 10  # of those side by side any may arrive first
    assert seen.upserts[-1] == 1  # the ledger's, when all of them are there
    assert 2 <= seen.at_once <= STREAMS
    with open_index(url, SPEC) as index:
        assert index.source_record("a", "all") == SourceRecord("a", "all", "gate/a.mp4", count, count)
        np.testing.assert_allclose(index.vector(frame("a", 40).id), at(40)[0], atol=1e-6)


def test_a_collection_keeps_the_spec_of_its_encoder(server):
    url = f"{server[0]}/frames"
    with pytest.raises(IndexStoreError, match=f"{url}: no index there"):
        open_index(url)
    open_index(url, SPEC, create=True).close()
    with open_index(url) as index:
        assert index.spec == SPEC


def test_a_collection_of_an_earlier_version_takes_the_spec_when_it_is_opened_with_one(server, monkeypatch):
    """With a key that may only read it is searched all the same."""
    base, _ = server
    url, client = f"{base}/frames", QdrantClient(url=base, api_key=KEY, check_compatibility=False)
    ServerEngine(client, "frames", SPEC.space, SPEC.dim, create=True)
    with pytest.raises(IndexStoreError, match="stored no spec of its encoder; pass --encoder once"):
        open_index(url)
    monkeypatch.setenv("QDRANT_API_KEY", READ_ONLY)
    with open_index(url, SPEC) as index:
        assert index.count() == 0
    with pytest.raises(IndexStoreError, match="pass --encoder once"):
        open_index(url)
    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    open_index(url, SPEC).close()
    with open_index(url) as index:
        assert index.spec == SPEC


def test_the_generation_that_an_alias_names_is_asked(server):
    url = f"{server[0]}/frames"
    with open_index(url, SPEC, create=True) as index:
        index.add([frame("a", 0)], at(0))
    place, new = location_of(url), generation_of(OTHER.space)
    place.open(new, OTHER, create=True).close()
    place.point(Pointer(new, ""))
    assert place.pointer() == Pointer(new, "")
    with open_index(url, OTHER) as current, open_index(url, SPEC) as previous:
        assert (current.count(), previous.count()) == (0, 1)
    place.close()


def test_what_fails_on_its_way_is_raised_by_who_waits_for_it():
    """Of three batches the second fails; a source must not be noted as complete then."""
    sent = []

    def send(points):
        sent.append(len(points))
        if points[0].id == BATCH:
            raise OSError("the network is down")

    uploads = Uploads(send, 2)
    with pytest.raises(OSError, match="the network is down"):  # noqa: PT012 - by which of the two does not matter
        uploads.add([models.PointStruct(id=number, vector={}) for number in range(3 * BATCH)])
        uploads.wait()
    uploads.close()
    assert sorted(sent) == [BATCH] * 3


def test_no_more_than_a_few_batches_are_held():
    """With nothing answered, two streams hold four batches, and the fifth waits."""
    go, added = threading.Event(), threading.Event()
    uploads = Uploads(lambda points: go.wait(30), 2)
    points = [models.PointStruct(id=number, vector={}) for number in range(5 * BATCH)]
    uploads.add(points[: 4 * BATCH])
    adding = threading.Thread(target=lambda: (uploads.add(points[4 * BATCH :]), added.set()))
    adding.start()
    assert not added.wait(0.2)
    go.set()
    assert added.wait(30)
    adding.join()
    uploads.wait()
    uploads.close()


class Recording(QdrantClient):
    """Local mode, which ignores how a collection is made; and what it was told of that."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.created: list[dict] = []
        self.changed: list[dict] = []

    def create_collection(self, collection_name, **options):  # pyright: ignore[reportIncompatibleMethodOverride]
        self.created.append({"name": collection_name} | options)
        return super().create_collection(collection_name, **options)

    def cluster_status(self):
        return models.ClusterStatusOneOf(status="disabled")

    def update_collection(self, collection_name, **options):  # pyright: ignore[reportIncompatibleMethodOverride]
        self.changed.append(options)
        return True

    def get_collection(self, collection_name, **options):
        found = super().get_collection(collection_name, **options)
        found.config.optimizer_config.indexing_threshold = 10_000 if self.changed else 0
        return found


def test_a_collection_is_made_for_a_bulk_load_and_indexed_after_it():
    client = Recording()
    engine = ServerEngine(client, "frames", SPEC.space, SPEC.dim, True, ServerOptions(shards=3, replication=2))
    made = client.created[0]
    assert (made["shard_number"], made["replication_factor"]) == (3, 2)
    assert made["vectors_config"][SPEC.space].on_disk
    assert made["quantization_config"].scalar.type == models.ScalarType.INT8
    assert made["quantization_config"].scalar.always_ram
    assert made["optimizers_config"].indexing_threshold == 0
    assert client.changed == []
    engine.optimize()
    engine.optimize()
    assert [one["optimizers_config"].indexing_threshold for one in client.changed] == [10_000]
    again = models.QuantizationSearchParams(rescore=True, oversampling=4.0)
    assert CollectionLimits().search_params().quantization == again


def test_a_bulk_load_that_was_killed_is_indexed_by_the_next_that_ends():
    client = Recording()
    ServerEngine(client, "frames", SPEC.space, SPEC.dim, create=True)  # killed: neither optimized nor closed
    ServerEngine(client, "frames", SPEC.space, SPEC.dim, create=False).close()  # a search
    assert client.changed == []
    ServerEngine(client, "frames", SPEC.space, SPEC.dim, create=True).close()
    assert [one["optimizers_config"].indexing_threshold for one in client.changed] == [10_000]


def test_a_later_generation_is_made_as_the_current_one(monkeypatch):
    client = Recording()
    place = CollectionLocation(client, "http://qdrant", "frames", ServerOptions(3, 2))
    place.open("", SPEC, create=True)
    read = client.get_collection

    def with_shards(name, **options):  # local mode does not keep them
        found = read(name, **options)
        found.config.params.shard_number, found.config.params.replication_factor = 3, 2
        return found

    monkeypatch.setattr(client, "get_collection", with_shards)
    CollectionLocation(client, "http://qdrant", "frames").open("abc", OTHER, create=True)
    made = next(one for one in client.created if one["name"] == "frames-abc")
    assert (made["shard_number"], made["replication_factor"]) == (3, 2)


def test_shards_of_a_folder_are_refused(tmp_path):
    with pytest.raises(IndexStoreError, match="--shards and --replication are for a new collection of a Qdrant server"):
        open_index(tmp_path / "index", SPEC, create=True, options=ServerOptions(shards=2))
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize(("shards", "replication"), [(0, 1), (1, 0)])
def test_less_than_one_is_no_number_of_shards(shards, replication):
    with pytest.raises(ValueError, match=r"is 0, expected at least 1"):
        ServerOptions(shards, replication).check()


def test_a_port_of_grpc_that_is_none_is_named(monkeypatch):
    monkeypatch.setenv("QDRANT_GRPC_PORT", "70000")
    with pytest.raises(IndexStoreError, match="QDRANT_GRPC_PORT is '70000', expected a port such as 6334"):
        open_index("http://127.0.0.1:1/frames", SPEC)


def test_a_server_that_does_not_answer_grpc_is_an_error_in_one_line(server, monkeypatch):
    """The rest of the questions go over REST as ever; nobody listens at that port."""
    with open_index(f"{server[0]}/frames", SPEC, create=True):
        pass
    monkeypatch.setenv("QDRANT_GRPC_PORT", "1")
    with pytest.raises(IndexUnavailable, match="the Qdrant server cannot answer now") as caught:
        open_index(f"{server[0]}/frames", SPEC)
    assert "\n" not in str(caught.value)


@pytest.mark.trust
def test_ctrl_c_while_a_batch_is_waited_for_does_not_hide_that_it_fails():
    """Its source was marked complete without its frames."""
    go, begun = threading.Event(), threading.Event()

    def send(points):
        if not begun.is_set():
            begun.set()
            _thread.interrupt_main()
        assert go.wait(30)
        raise OSError("the server is gone")

    uploads = Uploads(send, 1)
    uploads.add([models.PointStruct(id=1, vector={}, payload=None)])
    with pytest.raises(KeyboardInterrupt):
        uploads.wait()
    go.set()
    with pytest.raises(OSError, match="the server is gone"):
        uploads.wait()
    uploads.close()
