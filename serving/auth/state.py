"""What is known of a request while it is answered: its key, and what the audit log says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.types import Scope as Connection

from lookalike.keys import Key

_NAME = "auth"  # in the request's state


@dataclass
class State:
    """key: None if the service asks for no key. operation: of the endpoint; empty if it has no rule.

    notes: what is asked, by field.
    """

    key: Key | None = None
    operation: str = ""
    notes: dict[str, Any] = field(default_factory=dict)


def new_state(connection: Connection) -> State:
    """Begin a request. The server may share its own state between requests; this one is not shared."""
    connection["state"] = {**connection.get("state", {}), _NAME: State()}
    return connection["state"][_NAME]


def state_of(connection: Connection) -> State:
    """Raises: KeyError outside of the middlewares of this room."""
    return connection["state"][_NAME]


def note(request: Request, **fields: Any) -> None:
    """Add to the line of the audit log. Never secrets, never pixels."""
    state_of(request.scope).notes.update(fields)
