"""A Qdrant server that is shared, lost, strict, slow or somebody else's: what an index does about it.

Behind is the facade, or, for those tests that any server can take, the one that LOOKALIKE_TEST_QDRANT names.
"""

from __future__ import annotations

import http.server
import socket
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime

import httpx
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from lookalike.errors import IndexStoreError, IndexUnavailable
from lookalike.index import Filters, SourceRecord, open_index
from lookalike.index.clock import TimeOfDay
from lookalike.index.generations import FIRST
from lookalike.index.open import location_of
from lookalike.index.server import ServerEngine, _filter
from lookalike.index.server_client import Patience, ServerClient, Waits, connect
from lookalike.index.server_schema import INDEXED_FIELDS, ledger_of
from lookalike.search_fields import SearchOptions
from lookalike.server_options import ServerOptions
from tests.index.circle import SPEC, at, frame
from tests.index.qdrant_facade import KEY, READ_ONLY, Collection, Facade, nodes_of
from tests.index.qdrant_strict import keys
from tests.index.real_qdrant import KEY as REAL_KEY
from tests.index.real_qdrant import admin, own_collection, real_qdrant, why_none

pytestmark = [
    pytest.mark.trust,
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact:UserWarning"),
    pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection:UserWarning"),  # of the owner
]
QUERY = at(0)[0]
RECORD = SourceRecord("a", "all", "gate/a.mp4", 1, 1)
STRICT = models.StrictModeConfig(
    enabled=True,
    max_query_limit=7,
    unindexed_filtering_retrieve=False,
    unindexed_filtering_update=False,
    search_allow_exact=False,
    search_max_oversampling=2.0,
    upsert_max_batchsize=5,
)


@pytest.fixture(autouse=True)
def _key(request, monkeypatch):
    if "qdrant" not in request.node.name:  # a real server has a key of its own
        monkeypatch.setenv("QDRANT_API_KEY", KEY)


@pytest.fixture
def behind():
    return Facade()


@pytest.fixture
def server(behind):
    with nodes_of(behind) as (urls, seen):
        yield f"{urls[0]}/frames", seen


@pytest.fixture(params=["facade"] + ([] if why_none() else ["qdrant"]))
def anywhere(request, behind):
    """The URL of a collection that is not there, on the facade and on a real server; and a client of its owner."""
    with ExitStack() as stack:
        if request.param == "qdrant":
            base, key = stack.enter_context(real_qdrant()), REAL_KEY
        else:
            (base,), _ = stack.enter_context(nodes_of(behind))
            key = KEY
        client = stack.enter_context(closing(admin(base, key)))
        yield stack.enter_context(own_collection(base, key)), client


def name_of(url: str) -> str:
    return url.rsplit("/", 1)[1]


@pytest.fixture
def cluster():
    """Three nodes."""
    behind = Facade(3)
    with nodes_of(behind) as (urls, _):
        yield ",".join(urls) + "/frames", behind


def refusal(url: str, create: bool = False, kind: type[IndexStoreError] = IndexStoreError) -> str:
    with pytest.raises(kind) as caught:
        open_index(url, SPEC, create)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# A lost node


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


# Opening


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


# Strict mode


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


# A server that hangs, or goes away


def test_a_search_of_a_server_that_hangs_ends(server, monkeypatch):
    """After the time that is set, and not after the 30 s of a change; what is measured here is only that it ends."""
    url, seen = server
    open_index(url, SPEC, create=True).close()
    monkeypatch.setenv("QDRANT_ANSWER_S", "0.2")
    with open_index(url, SPEC) as index:
        seen.hanging = True
        with pytest.raises(IndexUnavailable, match=r"does not answer: ReadTimeout \(http://127\.0\.0\.1:"):
            index.search(QUERY)
        seen.hanging = False
        assert index.search(QUERY) == []


def test_the_waits_are_those_of_the_environment():
    assert Waits.from_env({}) == Waits(connect_s=2, answer_s=5, retry_s=300)
    set_ = {"QDRANT_CONNECT_S": "1", "QDRANT_ANSWER_S": "40", "QDRANT_RETRY_S": "0"}
    assert Waits.from_env(set_) == Waits(1, 40, 0)
    assert (Waits().change_s, Waits(answer_s=40).change_s) == (30, 40)
    for wrong in ("0", "-1", "nan", "inf", "soon"):
        with pytest.raises(IndexStoreError, match=rf"QDRANT_ANSWER_S is '{wrong}', expected a number of seconds"):
            Waits.from_env({"QDRANT_ANSWER_S": wrong})


def test_each_request_has_the_wait_of_its_kind(server):
    url, _ = server
    client = connect([url.rsplit("/", 1)[0]])
    waits: dict[str, dict] = {}

    def note(request: httpx.Request, send):
        waits[f"{request.method} {request.url.path.removeprefix('/collections/frames')}"] = request.extensions[
            "timeout"
        ]
        return send(request)

    (node,) = client._nodes  # pyright: ignore[reportAttributeAccessIssue]
    first = node.http.client.middleware  # what bounds the waits comes before what notes them
    node.http.client.middleware = lambda request, send: first(request, lambda bounded: note(bounded, send))
    with open_client(client) as engine:
        engine.nearest(QUERY, 1, Filters())
        engine.delete(Filters())
    question = {"connect": 2.0, "read": 5.0, "write": 5.0, "pool": 5.0}
    assert waits["POST /points/query"] == waits["GET /exists"] == question
    assert waits["POST /points/delete"] == waits["PUT "] == {"connect": 2.0, "read": 30.0, "write": 30.0, "pool": 30.0}


def open_client(client: QdrantClient):
    return closing(ServerEngine(client, "frames", SPEC.space, SPEC.dim, create=True))


