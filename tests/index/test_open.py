"""Opening an index: what is refused and why, and what outlives a process."""

from __future__ import annotations

import http.server
import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from lookalike.contract import EncoderSpec
from lookalike.errors import IndexStoreError, SpaceMismatch
from lookalike.index import Filters, FrameIndex, SourceRecord, open_index
from lookalike.index.embedded.folder import SIDECAR, FolderLocation
from lookalike.index.generations import Pointer, generation_of
from lookalike.index.server.engine import ServerEngine
from lookalike.search_fields import SearchOptions
from tests.index.circle import OTHER, SPEC, at, frame

ROOT = Path(__file__).resolve().parents[2]
local_mode = pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning")


def refusal(
    location, spec: EncoderSpec | None = SPEC, create=False, kind: type[IndexStoreError] = IndexStoreError
) -> str:
    with pytest.raises(kind) as caught:
        open_index(location, spec, create)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def in_another_process(script: str, folder: Path) -> subprocess.Popen[str]:
    """Run a script that has opened `folder` as `index`; it says `ready` when it has come to its end."""
    opened = f"""
        import os, signal, sys
        from lookalike.index import SourceRecord, open_index
        from tests.index.circle import SPEC, at, frame
        index = open_index({str(folder)!r}, SPEC, create=True)
    """
    lines = [line.strip() for line in (opened + script).splitlines()]
    command = [sys.executable, "-c", "\n".join(lines)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_data_is_there_after_close_and_reopen(tmp_path):
    with open_index(tmp_path / "index", SPEC, create=True) as index:
        index.add([frame("a", 0), frame("b", 0)], at(0, 90))
    with open_index(str(tmp_path / "index"), SPEC) as index:
        assert index.count() == 2
        assert [hit.source for hit in index.search(at(80)[0])] == ["gate/b.mp4", "gate/a.mp4"]
        index.add([frame("c", 0)], at(45))
    with open_index(tmp_path / "index", SPEC, create=True) as index:
        assert index.count() == 3


def test_without_a_spec_the_one_that_the_index_stores_is_taken(tmp_path):
    with open_index(tmp_path / "index", SPEC, create=True) as index:
        index.add([frame("a", 0)], at(0))
    with open_index(tmp_path / "index") as index:
        assert index.spec == SPEC
        assert index.search(at(0)[0])[0].source == "gate/a.mp4"


@pytest.mark.parametrize("create", [False, True])
def test_without_a_spec_no_index_is_made(tmp_path, create):
    said = refusal(tmp_path / "index", None, create)
    assert said.startswith(f"{tmp_path / 'index'}: no index there; make one with `lookalike index SOURCE --encoder E")
    assert not (tmp_path / "index").exists()


def test_an_index_that_stores_less_takes_the_spec_when_it_is_opened_with_one(tmp_path):
    folder = tmp_path / "index"
    open_index(folder, SPEC, create=True).close()
    (folder / SIDECAR).write_text(json.dumps({"space": SPEC.space, "dim": SPEC.dim}))
    assert refusal(folder, None) == (
        f"{folder}: filled by an earlier version, which stored no spec of its encoder; pass --encoder once"
    )
    refusal(folder, OTHER, kind=SpaceMismatch)
    assert refusal(folder, None).endswith("pass --encoder once")
    open_index(folder, SPEC).close()
    with open_index(folder) as index:
        assert index.spec == SPEC


def test_the_spec_is_of_the_current_generation(tmp_path):
    open_index(tmp_path, SPEC, create=True).close()
    place, new = FolderLocation(tmp_path), generation_of(OTHER.space)
    place.open(new, OTHER, create=True).close()
    place.point(Pointer(new, ""))
    with open_index(tmp_path) as index:
        assert index.spec == OTHER


def test_data_is_there_after_a_kill_that_followed_finish(tmp_path):
    script = """
        index.add([frame("a", 0), frame("b", 0)], at(0, 90))
        index.mark_complete([SourceRecord("a", "all", "gate/a.mp4", 1, 1)])
        os.kill(os.getpid(), signal.SIGKILL)
    """
    with in_another_process(script, tmp_path / "index") as process:
        assert process.wait(60) == -signal.SIGKILL
    with open_index(tmp_path / "index", SPEC) as index:
        assert index.count() == 2
        assert index.source_record("a", "all") == SourceRecord("a", "all", "gate/a.mp4", 1, 1)
        np.testing.assert_allclose(index.vector(frame("b", 0).id), at(90)[0], atol=1e-6)
        assert [hit.source for hit in index.search(at(0)[0], Filters(("gate",)), SearchOptions(1))] == ["gate/a.mp4"]


def test_a_second_process_is_refused_until_the_first_lets_go(tmp_path):
    with in_another_process('print("ready", flush=True); sys.stdin.read(); index.close()', tmp_path / "index") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "ready\n"
        says = refusal(tmp_path / "index")
        assert says.startswith(f"{tmp_path / 'index'}: in use by another process")
        first.communicate()
    with open_index(tmp_path / "index", SPEC) as index:
        assert index.count() == 0


def test_a_broken_ledger_is_named(tmp_path):
    open_index(tmp_path / "index", SPEC, create=True).close()
    (tmp_path / "index" / "ledger.sqlite").write_bytes(b"no database" * 100)
    says = refusal(tmp_path / "index")
    assert says.startswith(f"{tmp_path / 'index' / 'ledger.sqlite'}: cannot open the ledger (file is not a database)")
    (tmp_path / "index" / "ledger.sqlite").unlink()
    open_index(tmp_path / "index", SPEC).close()


def test_a_missing_index_says_how_to_make_one(tmp_path):
    says = refusal(tmp_path / "index")
    assert says.startswith(f"{tmp_path / 'index'}: no index there; make one with `lookalike index SOURCE")
    assert not (tmp_path / "index").exists()


def test_another_encoder_is_refused_by_both_names(tmp_path):
    open_index(tmp_path / "index", SPEC, create=True).close()
    for create in (False, True):
        says = refusal(tmp_path / "index", OTHER, create, SpaceMismatch)
        assert f"filled by encoder {SPEC.space}, this one is {OTHER.space}" in says


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "holiday.jpg").touch()
    assert refusal(tmp_path, create=True).startswith(f"{tmp_path}: neither an index nor an empty folder")
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_file_is_no_place_for_an_index(tmp_path):
    (tmp_path / "file").touch()
    assert "neither an index nor an empty folder" in refusal(tmp_path / "file", create=True)
    assert "cannot make an index there (Not a directory)" in refusal(tmp_path / "file" / "index", create=True)


