"""The part of Qdrant's REST surface that the engine uses, over the client's local mode: its sockets, keys, statuses,
texts, strict mode, nodes and copies. What it answers to a search is the local mode's; `LOOKALIKE_TEST_QDRANT` lets the
same tests ask a real server.

Source, all of qdrant/qdrant: 401 without a key ("Must provide an API key or an Authorization bearer token") or with an
unknown one ("Invalid API key or JWT"), both as plain text (`src/common/auth`, `src/actix/auth.rs`); 403 for a change
with a key that may only read ("Forbidden: Global manage access is required", `lib/storage/src/rbac`); 409 for a
collection that is there ("Wrong input: Collection `NAME` already exists!", `lib/storage/src/content_manager`); 500 if
no node that has a part is left ("Service internal error: The replica set for shard 0 on peer 1 has no active replica",
`lib/collection/src/shards/replica_set/update.rs`); a new collection has as many parts as the cluster has nodes, and one
copy of each, unless it is said (`lib/collection/src/config.rs`). Strict mode: see `tests.index.server.qdrant_strict`.
"""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from qdrant_client import QdrantClient, models

from tests.index.server.qdrant_strict import refusal

KEY, READ_ONLY = "secret", "look"
LONGEST_HANG_S = 60


@dataclass
class Seen:
    """paths: of all requests. at_once: the most upserts that were being answered at the same time.

    together_s: for how long the first upserts wait for another to arrive, so that side by side is seen as such.
    strict: of every new collection, as a managed cluster has it. down: numbers of nodes that are lost. refusals: how
    many requests are still to be answered with 503. hanging: no request is answered while this is set.
    interrupted_after: changes of collections that are done; the ones after are refused, as if their client was killed.
    """

    paths: list[str] = field(default_factory=list)
    upserts: list[int] = field(default_factory=list)
    at_once: int = 0
    now: int = 0
    together_s: float = 0.0
    strict: models.StrictModeConfig = field(default_factory=models.StrictModeConfig)
    down: set[int] = field(default_factory=set)
    refusals: int = 0
    go: threading.Event = field(default_factory=threading.Event)
    interrupted_after: int | None = None

    @property
    def hanging(self) -> bool:
        return not self.go.is_set()

    @hanging.setter
    def hanging(self, wanted: bool) -> None:
        self.go.clear() if wanted else self.go.set()


class Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


@dataclass
class Collection:
    """What the local mode does not keep. copies: by part, the nodes that have it."""

    made: models.CreateCollection
    copies: dict[int, set[int]]
    threshold: int
    indexed: set[str] = field(default_factory=set)


