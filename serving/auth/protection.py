"""All middlewares of this room as one, by the settings of the service."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from bentoml import server_context
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from lookalike.keys import KeyRing, read_token
from serving.auth.audit import Audit, AuditLog
from serving.auth.guard import Guard
from serving.auth.headers import SecurityHeaders
from serving.auth.hosts import AllowedHosts, Hosts
from serving.auth.rules import rules_of
from serving.http.endpoint import Endpoint
from serving.http.traffic import MULTIPROCESS
from serving.settings import Settings


class Protection:
    """ASGI middleware around all routes, BentoML's own included."""

    def __init__(self, app: ASGIApp, endpoints: Sequence[Endpoint]) -> None:
        """Raises: KeysError if the keys cannot be read: nothing is served then."""
        settings = Settings.from_env()
        allowed = AllowedHosts.of(settings.host, settings.allowed_hosts)
        checked = Hosts(Guard(app, KeyRing(mark=_mark()), rules_of(endpoints)), allowed)
        log = AuditLog(settings.audit_log, _log_name(settings), read_token())
        self._app = SecurityHeaders(Audit(checked, log))

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        await self._app(connection, receive, send)


def _mark() -> Path | None:
    """A file that the workers of this service share, and no other service; None outside of a worker."""
    folder = os.environ.get(MULTIPROCESS)
    return Path(folder, "keys") if folder else None


def _log_name(settings: Settings) -> str:
    """A file for each worker of each service."""
    port = settings.url.rpartition(":")[2]
    return "-".join(["audit", *([port] if port else []), str(server_context.worker_index or 1)])