def test_an_empty_folder_becomes_an_index(tmp_path):
    open_index(tmp_path, SPEC, create=True).close()
    assert json.loads((tmp_path / SIDECAR).read_text())["space"] == SPEC.space


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"name": "x"}', b"\xff\xfe"])
def test_a_broken_sidecar_is_named(tmp_path, content):
    open_index(tmp_path, SPEC, create=True).close()
    (tmp_path / SIDECAR).write_bytes(content)
    says = refusal(tmp_path)
    assert says.startswith(f"{tmp_path / SIDECAR}: unreadable (")
    assert says.endswith("; index the footage again")


@pytest.mark.parametrize("name", ["edge_config.json", "deleted/status.dat"])
def test_broken_data_is_an_error_and_no_panic(tmp_path, name):
    """The engine answers the first with an exception, and the second with a panic, which is none."""
    with open_index(tmp_path, SPEC, create=True) as index:
        index.add([frame("a", 0)], at(0))
    (broken,) = (path for path in (tmp_path / "shard").rglob("*") if path.as_posix().endswith(name))
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    assert refusal(tmp_path).startswith(f"{tmp_path}: cannot open the index (")


@local_mode
def test_a_collection_of_another_encoder_is_refused_by_both_names():
    client = QdrantClient(":memory:")
    ServerEngine(client, "frames", SPEC.space, SPEC.dim, create=True)
    for create in (False, True):
        with pytest.raises(SpaceMismatch, match=f"holds vectors of space {SPEC.space}, this encoder is {OTHER.space}"):
            ServerEngine(client, "frames", OTHER.space, OTHER.dim, create)


@local_mode
def test_a_collection_of_somebody_else_is_refused():
    client = QdrantClient(":memory:")
    client.create_collection("notes", vectors_config=models.VectorParams(size=2, distance=models.Distance.COSINE))
    with pytest.raises(SpaceMismatch, match="'notes' holds vectors of space one without a name"):
        ServerEngine(client, "notes", SPEC.space, SPEC.dim, create=True)


def test_a_missing_collection_says_how_to_make_one():
    with pytest.raises(IndexStoreError, match="no collection 'frames'; make it with `lookalike index`"):
        ServerEngine(QdrantClient(":memory:"), "frames", SPEC.space, SPEC.dim, create=False)


def test_a_server_that_is_not_there_is_an_error():
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port, and nobody answers
        taken.bind(("127.0.0.1", 0))
        says = refusal(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert says.startswith("the Qdrant server does not answer: ConnectError (http://127.0.0.1:")


COLLECTION = {
    "status": "green",
    "optimizer_status": "ok",
    "segments_count": 1,
    "payload_schema": {},
    "config": {
        "params": {"vectors": {SPEC.space: {"size": SPEC.dim, "distance": "Cosine"}}},
        "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000},
        "optimizer_config": {"deleted_threshold": 0.2, "vacuum_min_vector_number": 1, "default_segment_number": 0}
        | {"flush_interval_sec": 5},
    },
}


@pytest.fixture
def failing_server():
    """Says that it has the collection `cameras`, and answers everything else with 503, as an overloaded server does.

    Gives its URL and the requests seen: (path, API key).
    """
    seen: list[tuple[str, str | None]] = []

    class Failing(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            seen.append((self.path, self.headers.get("api-key")))
            known = {"/collections/cameras": COLLECTION, "/collections/cameras/exists": {"exists": True}}
            known |= {"/aliases": {"aliases": []}}
            result = known.get(self.path)
            body = json.dumps({"result": result, "status": "ok", "time": 0} if result else {"status": "busy"}).encode()
            self.send_response(200 if result else 503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *arguments) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failing)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()


def test_a_url_names_the_collection_and_the_environment_the_key(failing_server, monkeypatch):
    url, seen = failing_server
    monkeypatch.setenv("QDRANT_API_KEY", "secret")
    with open_index(f"{url}/cameras", SPEC) as index:
        assert index.spec == SPEC
    assert {path for path, _ in seen} == {"/aliases", "/collections/cameras/exists", "/collections/cameras"}
    assert {key for _, key in seen} == {"secret"}


@pytest.mark.parametrize(
    "ask",
    [
        lambda index: index.count(),
        lambda index: index.search(at(0)[0]),
        lambda index: index.missing([frame("a", 0)]),
        lambda index: (index.add([frame("a", 0)], at(0)), index.mark_complete([])),  # sent beside, and waited for
        lambda index: index.vector(frame("a", 0).id),
    ],
    ids=["count", "search", "missing", "add", "vector"],
)
def test_a_server_that_fails_later_is_an_error_in_one_line(failing_server, ask):
    url, _ = failing_server
    index: FrameIndex = open_index(f"{url}/cameras", SPEC)
    with pytest.raises(IndexStoreError, match=r"the Qdrant server cannot answer now \(503\)") as caught:
        ask(index)
    assert "\n" not in str(caught.value)
