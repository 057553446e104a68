"""The BentoML service: `bentoml serve serving.service:Lookalike`.

Settings: LOOKALIKE_ENCODER, _INDEX, _WRITABLE, _DEVICE, _WORKERS, _CACHE, _URL, _MAX_WAIT_S, _MIN_FREE_MB, _HOST,
_ALLOWED_HOSTS, _KEYS, _AUDIT_LOG, _LOG_FORMAT and _PROXY_ENCODER; LOOKALIKE_TOKEN is a key for everything.
The routes are a Starlette app of our own: with BentoML's batching one corrupt upload fails all requests of its batch.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import bentoml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lookalike.errors import LookalikeError
from lookalike.keys import read_token
from lookalike.parent import end_with_parent
from serving.auth.protection import Protection
from serving.auth.views import Views
from serving.http import uvicorn_setup
from serving.http.door import Door
from serving.http.endpoint import IMAGES
from serving.http.errors import HANDLERS
from serving.http.limits import SWITCH_S, TIMEOUT_S
from serving.http.line_breaks import LineBreaks
from serving.http.protocol import BoundedProtocol
from serving.http.request_log import RequestLog
from serving.http.traffic import forget_dead_workers, metrics
from serving.inference.pipeline import open_pipeline
from serving.log import read_log_format, set_up_logs
from serving.metrics_folder import use_own_folder
from serving.openapi.document import describe
from serving.readiness import Readiness
from serving.recordings.recordings import Recordings
from serving.routes import embed, explore, export, frames, index, library, pages, pictures, search
from serving.settings import Settings, read_workers
from serving.supervisor import set_up_supervisor
from serving.tracing import OFF, tracing

SERVICE = "serving.service:Lookalike"
NEW_OBJECTS = 20_000  # that start a collection of garbage; with the default, 700, it took 6 % of the time under load
T = TypeVar("T")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Load and warm up. Until then no connection is accepted, not even for /readyz."""
    end_with_parent(signal.SIGTERM)
    sys.setswitchinterval(SWITCH_S)
    forget_dead_workers()
    settings = Settings.from_env()
    async with open_pipeline(settings) as pipeline:
        app.state.pipeline = pipeline
        BoundedProtocol.door = Door(IMAGE_PATHS, pipeline.let_in)
        with closing(Recordings(pipeline, settings.cache, settings.proxy_encoder)) as recordings:
            app.state.views = Views(pipeline, recordings)
            gc.freeze()  # what is loaded stays: a full collection looked at it for 50 ms, and every request waited
            gc.set_threshold(NEW_OBJECTS)
            yield


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    return describe(Lookalike.openapi_spec.asdict(), ENDPOINTS)


async def docs(request: Request) -> Response:
    return JSONResponse(document())


RESOURCES = (embed, search, library, frames, pictures, explore, export, index)
ENDPOINTS = [endpoint for resource in RESOURCES for endpoint in resource.ENDPOINTS]
IMAGE_PATHS = [endpoint.path for endpoint in ENDPOINTS if endpoint.errors.items() >= IMAGES.items()]
OWN = [Route("/docs.json", docs), Route("/metrics", metrics)]
ROUTES = [*pages.ROUTES, *(endpoint.route() for endpoint in ENDPOINTS), *OWN]
app = Starlette(routes=ROUTES, exception_handlers=HANDLERS, lifespan=lifespan)


def _or(read: Callable[[], T], default: T) -> T:
    """A setting; the default if it is invalid, which `check` reports in one line."""
    try:
        return read()
    except LookalikeError:
        return default


set_up_logs(_or(read_log_format, "text"), _or(read_token, ""))
use_own_folder()


@bentoml.service(
    name="lookalike",
    workers=_or(read_workers, 1),
    traffic={"timeout": 2 * TIMEOUT_S},  # http.timeouts.within_time comes first
    logging={"access": {"enabled": False}},  # http.request_log has one
    metrics={"enabled": False},  # its labels are raw paths: see http.traffic
    tracing=_or(tracing, OFF),  # pyright: ignore[reportArgumentType]
)
@bentoml.asgi_app(app, path="/")
class Lookalike:
    """One worker by default: an embedded index belongs to one process, and one session uses all cores."""

    @bentoml.on_deployment
    @staticmethod
    def check() -> None:
        """Before any worker starts: exit with one line on standard error if a worker could not load."""
        try:
            tracing()
            os.environ.update(Settings.from_env().to_env())  # a bento's workers run in another folder
        except LookalikeError as error:
            sys.exit(f"lookalike: {error}")
        preflight = [sys.executable, "-m", "serving.preflight"]
        if subprocess.run(preflight, check=False, cwd=Path(__file__).resolve().parents[1]).returncode:
            sys.exit(1)
        set_up_supervisor()  # here, since this is its process


uvicorn_setup.install()  # here, since a worker sets up uvicorn as soon as it has imported this
Lookalike.add_asgi_middleware(RequestLog)  # pyright: ignore[reportArgumentType]
Lookalike.add_asgi_middleware(Protection, endpoints=ENDPOINTS)  # pyright: ignore[reportArgumentType]
Lookalike.add_asgi_middleware(LineBreaks)  # pyright: ignore[reportArgumentType]
Lookalike.add_asgi_middleware(Readiness, state=app.state)  # pyright: ignore[reportArgumentType]
