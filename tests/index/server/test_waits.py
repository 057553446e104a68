"""A Qdrant server that hangs, or goes away and comes back: how long is waited for it."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from contextlib import closing, suppress

import httpx
import pytest
from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import UnexpectedResponse

from lookalike.errors import IndexStoreError, IndexUnavailable
from lookalike.index import Filters, SourceRecord, open_index
from lookalike.index.patience import Patience
from lookalike.index.server.client import SERVER, Waits, _reason, connect
from lookalike.index.server.engine import ServerEngine
from lookalike.index.server.errors import answered
from tests.index.circle import SPEC, at, frame
from tests.index.server.faulty import MARKS, QUERY, refusal

pytestmark = MARKS


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


class Trickling(http.server.BaseHTTPRequestHandler):
    """A byte now and then, for as long as somebody reads: each comes within its timeout."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):
            while True:
                self.wfile.write(b" ")
                time.sleep(0.02)

    def log_message(self, *arguments: object) -> None:
        pass


def test_a_response_that_trickles_ends(monkeypatch):
    """A search waited for it as long as it pleased its server."""
    monkeypatch.setenv("QDRANT_ANSWER_S", "0.2")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Trickling)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    slow = pytest.raises(IndexUnavailable, match=r"does not answer: ReadTimeout .*: the response is too slow")
    with closing(connect([f"http://127.0.0.1:{server.server_port}"])) as client, slow, answered():
        client.collection_exists("frames")
    server.shutdown()
    server.server_close()


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
    monkeypatch.setattr("lookalike.index.patience.FIRST_PAUSE_S", 0.001)
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
    patience = Patience(SERVER, _reason, for_s, said.append, clock)
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
        Patience(SERVER, _reason, 60, pytest.fail).call(refused)


def test_who_closes_an_index_does_not_wait_for_its_server(server):
    url, seen = server
    index = open_index(url, SPEC, create=True, on_wait=lambda line: None)
    index.add([frame("a", 0)], at(0))
    seen.refusals = 10**9
    with pytest.raises(IndexUnavailable):
        index.close()
    assert seen.refusals > 10**9 - 10


def test_a_server_that_answers_no_grpc_in_time(server, monkeypatch):
    """It takes the connection, and says nothing. A change would wait for days here, a question does not."""
    url, _ = server
    open_index(url, SPEC, create=True).close()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("QDRANT_GRPC_PORT", str(silent.getsockname()[1]))
        monkeypatch.setenv("QDRANT_ANSWER_S", "0.2")
        monkeypatch.setattr("lookalike.index.server.client.CHANGE_S", 1e6)
        says = refusal(url, kind=IndexUnavailable)
    assert says.startswith("the Qdrant server cannot answer now (50")
