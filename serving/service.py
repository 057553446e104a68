"""The BentoML service: `bentoml serve serving.service:Lookalike`.

Set by LOOKALIKE_ENCODER, _INDEX, _WRITABLE, _DEVICE, _WORKERS, _CACHE and _URL; LOOKALIKE_TOKEN guards the index. The
routes are a Starlette app of our own: see "Serving" in the design for what BentoML's batching does to the neighbours of
a broken upload.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import bentoml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lookalike.errors import LookalikeError
from serving import explore_routes, export_routes, frame_routes, index_routes, library_routes, picture_routes
from serving.gallery import Gallery
from serving.limits import TIMEOUT_S
from serving.openapi import describe
from serving.pipeline import open_pipeline
from serving.readiness import Readiness
from serving.refusals import HANDLERS
from serving.routes import ROUTES
from serving.settings import Settings, read_workers

SERVICE = "serving.service:Lookalike"


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Load and warm up; until that is done no connection is answered, /readyz included."""
    settings = Settings.from_env()
    async with open_pipeline(settings) as pipeline:
        app.state.pipeline = pipeline
        with closing(Gallery(pipeline, settings.cache)) as app.state.gallery:
            yield


async def docs(request: Request) -> Response:
    return JSONResponse(describe(Lookalike.openapi_spec.asdict()))


for_the_page = (library_routes, frame_routes, picture_routes, explore_routes, export_routes)
looking = [route for module in for_the_page for route in module.ROUTES]
routes = [*ROUTES, *looking, *index_routes.ROUTES, Route("/docs.json", docs)]
app = Starlette(routes=routes, exception_handlers=HANDLERS, lifespan=lifespan)


def _workers() -> int:
    try:
        return read_workers()
    except LookalikeError:
        return 1  # `check` will say what is wrong, in one line


@bentoml.service(
    name="lookalike",
    workers=_workers(),
    traffic={"timeout": 2 * TIMEOUT_S},  # routes.within_time comes first
    # Spans of each message that is read and sent took a fifth of a small encoder's throughput.
    tracing={"excluded_urls": "/embed,/v1/embeddings,/search"},
)
@bentoml.asgi_app(app, path="/")
class Lookalike:
    """One worker unless told otherwise: an embedded index belongs to one process, and one session uses all cores."""

    @bentoml.on_deployment
    @staticmethod
    def check() -> None:
        """Before any worker starts: stop with one line on standard error if it could not load."""
        try:
            os.environ.update(Settings.from_env().to_env())  # a bento's workers run in another folder
        except LookalikeError as error:
            sys.exit(f"lookalike: {error}")
        preflight = [sys.executable, "-m", "serving.preflight"]
        if subprocess.run(preflight, check=False, cwd=Path(__file__).resolve().parents[1]).returncode:
            sys.exit(1)


Lookalike.add_asgi_middleware(Readiness, state=app.state)  # pyright: ignore[reportArgumentType]
