"""Hooks of schemathesis, see `service`: which ids exist, and what a response must be."""

from __future__ import annotations

import json
import os
import random
from typing import Any

import schemathesis

KNOWN: dict[str, list[str]] = json.loads(os.environ["LOOKALIKE_TEST_KNOWN"])  # by the name of a parameter or a field


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Name what exists in half of the requests: made-up ids lead nowhere."""
    chance = random.Random(case.id)
    for name in KNOWN.keys() & (case.path_parameters or {}).keys():
        if chance.random() < 0.5:
            case.path_parameters[name] = chance.choice(KNOWN[name])
    if isinstance(case.body, dict):
        fields = {"/search": "id", "/export": "id", "/index/{operation}": "space"}
        name = fields.get(case.operation.path)
        if name and chance.random() < 0.5:
            case.body[name] = chance.choice(KNOWN[name])


@schemathesis.check
def only_busy(ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """No status from 500, except 503 with Retry-After, and 501 for what is not installed."""
    busy = response.status_code == 503 and "retry-after" in response.headers
    assert response.status_code < 500 or busy or response.status_code == 501, response.text[:200]
