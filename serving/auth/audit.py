"""The audit log: who asked for what, and when, as JSON lines."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import orjson
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from lookalike.keys import HIDDEN, secrets_pattern
from serving.auth.hosts import PROBES
from serving.auth.state import State, new_state
from serving.http.request_ids import CURRENT
from serving.http.request_log import Outcome, outcome_of

logger = logging.getLogger("bentoml.lookalike")

MAX_BYTES, FILES = 16 * 1024 * 1024, 16  # of a worker: the oldest file is removed
MAX_TEXT = 300  # characters of one text
MAX_TEXTS = 200  # of one list
MAX_BITS = 63  # of a whole number in JSON
REFUSED = (401, 403, 421)  # also noted where a path has no operation


class AuditLog:
    """A file that is rotated. It never fails: what cannot be written is reported once."""

    def __init__(self, folder: Path | None, name: str = "audit", token: str = "") -> None:
        """folder: None for no log. name: of the file; no two processes may share one. token: LOOKALIKE_TOKEN."""
        self._handler = _Handler(folder, name) if folder else None
        self.is_kept = folder is not None
        self._secrets = secrets_pattern(token)

    def write(self, entry: Mapping[str, Any]) -> None:
        """Append one line, without secrets."""
        if self._handler:
            line = orjson.dumps(_bounded(entry, self._secrets), default=str).decode()
            self._handler.handle(logging.makeLogRecord({"msg": "%s", "args": (line,)}))

    def close(self) -> None:
        if self._handler:
            self._handler.close()


class Audit:
    """ASGI middleware inside of RequestLog: a line for each operation, and for each request that is rejected."""

    def __init__(self, app: ASGIApp, log: AuditLog) -> None:
        self._app, self._log = app, log

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        if connection["type"] != "http":
            return await self._app(connection, receive, send)
        state, outcome = new_state(connection), outcome_of(connection)
        try:
            await self._app(connection, receive, send)
        finally:
            is_noted = connection["path"] not in PROBES and (state.operation or outcome.status in REFUSED)
            if self._log.is_kept and is_noted:
                self._log.write(_entry(connection, state, outcome))


def _entry(connection: Connection, state: State, outcome: Outcome) -> dict[str, Any]:
    client, ids = connection.get("client"), CURRENT.get()
    return {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "request_id": ids.request_id if ids else None,
        "key": state.key.name if state.key else None,
        "client": client[0] if client else None,
        "operation": state.operation or f"{connection.get('method', '')} {connection['path']}",
        "asked": state.notes,
        "status": outcome.status,
        "took_s": round(outcome.took_s, 3),
    }


def _bounded(value: Any, secrets: re.Pattern[str]) -> Any:
    """A client cannot make a line longer than this allows, nor have a misplaced secret written."""
    if isinstance(value, str):
        return secrets.sub(HIDDEN, value.encode("utf-8", "replace").decode())[:MAX_TEXT]
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        return float(value) if value.bit_length() <= 1023 else None
    if isinstance(value, Mapping):
        return {str(_bounded(str(name), secrets)): _bounded(each, secrets) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_bounded(each, secrets) for each in value[:MAX_TEXTS]]
    return value


class _Handler(RotatingFileHandler):
    """Only its owner reads the files."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._error = folder, ""
        path = folder / f"{name}.jsonl"
        super().__init__(path, maxBytes=MAX_BYTES, backupCount=FILES - 1, encoding="utf-8", delay=True)

    def _open(self) -> TextIOWrapper:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return TextIOWrapper(open(self.baseFilename, "ab", opener=_private), encoding="utf-8")

    def emit(self, record: logging.LogRecord) -> None:
        failed_before, self._error = self._error, ""
        super().emit(record)
        if self._error and not failed_before:
            logger.warning("%s: the audit log cannot be written (%s)", self.baseFilename, self._error)
        elif failed_before and not self._error:
            logger.warning("%s: the audit log is written again", self.baseFilename)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """The next line opens the file again: a stream that failed keeps what it could not write."""
        self._error = str(sys.exc_info()[1])
        stream, self.stream = self.stream, None  # type: ignore[assignment]
        with suppress(OSError, ValueError):
            if stream:
                stream.close()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
