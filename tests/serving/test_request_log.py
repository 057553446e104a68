"""Each request has an id, which is sent back, and one line in the log."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import cast

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lookalike.client import Client
from lookalike.errors import FootageError, LookalikeError, ServiceError
from lookalike.footage.playable import Playable
from lookalike.index import FrameIndex
from lookalike.keys import HIDDEN, PREFIX
from serving.http import request_log
from serving.http.errors import HANDLERS, ApiError
from serving.http.request_ids import CURRENT, RequestIds, read_ids, read_traceparent
from serving.http.request_log import RequestLog
from serving.log import JsonLines, WithIds, WithoutSecrets, read_log_format
from serving.media.worker import Ended, MediaPool, MediaWorker
from serving.recordings.disk_cache import DiskCache
from serving.recordings.explorer import Explorer, Found
from serving.recordings.playback import Player
from serving.recordings.source_verifier import SourceVerifier
from serving.recordings.thumbnails import Moment, Thumbnails
from serving.tracing import OFF, tracing
from tests.serving.running import ROOT, bentoml_env, served

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


async def answer(request: Request) -> Response:
    logging.getLogger("bentoml.lookalike").warning("looked up %s", request.path_params["frame_id"])
    return PlainTextResponse("here")


async def alive(request: Request) -> Response:
    return PlainTextResponse("")


async def refuse(request: Request) -> Response:
    raise ApiError(409, "no_index", "there is no index")


async def fail(request: Request) -> Response:
    raise RuntimeError("broken")


ROUTES = [
    Route("/frames/{frame_id}", answer),
    Route("/refuses", refuse),
    Route("/fails", fail),
    Route("/livez", alive),
]


def ask(path: str, **headers: str) -> httpx.Response:
    """Send a request through the middleware, without a server."""

    async def once() -> httpx.Response:
        app = RequestLog(Starlette(routes=ROUTES, exception_handlers=HANDLERS))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(once())


@pytest.mark.parametrize(
    ("value", "trace_id"),
    [
        (PARENT, TRACE),
        (f"01-{TRACE}-00f067aa0ba902b7-01-later", TRACE),
        (f"00-{TRACE}-00f067aa0ba902b7-01-later", None),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-00f067aa0ba902b7", None),
        ("", None),
    ],
)
def test_a_traceparent_is_read_as_w3c_has_it(value: str, trace_id: str | None) -> None:
    assert read_traceparent(value.encode()) == trace_id


def test_an_id_is_taken_if_it_is_short_and_plain() -> None:
    assert read_ids([(b"x-request-id", b"a-1.B_2:3"), (b"traceparent", PARENT.encode())]) == RequestIds(
        "a-1.B_2:3", TRACE
    )
    assert read_ids([(b"x-request-id", b"a" * 128)]).request_id == "a" * 128
    for refused in (b"", b"a" * 129, b"a b", b"a\r\nx: y", b'"', "é".encode()):
        made = read_ids([(b"x-request-id", refused)]).request_id
        assert len(made) == 32
        assert int(made, 16) >= 0
    assert read_ids([]).request_id != read_ids([]).request_id


@pytest.mark.parametrize(
    ("path", "status"), [("/frames/1", 200), ("/refuses", 409), ("/fails", 500), ("/nowhere", 404), ("/livez", 200)]
)
def test_every_response_has_the_id(path: str, status: int) -> None:
    response = ask(path, **{"X-Request-Id": "mine"})
    assert (response.status_code, response.headers.get_list("x-request-id")) == (status, ["mine"])


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/frames/a%0Ab", "/frames/{frame_id}", 200),
        ("/refuses", "/refuses", 409),
        ("/fails", "/fails", 500),
        ("/nowhere", "other", 404),
    ],
)
def test_a_request_is_one_line_with_its_route(
    path: str, route: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ask(path, **{"X-Request-Id": "mine", "traceparent": PARENT})
    [record] = [record for record in caplog.records if record.name == "bentoml.access"]
    shown = path.replace("%0A", "\\n")
    assert record.getMessage().startswith(f"GET {shown} {status} in ")
    fields = record.fields  # pyright: ignore[reportAttributeAccessIssue]
    assert fields | {"seconds": 0} == {
        "method": "GET",
        "path": shown,
        "route": route,
        "status": status,
        "seconds": 0,
        "client": "127.0.0.1",
    }


def test_the_log_and_the_metrics_have_the_same_time(caplog: pytest.LogCaptureFixture) -> None:
    def total() -> float:
        return REGISTRY.get_sample_value("lookalike_request_seconds_sum", {"route": "/refuses"}) or 0.0

    caplog.set_level(logging.INFO)
    before = total()
    ask("/refuses")
    [record] = [record for record in caplog.records if record.name == "bentoml.access"]
    fields = record.fields  # pyright: ignore[reportAttributeAccessIssue]
    assert fields["seconds"] == pytest.approx(total() - before, abs=1e-6)  # rounded to microseconds


def test_a_flood_of_refused_requests_has_few_lines_that_count_the_others(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten a second: of 1,500 in the first one 1,490 have none, and the first line of the next one says so."""
    now = [5.0]
    monkeypatch.setattr(request_log, "_lines", request_log.FewLines(lambda: now[0]))
    caplog.set_level(logging.INFO)
    ids = {request_log.log_refused(503, "busy", None) for _ in range(1500)}
    assert len(ids) == 1500
    now[0] = 6.9
    last = [request_log.log_refused(503, "busy", None) for _ in range(2)][-1]
    assert last not in ids
    line = "refused a request before it was read: 503 busy"
    assert [record.getMessage() for record in caplog.records] == [
        *[line] * 10,
        f"{line}, and 1,490 others since the last line",
        line,
    ]


