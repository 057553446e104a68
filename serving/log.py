"""The log of the service: lines for people, or one JSON object a line for programs. Each has the ids of its request."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from lookalike.errors import LookalikeError
from lookalike.keys import HIDDEN, secrets_pattern
from serving.http.request_ids import CURRENT

logger = logging.getLogger("bentoml.lookalike")  # BentoML sets up the loggers below its own name

LogFormat = Literal["text", "json"]
VARIABLE = "LOOKALIKE_LOG_FORMAT"


def read_log_format(env: Mapping[str, str] = os.environ) -> LogFormat:
    """Read LOOKALIKE_LOG_FORMAT; text if it is not set. Raises: LookalikeError for another one."""
    text = env.get(VARIABLE) or "text"
    if text not in get_args(LogFormat):
        raise LookalikeError(f"{VARIABLE} is {text!r}, expected one of {', '.join(get_args(LogFormat))}")
    return cast(LogFormat, text)


def set_up_logs(log_format: LogFormat, token: str) -> None:
    """Format the lines of the handlers that BentoML has set up. Without any, as in a test, it changes nothing.

    token: LOOKALIKE_TOKEN, which no line shows.
    """
    for handler in logging.getLogger("bentoml").handlers:
        inner = handler.formatter
        if not isinstance(inner, WithoutSecrets):
            lines = JsonLines() if log_format == "json" else WithIds(inner or logging.Formatter())
            handler.setFormatter(WithoutSecrets(lines, token))
    for name in ("uvicorn.error", "circus"):  # the handler is theirs and that of the root: each line came twice
        logging.getLogger(name).propagate = False
    if log_format == "json":
        _log_what_is_printed()


def _log_what_is_printed() -> None:
    """Have warnings and errors that nobody catches logged, which Python prints as text otherwise."""
    logging.captureWarnings(True)
    threading.excepthook = lambda failed: logger.error(
        "a thread failed", exc_info=(failed.exc_type, failed.exc_value or failed.exc_type(), failed.exc_traceback)
    )
    sys.excepthook = lambda kind, error, trace: logger.critical("the process failed", exc_info=(kind, error, trace))


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request_id, trace_id, and for a request what it was."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            **_ids(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)  # in ASCII, so that no text can break a line


class WithIds(logging.Formatter):
    """Lines as another formatter makes them, with the ids of the request after the first one."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        line, *more = self._inner.format(record).split("\n")
        ids = ", ".join(f"{name} {value}" for name, value in _ids().items())
        return "\n".join([f"{line} ({ids})" if ids else line, *more])


class WithoutSecrets(logging.Formatter):
    """Lines as another formatter makes them, without keys, which a client may put into a path."""

    def __init__(self, inner: logging.Formatter, token: str) -> None:
        super().__init__()
        self._inner, self._secrets = inner, secrets_pattern(token)

    def format(self, record: logging.LogRecord) -> str:
        return self._secrets.sub(HIDDEN, self._inner.format(record))


def _ids() -> dict[str, str]:
    """The ids of the request that this code runs for, by name."""
    ids = CURRENT.get()
    if ids is None:
        return {}
    return {"request_id": ids.request_id} | ({"trace_id": ids.trace_id} if ids.trace_id else {})
