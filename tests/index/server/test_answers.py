"""What is said of answers that are not those of a Qdrant server, or not of one that can answer now."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from lookalike.errors import IndexUnavailable
from lookalike.index.generations import FIRST
from lookalike.index.open import location_of
from lookalike.index.server.client import ServerClient
from tests.index.circle import SPEC
from tests.index.server.faulty import MARKS, RECORD, refusal

pytestmark = MARKS


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