def test_probes_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ask("/livez")
    assert [record for record in caplog.records if record.name == "bentoml.access"] == []


def record_of(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("bentoml.lookalike", logging.ERROR, "a.py", 1, message, arguments, None)


def test_a_line_of_json_has_the_ids_and_never_breaks() -> None:
    CURRENT.set(RequestIds("mine", TRACE))
    record = record_of("two\nlines of %s", "\udc80")
    record.created = 0.25
    record.fields = {"status": 503}
    text = JsonLines().format(record)
    assert "\n" not in text
    fields = json.loads(text)
    assert fields.pop("process") > 0
    assert fields == {
        "time": "1970-01-01T00:00:00.250+00:00",
        "level": "error",
        "logger": "bentoml.lookalike",
        "message": "two\nlines of \udc80",
        "request_id": "mine",
        "trace_id": TRACE,
        "status": 503,
    }


def test_a_line_for_people_ends_with_the_ids() -> None:
    lines = WithIds(logging.Formatter("%(levelname)s %(message)s"))
    CURRENT.set(None)
    assert lines.format(record_of("started")) == "ERROR started"
    CURRENT.set(RequestIds("mine"))
    assert lines.format(record_of("failed\nat a.py")) == "ERROR failed (request_id mine)\nat a.py"
    CURRENT.set(RequestIds("mine", TRACE))
    assert lines.format(record_of("failed")) == f"ERROR failed (request_id mine, trace_id {TRACE})"
    CURRENT.set(None)


@pytest.mark.parametrize("inner", [JsonLines(), logging.Formatter("%(message)s")])
@pytest.mark.parametrize("secret", [PREFIX + "Ab_-" * 10, 'of 16 letters: "é"', "plain-and-long-token"])
def test_no_line_shows_a_key(inner: logging.Formatter, secret: str) -> None:
    """A client may put it into a path."""
    token = "" if secret.startswith(PREFIX) else secret
    line = WithoutSecrets(inner, token).format(record_of("GET %s 404", f"/frames/{secret}"))
    assert f"GET /frames/{HIDDEN} 404" in line


def test_log_formats() -> None:
    assert [read_log_format({}), read_log_format({"LOOKALIKE_LOG_FORMAT": "json"})] == ["text", "json"]
    with pytest.raises(LookalikeError, match="LOOKALIKE_LOG_FORMAT is 'xml', expected one of text, json"):
        read_log_format({"LOOKALIKE_LOG_FORMAT": "xml"})


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


def test_opentelemetry_is_off_unless_a_collector_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.tracing._is_installed", lambda module: True)
    assert tracing({}) == tracing(ENDPOINT | {"OTEL_SDK_DISABLED": "true"}) == OFF
    assert tracing(ENDPOINT) == {
        "exporter_type": "otlp",
        "sample_rate": 1.0,
        "otlp": {"protocol": "http"},
        "excluded_urls": "/livez,/readyz,/metrics",
    }
    asked = tracing(ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_SAMPLER_ARG": "0.25"})
    assert (asked["otlp"], asked["sample_rate"]) == ({"protocol": "grpc"}, 0.25)
    with pytest.raises(LookalikeError, match=r"PROTOCOL is 'http/json', expected one of http/protobuf, grpc"):
        tracing(ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"})
    for wrong in ("2", "half"):
        with pytest.raises(LookalikeError, match=r"OTEL_TRACES_SAMPLER_ARG is .*, expected a share from 0 to 1"):
            tracing(ENDPOINT | {"OTEL_TRACES_SAMPLER_ARG": wrong})


def test_a_collector_without_an_exporter_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.tracing._is_installed", lambda module: False)
    package = "opentelemetry-exporter-otlp-proto-http"
    with pytest.raises(LookalikeError, match=f"ENDPOINT is set, but {package} is not installed; pip install {package}"):
        tracing(ENDPOINT)


def test_the_client_names_the_request_that_failed_in_the_service() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        status = 400 if "bad" in request.url.path else 507
        return httpx.Response(status, json={"error": {"message": "full"}}, headers={"X-Request-Id": "theirs"})

    client = Client("http://service")
    client._http = httpx.Client(base_url="http://service", transport=httpx.MockTransport(respond))
    with pytest.raises(ServiceError, match=r"^http://service/index/add: 507, full \(request theirs\)$"):
        client.post("/index/add")
    with pytest.raises(ServiceError, match=r"^http://service/bad: 400, full$"):
        client.post("/bad")


def test_the_service_logs_json(tiny_encoder: Path, tmp_path: Path) -> None:
    settings = {"LOOKALIKE_ENCODER": tiny_encoder, "LOOKALIKE_LOG_FORMAT": "json"}
    with served("serving.service:Lookalike", bentoml_env(tmp_path, settings), ROOT, tmp_path / "log") as client:
        sent = {"X-Request-Id": "mine", "traceparent": PARENT}
        response = client.post("/search", headers=sent, files={"image": b"not an image"})
        assert response.headers["x-request-id"] == "mine"
        assert response.status_code == 409  # it has no index
        assert len(client.get("/nowhere").headers["x-request-id"]) == 32
        assert len(client.get("/readyz").headers["x-request-id"]) == 32
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert any(line["message"].startswith("encoder tiny-") for line in lines)
    searched, nowhere = [line for line in lines if line["logger"] == "bentoml.access"]
    assert (searched["request_id"], searched["trace_id"]) == ("mine", TRACE)
    assert (searched["route"], searched["status"], searched["level"]) == ("/search", 409, "info")
    assert 0 < searched["seconds"] < 60
    assert (nowhere["route"], nowhere["status"], "trace_id" in nowhere) == ("other", 404, False)


PRINTED = """
import logging, threading, warnings
from bentoml._internal.log import configure_server_logging
from serving.log import set_up_logs
configure_server_logging()
set_up_logs("json", "")
warnings.warn("this goes away\\nsoon")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
logging.getLogger("uvicorn.error").error("once")
logging.getLogger("a.library").error("lost")
raise ValueError("the end")
"""


@pytest.mark.trust
def test_what_python_prints_is_json_too() -> None:
    """Warnings of libraries, threads and processes that fail; and no line comes twice."""
    done = subprocess.run([sys.executable, "-c", PRINTED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["level"] for line in lines] == ["warning", "error", "error", "error", "critical"]
    assert "UserWarning: this goes away\nsoon" in lines[0]["message"]
    assert lines[1]["error"].endswith("ZeroDivisionError: division by zero")
    assert [line["message"] for line in lines[2:4]] == ["once", "lost"]
    assert lines[4]["error"].endswith("ValueError: the end")


@pytest.mark.trust
def test_what_goes_on_in_a_thread_for_a_request_has_its_ids(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An exploration and a proxy, which go on after their request, and a picture whose process dies."""
    formatted: list[str] = []

    class Formatted(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            formatted.append(JsonLines().format(record))

    def work(*_: object) -> Found:
        raise RuntimeError("broken")

    def make(*_: object) -> None:
        raise RuntimeError("broken")

    def end(*_: object) -> None:
        raise Ended("its process ended by signal 9")

    async def ask() -> None:
        CURRENT.set(RequestIds("mine", TRACE))
        with suppress(ApiError):  # it may have failed by now
            explorer.ask("outliers", cast(FrameIndex, None), 1, work)
        await player.media("a.avi", "a")
        with pytest.raises(FootageError):
            await thumbnails.jpeg(Moment("b.avi", "b", 0.0), None)

    handler, logger = Formatted(), logging.getLogger("bentoml.lookalike")
    logger.addHandler(handler)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SourceVerifier, "check", lambda self, source, source_id: None)
        patched.setattr(MediaWorker, "judge", lambda self, source: Playable("encoded", "video/mp4", 0.0, 25.0))
        patched.setattr(MediaWorker, "make_playable", make)
        patched.setattr(MediaWorker, "_start", end)
        thumbnails = Thumbnails(SourceVerifier(), MediaPool(1, 0))
        explorer, player = Explorer(), Player(SourceVerifier(), MediaPool(1, 0), DiskCache(tmp_path, 1000))
        asyncio.run(ask())
        explorer._thread.shutdown()
        player._makers.shutdown()
        player.close()
        thumbnails.close()
    logger.removeHandler(handler)
    lines = [json.loads(line) for line in formatted]
    assert sorted(line["message"] for line in lines) == [
        "a.avi: making a proxy failed",
        "an exploration failed",
        "b.avi: its process ended by signal 9; the next one has another process",
    ]
    assert [(line["request_id"], line["trace_id"]) for line in lines] == [("mine", TRACE)] * 3