class Facade:
    """Nodes are numbered from 1."""

    def __init__(self, nodes: int = 1) -> None:
        self.client, self.seen, self.nodes = QdrantClient(":memory:"), Seen(), nodes
        self.lock, self.counted = threading.Lock(), threading.Condition()
        self.collections: dict[str, Collection] = {}
        self.changes = 0
        self.seen.go.set()

    def answer(self, method: str, path: str, body: dict[str, Any]) -> Any:
        self.seen.paths.append(path)
        if path == "/aliases":
            return self.client.get_aliases()
        if path == "/collections":
            return self.client.get_collections()
        if path == "/cluster":
            return self.cluster()
        if path == "/collections/aliases":
            return self.client.update_collection_aliases(models.ChangeAliasesOperation(**body).actions)
        found = re.fullmatch(r"/collections/([^/]+)(.*)", path)
        assert found, path
        if field := re.fullmatch(r"/index/(\w+)", found[2]):
            return self.unindex(found[1], field[1])
        return self.of_collection(NAMES[method, found[2]], found[1], body)

    def of_collection(self, request: str, alias: str, body: dict[str, Any]) -> Any:
        name = next(
            (one.collection_name for one in self.client.get_aliases().aliases if one.alias_name == alias), alias
        )
        if request in ("exists", "create"):
            return getattr(self, request)(name, body)
        if name not in self.collections:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        if request in OF_POINTS:
            self.check(request, name, body)
        return getattr(self, request)(name, body)

    def check(self, request: str, name: str, body: dict[str, Any]) -> None:
        one = self.collections[name]
        why = refusal(one.made.strict_mode_config or models.StrictModeConfig(), one.indexed, request, body)
        if why:
            raise Refused(400, why)
        for part, nodes in one.copies.items():
            if not nodes - self.seen.down:
                why = f"The replica set for shard {part} on peer 1 has no active replica"
                raise Refused(500, f"Service internal error: {why}")

    def exists(self, name: str, body: dict) -> Any:
        return {"exists": name in self.collections}

    def read(self, name: str, body: dict) -> Any:
        one, info = self.collections[name], self.client.get_collection(name)
        info.config.params.shard_number = len(one.copies)
        info.config.params.replication_factor = one.made.replication_factor
        info.config.optimizer_config.indexing_threshold = one.threshold
        read = _plain(info)
        read["config"]["strict_mode_config"] = _plain(one.made.strict_mode_config)
        read["payload_schema"] = {key: {"data_type": "keyword", "points": 0} for key in one.indexed}
        return read

    def create(self, name: str, body: dict) -> Any:
        if name in self.collections:
            raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
        made = models.CreateCollection(**body)
        made.strict_mode_config = made.strict_mode_config or self.seen.strict
        made.replication_factor = made.replication_factor or 1
        parts, nodes = made.shard_number or self.nodes, list(range(1, self.nodes + 1)) * 2
        copies = {part: set(nodes[part % self.nodes :][: made.replication_factor]) for part in range(parts)}
        threshold = made.optimizers_config.indexing_threshold if made.optimizers_config else None
        self.client.create_collection(name, vectors_config=made.vectors)
        self.collections[name] = Collection(made, copies, 10_000 if threshold is None else int(threshold))
        return True

    def change(self, name: str, body: dict) -> Any:
        """New copies are made on request only, not because of a new replication factor."""
        asked, one = models.UpdateCollection(**body), self.collections[name]
        if asked.params and asked.params.replication_factor:
            one.made.replication_factor = asked.params.replication_factor
        one.made.strict_mode_config = asked.strict_mode_config or one.made.strict_mode_config
        if asked.optimizers_config and asked.optimizers_config.indexing_threshold is not None:
            one.threshold = int(asked.optimizers_config.indexing_threshold)
        return self.client.update_collection(name, metadata=asked.metadata) if asked.metadata else True

    def remove(self, name: str, body: dict) -> Any:
        del self.collections[name]
        return self.client.delete_collection(name)

    def index(self, name: str, body: dict) -> Any:
        self.collections[name].indexed.add(body["field_name"])
        return models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)

    def unindex(self, name: str, field_name: str) -> Any:
        self.collections[name].indexed.discard(field_name)
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
            name,
            asked.query,
            using=asked.using,
            limit=limit,
            offset=asked.offset,
            query_filter=asked.filter,
            score_threshold=score,
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

    def cluster(self) -> Any:
        if self.nodes == 1:
            return {"status": "disabled"}
        peers = {str(node): {"uri": f"http://node-{node}:6335/"} for node in range(1, self.nodes + 1)}
        raft = {"term": 1, "commit": 1, "pending_operations": 0, "leader": 1, "role": "Leader", "is_voter": True}
        state = {"consensus_thread_status": "working", "last_update": "2026-01-05T08:00:00Z"}
        rest = {"raft_info": raft, "consensus_thread_status": state, "message_send_failures": {}}
        return {"status": "enabled", "peer_id": 1, "peers": peers} | rest

    def copies(self, name: str, body: dict) -> Any:
        """What node 1 knows."""
        pairs = [(part, node) for part, nodes in self.collections[name].copies.items() for node in sorted(nodes)]
        local = [
            {"shard_id": part, "points_count": 0, "state": "Active", "total_optimized_points": 0}
            for part, node in pairs
            if node == 1
        ]
        remote = [
            {"shard_id": part, "peer_id": node, "state": "Dead" if node in self.seen.down else "Active"}
            for part, node in pairs
            if node != 1
        ]
        count = len(self.collections[name].copies)
        shards = {"local_shards": local, "remote_shards": remote, "shard_transfers": []}
        return {"peer_id": 1, "shard_count": count} | shards

    def copy(self, name: str, body: dict) -> Any:
        asked = models.ReplicateShardOperation(**body).replicate_shard
        nodes = self.collections[name].copies[asked.shard_id]
        if asked.to_peer_id in nodes or asked.from_peer_id not in nodes - self.seen.down:
            raise Refused(400, f"Bad request: Shard {asked.shard_id} is not active on peer {asked.from_peer_id}")
        nodes.add(asked.to_peer_id)
        return True


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
    ("GET", "/cluster"): "copies",
    ("POST", "/cluster"): "copy",
}
OF_POINTS = ("upsert", "retrieve", "query", "scroll", "delete", "set_payload", "count")
READS = ("/points", "/points/query", "/points/scroll", "/points/count")  # of POST requests


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return [_plain(one) for one in value] if isinstance(value, list) else value


