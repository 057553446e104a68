"""The routes in this process, without keys."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware

from serving.auth.audit import Audit, AuditLog
from serving.auth.views import Views
from serving.http.errors import HANDLERS
from serving.http.request_log import RequestLog
from serving.inference.pipeline import Pipeline
from serving.recordings.recordings import Recordings
from serving.routes import embed, explore, export, index, search

RESOURCES = (embed, search, index, explore, export)
ROUTES = [endpoint.route() for resource in RESOURCES for endpoint in resource.ENDPOINTS]


def app_over(pipeline: Pipeline, recordings: Recordings) -> Starlette:
    """/embed, /search, /index, /explore and /export, for every client."""
    middleware = [Middleware(RequestLog), Middleware(Audit, log=AuditLog(None))]
    app = Starlette(routes=ROUTES, exception_handlers=HANDLERS, middleware=middleware)
    app.state.pipeline, app.state.views = pipeline, Views(pipeline, recordings)
    return app
