"""One method of one path, with all that clients may know of it: the router and the OpenAPI document read this entry."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from starlette.routing import Route

from lookalike.keys import Scope
from serving.http.limits import MAX_BODY_BYTES, MAX_IMAGE_BYTES, MAX_IMAGES, MIB
from serving.http.media_types import BINARY, IMAGE
from serving.http.timeouts import Handler, within_time

ScopeOf = Callable[[Mapping[str, str]], Scope]  # variables of the path -> scope
RAW_IMAGE = {IMAGE: bytes, BINARY: bytes}

# Errors by status: when a route answers with each.
NO_KEY = {401: "The service asks for a key", 403: "The key lacks the scope"}  # of every route
BAD_PARAMETER = {400: "A parameter has an invalid value"}
NO_INDEX = {409: "The service was started without an index"}
UNKNOWN = {404: "Nothing has this id"} | NO_INDEX
GONE = {410: "The recording is gone, was replaced, cannot be read, or was indexed elsewhere; the message says which"}
BUSY = {503: "Too busy, or the index failed; try again after Retry-After seconds", 504: "Not done in time"}
IMAGES = {
    400: "Not an image, or an invalid request; the whole request fails",
    413: f"More than {MAX_IMAGES} images, {MAX_IMAGE_BYTES // MIB} MiB in one, {MAX_BODY_BYTES // MIB} MiB in all,"
    " or an image of too many pixels",
    415: "The body is neither a form nor an image",
    503: "Too busy, or the encoder or the index failed; try again after Retry-After seconds",
    504: "Not done in time; the rest of the request was dropped",
}


@dataclass(frozen=True)
class Endpoint:
    """An entry of a table of routes. The handler's docstring is the summary, and after an empty line the description.

    name: the operationId. scope: that a key needs, or how variables of the path decide it. choices: values of a
    variable of the path; any text by default. query: a dataclass of the parameters. body, responses: by media type a
    dataclass, or `bytes` for a file. errors: by status, when it occurs.
    pending: a dataclass that is sent as JSON with 202 until the response is ready.
    """

    method: Literal["GET", "POST"]
    path: str
    name: str
    scope: Scope | ScopeOf
    handler: Handler
    responses: Mapping[str, type]
    errors: Mapping[int, str]
    query: type | None = None
    body: Mapping[str, type] | None = None
    pending: type | None = None
    choices: Mapping[str, Collection[str]] = field(default_factory=dict)

    def route(self) -> Route:
        """The entry of the router. A request that takes too long is answered 504."""
        return Route(self.path, within_time(self.handler), methods=[self.method], name=self.name)