def test_an_ingest_waits_for_its_server_says_so_and_goes_on(server, monkeypatch):
    url, seen = server
    monkeypatch.setattr("lookalike.index.server_client.FIRST_PAUSE_S", 0.001)
    said: list[str] = []
    with open_index(url, SPEC, create=True, on_wait=said.append) as index:
        seen.refusals = 3
        index.add([frame("a", second) for second in range(300)], at(*range(300)))
        index.mark_complete([SourceRecord("a", "all", "gate/a.mp4", 300, 300)])
        assert (index.count(), seen.refusals) == (300, 0)
    assert said[0] == (
        "the Qdrant server does not answer (Shard temporarily unavailable: being shut down);"
        " nothing is lost, retrying for 300 s"
    )
    assert said[1].startswith("the Qdrant server answers again after ")
    with open_index(url, SPEC) as index:
        assert index.count() == 300


class Clock:
    def __init__(self) -> None:
        self.now_s, self.pauses = 0.0, list[float]()

    def __call__(self) -> float:
        return self.now_s

    def wait(self, pause_s: float) -> None:
        self.pauses.append(pause_s)
        self.now_s += pause_s


def patient(for_s: float, clock: Clock, said: list[str]) -> Patience:
    patience = Patience(for_s, said.append, clock)
    patience._over.wait = clock.wait  # pyright: ignore[reportAttributeAccessIssue]
    patience.call(lambda: None)  # the server has answered once
    return patience


def refused() -> None:
    raise UnexpectedResponse(503, "Service Unavailable", b"", httpx.Headers())


def test_pauses_grow_and_the_time_is_bounded():
    """0.5 + 1 + 2 + 4 + 8 + 15 + 15 + 15 = 60.5 s is past the minute."""
    clock, said = Clock(), list[str]()
    with pytest.raises(UnexpectedResponse):
        patient(60, clock, said).call(refused)
    assert clock.pauses == [0.5, 1, 2, 4, 8, 15, 15, 15]
    assert len(said) == 1


def test_what_will_not_succeed_later_is_not_waited_for():
    clock = Clock()

    def forbidden() -> None:
        raise UnexpectedResponse(403, "Forbidden", b"", httpx.Headers())

    with pytest.raises(UnexpectedResponse):
        patient(60, clock, []).call(forbidden)
    assert clock.pauses == []


def test_an_address_where_nobody_ever_answered_is_not_waited_for():
    with pytest.raises(UnexpectedResponse):
        Patience(60, pytest.fail).call(refused)


def test_who_closes_an_index_does_not_wait_for_its_server(server):
    url, seen = server
    index = open_index(url, SPEC, create=True, on_wait=lambda line: None)
    index.add([frame("a", 0)], at(0))
    seen.refusals = 10**9
    with pytest.raises(IndexUnavailable):
        index.close()
    assert seen.refusals > 10**9 - 10


# Several URLs


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


# Words


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


def test_a_key_with_a_line_break_is_named_and_not_shown(monkeypatch):
    """As a file of a secret may end."""
    monkeypatch.setenv("QDRANT_API_KEY", "secret\n")
    said = refusal("http://127.0.0.1:1/frames")
    assert "QDRANT_API_KEY has a line break" in said
    assert "secret" not in said


@contextmanager
def answering(status: int, body: bytes, headers: dict[str, str]) -> Iterator[str]:
    """A server that gives the same answer to everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def respond(self) -> None:
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = respond  # noqa: N815 - the names that http.server calls

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/frames"
        server.shutdown()


@pytest.mark.parametrize("retry_after", ["2", "0.5", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_server_with_too_much_to_do_is_one_that_cannot_answer_now(retry_after):
    """Source: RFC 9110, Retry-After is a number or a date. The client reads a whole number only."""
    with answering(429, b"{}", {"Retry-After": retry_after}) as url:
        assert refusal(url, kind=IndexUnavailable).startswith("the Qdrant server cannot answer now (429): ")


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 50_000, b'{"result": null}', b""])
def test_an_address_of_something_else_is_named(body):
    with answering(200, body, {}) as url:
        assert refusal(url).startswith("the address is not that of a Qdrant server: ")


def test_a_removal_that_was_interrupted_leaves_no_ledger_without_frames(server, monkeypatch):
    """It would say that all sources are complete, and the next reindex would embed none."""
    url, _ = server
    location = location_of(url)
    location.open(FIRST, SPEC, create=True).close()
    engine = location.open("0a", SPEC, create=True)
    engine.mark_complete([RECORD])
    engine.close()
    removed = []

    def remove_one(self, name):
        if removed:
            raise KeyboardInterrupt
        removed.append(name)
        return self._in_turn("delete_collection", name)

    monkeypatch.setattr(ServerClient, "delete_collection", remove_one, raising=False)
    with pytest.raises(KeyboardInterrupt):
        location.remove("0a")
    with closing(location.open("0a", SPEC, create=True)) as engine:
        assert engine.source_record(RECORD.source_id, RECORD.sampler) is None
    location.close()


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


# gRPC


def test_a_server_that_answers_no_grpc_in_time(server, monkeypatch):
    """It takes the connection, and says nothing. A change would wait for days here, a question does not."""
    url, _ = server
    open_index(url, SPEC, create=True).close()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("QDRANT_GRPC_PORT", str(silent.getsockname()[1]))
        monkeypatch.setenv("QDRANT_ANSWER_S", "0.2")
        monkeypatch.setattr("lookalike.index.server_client.CHANGE_S", 1e6)
        says = refusal(url, kind=IndexUnavailable)
    assert says.startswith("the Qdrant server cannot answer now (50")