@contextmanager
def facade() -> Iterator[tuple[str, Seen]]:
    """Yields: its URL, and what it has seen. Requests need the API key KEY, or, to read, READ_ONLY."""
    with nodes_of(Facade()) as (urls, seen):
        yield urls[0], seen


@contextmanager
def nodes_of(behind: Facade) -> Iterator[tuple[list[str], Seen]]:
    """Yields: the URL of each node. A node that is down closes every connection without a word."""
    with ExitStack() as stack:
        yield [stack.enter_context(_node(behind, number)) for number in range(1, behind.nodes + 1)], behind.seen


@contextmanager
def _node(behind: Facade, number: int) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.split("?")[0]
            behind.seen.go.wait(LONGEST_HANG_S)
            if number in behind.seen.down:
                self.close_connection = True
                return
            key, reads = self.headers.get("api-key"), self.command == "GET" or path.endswith(READS)
            if key not in (KEY, READ_ONLY):
                said = "Invalid API key or JWT" if key else "Must provide an API key or an Authorization bearer token"
                return self.send(401, said.encode(), "text/plain")
            if key == READ_ONLY and not (reads and self.command in ("GET", "POST")):
                return self.fail(403, "Forbidden: Global manage access is required")
            self.answer(path, json.loads(data or b"{}"))

        def answer(self, path: str, body: dict[str, Any]) -> None:
            upsert = self.command == "PUT" and path.endswith("/points")
            with behind.counted:
                behind.seen.now += upsert
                behind.seen.at_once = max(behind.seen.at_once, behind.seen.now)
                behind.counted.notify_all()
                if upsert:
                    behind.counted.wait_for(lambda: behind.seen.at_once > 1, timeout=behind.seen.together_s)
            try:
                with behind.lock:  # local mode is unsafe from several threads
                    self.interrupt()
                    result = _plain(behind.answer(self.command, path, body))
            except Refused as refused:
                return self.fail(refused.status, refused.text)
            finally:
                with behind.counted:
                    behind.seen.now -= upsert
            self.send(200, json.dumps({"result": result, "status": "ok", "time": 0}).encode())

        def interrupt(self) -> None:
            """Raises: Refused as a server that is being shut down."""
            behind.changes += self.command in ("PUT", "PATCH")
            last = behind.seen.interrupted_after
            if behind.seen.refusals > 0 or (last is not None and behind.changes > last):
                behind.seen.refusals = max(behind.seen.refusals - 1, 0)
                raise Refused(503, "Shard temporarily unavailable: being shut down")

        def fail(self, status: int, text: str) -> None:
            self.send(status, json.dumps({"status": {"error": text}, "time": 0}).encode())

        def send(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # who asked has not waited for it
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = respond  # noqa: N815 - the names that http.server calls

        def log_message(self, *arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        behind.seen.go.set()
        server.shutdown()
        server.server_close()
