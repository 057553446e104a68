"""What a request needs a key for. A path without a rule is for admins only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.types import Scope as Connection

from lookalike.keys import Key, Scope
from serving.http.endpoint import Endpoint, ScopeOf
from serving.http.errors import ApiError


@dataclass(frozen=True)
class Rule:
    """route: which requests. name: for the audit log; empty if they are not worth a line.

    scope: that the key must have, or how the path decides it; None for any key. all_cameras: the response is about
    all cameras, so a key that is limited to some will not do.
    """

    route: BaseRoute
    name: str = ""
    scope: Scope | ScopeOf | None = None
    all_cameras: bool = False


@dataclass(frozen=True)
class Asked:
    """A rule, and the variables of the path that it was found for."""

    rule: Rule
    variables: Mapping[str, str]

    @property
    def scope(self) -> Scope | None:
        scope = self.rule.scope
        return scope(self.variables) if callable(scope) else scope


async def _nowhere(*_: Any) -> None:
    raise AssertionError("rules only match paths")


PAGES = ("/", "/docs.json")
FILES = ("/ui", "/static_content")  # with all below
OWN_RULES = (
    *(Rule(Route(path, _nowhere)) for path in PAGES),
    *(rule for path in FILES for rule in (Rule(Route(path, _nowhere)), Rule(Mount(path, _nowhere)))),
    Rule(Route("/metrics", _nowhere), "metrics", None, all_cameras=True),
)


def rules_of(endpoints: Sequence[Endpoint]) -> list[Rule]:
    """Each endpoint's, and those of the pages and of BentoML's own routes."""
    return [*(Rule(endpoint.route(), endpoint.name, endpoint.scope) for endpoint in endpoints), *OWN_RULES]


def find_rule(rules: Sequence[Rule], connection: Connection) -> Asked | None:
    """The rule of a request, as the router would choose it; None for a path without one.

    A path that takes other methods has the rule of one of these: it will be 405.
    """
    partial: Asked | None = None
    for rule in rules:
        match, child = rule.route.matches(connection)
        if match is Match.FULL:
            return Asked(rule, child["path_params"])
        if match is Match.PARTIAL and partial is None:
            partial = Asked(rule, child["path_params"])
    return partial


def check_rights(key: Key, asked: Asked | None, path: str) -> None:
    """Raises: ApiError 403 that names what the key lacks, 404 for a path without a rule."""
    if asked is None:
        if not key.allows("admin"):
            raise ApiError(404, "not_found", f"{path[:200]}: nothing is here")
        return
    if asked.rule.all_cameras and key.cameras:
        raise ApiError(403, "forbidden", f"this is about all cameras; key {key.name!r} is limited to some")
    if (scope := asked.scope) and not key.allows(scope):
        raise ApiError(403, "forbidden", f"key {key.name!r} lacks the scope {scope!r}")
