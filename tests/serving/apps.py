"""The routes in this process, without keys."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware

from serving.auth.audit import Audit, AuditLog
from serving.auth.views import Views
from serving.http.errors import HANDLERS
from serving.inference.pipeline import Pipeline
from serving.recordings.recordings import Recordings
from serving.routes import embed, search

ROUTES = [endpoint.route() for endpoint in (*embed.ENDPOINTS, *search.ENDPOINTS)]


def app_over(pipeline: Pipeline, recordings: Recordings) -> Starlette:
    """/embed and /search, for every client."""
    app = Starlette(routes=ROUTES, exception_handlers=HANDLERS, middleware=[Middleware(Audit, log=AuditLog(None))])
    app.state.pipeline, app.state.views = pipeline, Views(pipeline, recordings)
    return app
