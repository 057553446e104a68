"""The part of Qdrant's REST surface that the engine uses, over the client's local mode: for its sockets, headers and
requests side by side. It is no Qdrant server, and what holds here is not tested against one."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from qdrant_client import QdrantClient, models

KEY = "secret"


@dataclass
class Seen:
    """paths: of all requests. at_once: the most upserts that were being answered at the same time.

    together_s: for how long the first upserts wait for another to arrive, so that side by side is seen as such.
    read_only: collections are not changed, as for a key that may only read.
    """

    paths: list[str] = field(default_factory=list)
    upserts: list[int] = field(default_factory=list)
    at_once: int = 0
    now: int = 0
    together_s: float = 0.0
    read_only: bool = False


class Facade:
    def __init__(self) -> None:
        self.client, self.seen = QdrantClient(":memory:"), Seen()
        self.lock, self.counted = threading.Lock(), threading.Condition()

    def answer(self, method: str, path: str, body: dict[str, Any]) -> Any:
        self.seen.paths.append(path)
        if path == "/aliases":
            return self.client.get_aliases()
        if path == "/collections":
            return self.client.get_collections()
        if path == "/collections/aliases":
            return self.client.update_collection_aliases(models.ChangeAliasesOperation(**body).actions)
        found = re.fullmatch(r"/collections/([^/]+)(.*)", path)
        assert found, path
        return getattr(self, NAMES[method, found[2]])(found[1], body)

    def exists(self, name: str, body: dict) -> Any:
        return {"exists": self.client.collection_exists(name)}

    def read(self, name: str, body: dict) -> Any:
        return self.client.get_collection(name)

    def create(self, name: str, body: dict) -> Any:
        asked = models.CreateCollection(**body)
        return self.client.create_collection(name, vectors_config=asked.vectors)

    def change(self, name: str, body: dict) -> Any:
        return self.client.update_collection(name, metadata=body.get("metadata"))

    def remove(self, name: str, body: dict) -> Any:
        return self.client.delete_collection(name)

    def index(self, name: str, body: dict) -> Any:
        return models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)

    def upsert(self, name: str, body: dict) -> Any:
        points = models.PointsList(**body).points
        self.seen.upserts.append(len(points))
        return self.client.upsert(name, points)

    def retrieve(self, name: str, body: dict) -> Any:
        asked = models.PointRequest(**body)
        return self.client.retrieve(name, asked.ids, bool(asked.with_payload), asked.with_vector or False)

    def query(self, name: str, body: dict) -> Any:
        asked = models.QueryRequest(**body)
        limit, score = asked.limit or 10, asked.score_threshold
        return self.client.query_points(
            name, asked.query, using=asked.using, limit=limit, query_filter=asked.filter, score_threshold=score
        )

    def scroll(self, name: str, body: dict) -> Any:
        asked, limit, offset = models.ScrollRequest(**body), body.get("limit", 10), body.get("offset")
        records, after = self.client.scroll(
            name, asked.filter, limit=limit, offset=offset, with_vectors=asked.with_vector or False
        )
        return {"points": [_plain(one) for one in records], "next_page_offset": after}

    def delete(self, name: str, body: dict) -> Any:
        selector = models.PointIdsList(**body) if "points" in body else models.FilterSelector(**body)
        return self.client.delete(name, selector)

    def set_payload(self, name: str, body: dict) -> Any:
        return self.client.set_payload(name, body["payload"], models.Filter(**body["filter"]))

    def count(self, name: str, body: dict) -> Any:
        return self.client.count(name, models.CountRequest(**body).filter)


NAMES = {
    ("GET", "/exists"): "exists",
    ("GET", ""): "read",
    ("PUT", ""): "create",
    ("PATCH", ""): "change",
    ("DELETE", ""): "remove",
    ("PUT", "/index"): "index",
    ("PUT", "/points"): "upsert",
    ("POST", "/points"): "retrieve",
    ("POST", "/points/query"): "query",
    ("POST", "/points/scroll"): "scroll",
    ("POST", "/points/delete"): "delete",
    ("POST", "/points/payload"): "set_payload",
    ("POST", "/points/count"): "count",
}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return [_plain(one) for one in value] if isinstance(value, list) else value


@contextmanager
def facade() -> Iterator[tuple[str, Seen]]:
    """Yields: its URL, and what it has seen. Requests need the API key KEY."""
    behind = Facade()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path, upsert = self.path.split("?")[0], self.command == "PUT" and "/points" in self.path
            if self.headers.get("api-key") != KEY:
                return self.send(401, {"status": {"error": "no API key"}})
            if self.command == "PATCH" and behind.seen.read_only:
                return self.send(403, {"status": {"error": "this key may only read"}})
            with behind.counted:
                behind.seen.now += upsert
                behind.seen.at_once = max(behind.seen.at_once, behind.seen.now)
                behind.counted.notify_all()
                if upsert:
                    behind.counted.wait_for(lambda: behind.seen.at_once > 1, timeout=behind.seen.together_s)
            with behind.lock:  # local mode is unsafe from several threads
                result = _plain(behind.answer(self.command, path, json.loads(data or b"{}")))
            with behind.counted:
                behind.seen.now -= upsert
            return self.send(200, {"result": result, "status": "ok", "time": 0})

        def send(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = respond  # noqa: N815 - the names that http.server calls

        def log_message(self, *arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", behind.seen
    finally:
        server.shutdown()
        server.server_close()
