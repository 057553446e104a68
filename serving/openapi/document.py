"""The table of routes -> what /docs.json says of them, next to what BentoML says of its own."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lookalike import __version__
from serving.http.endpoint import NO_KEY, Endpoint
from serving.http.errors import ErrorResponse
from serving.http.media_types import FORM, JSON, MULTIPART
from serving.openapi.schemas import Schema, Schemas

INFO = {
    "title": "Lookalike",
    "version": __version__,
    "description": "Images to embeddings, and a search for where else a picture appears.",
}

KEY = "key"
SECURITY = {
    "securitySchemes": {KEY: {"type": "http", "scheme": "bearer", "description": "Made by `lookalike keys add`"}}
}


def describe(document: Mapping[str, Any], endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """document: BentoML's own. Returns: the same with our title, routes and schemas."""
    schemas = Schemas([ErrorResponse, *(of for endpoint in endpoints for of in _types(endpoint))])
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    components = document["components"]
    named = {"schemas": components["schemas"] | schemas.referred(paths)}
    return {**document, "info": INFO, "paths": document["paths"] | paths, "components": components | named | SECURITY}


def _types(endpoint: Endpoint) -> Iterator[type]:
    yield from endpoint.responses.values()
    yield from (endpoint.body or {}).values()
    yield from (of for of in (endpoint.query, endpoint.pending) if of)


def _operation(endpoint: Endpoint, schemas: Schemas) -> dict[str, Any]:
    summary, _, description = inspect.cleandoc(endpoint.handler.__doc__ or "").partition("\n\n")
    operation: dict[str, Any] = {
        "tags": ["Service APIs"],
        "summary": summary.removesuffix("."),
        "operationId": endpoint.name,
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint, schemas)],
        "responses": _responses(endpoint, schemas),
        "security": [{KEY: []}, {}],  # a service without keys asks for none
    }
    if description:
        operation["description"] = " ".join(description.split())
    if endpoint.body:
        operation["requestBody"] = {"required": True, "content": _content(endpoint.body, schemas)}
    return operation


def _path_parameters(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", endpoint.path):
        choices = {"enum": [*endpoint.choices[name]]} if name in endpoint.choices else {}
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"} | choices}


def _query_parameters(endpoint: Endpoint, schemas: Schemas) -> Iterator[dict[str, Any]]:
    """Without defaults where a body may have the same fields: a generated client would send them next to it."""
    fields = schemas.inline(endpoint.query)["properties"] if endpoint.query else {}
    hidden = ("description", "default") if endpoint.body else ("description",)
    for name, schema in fields.items():
        parameter = {"name": name, "in": "query", "description": schema["description"]}
        yield parameter | {"schema": {key: value for key, value in schema.items() if key not in hidden}}


def _responses(endpoint: Endpoint, schemas: Schemas) -> dict[str, Any]:
    responses = {"200": {"description": "The response", "content": _content(endpoint.responses, schemas)}}
    if endpoint.pending:
        description = "It is still being computed; ask again after Retry-After seconds"
        responses["202"] = {"description": description, "content": _content({JSON: endpoint.pending}, schemas)}
    for status, description in sorted((NO_KEY | dict(endpoint.errors)).items()):
        responses[str(status)] = {"description": description, "content": _content({JSON: ErrorResponse}, schemas)}
    return responses


def _content(types: Mapping[str, type], schemas: Schemas) -> dict[str, dict[str, Schema]]:
    """By media type. A form has its fields here, as clients send them one by one."""
    return {
        kind: {"schema": schemas.inline(of) if kind in (FORM, MULTIPART) else schemas.of(of)}
        for kind, of in types.items()
    }
