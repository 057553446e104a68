"""What /docs.json says about our routes, beside what BentoML says about its own."""

from __future__ import annotations

from typing import Any

from lookalike import __version__
from serving.limits import MAX_BODY_BYTES, MAX_IMAGE_BYTES, MAX_IMAGES, MAX_TOP, MIB
from serving.query import DEFAULT_TOP

_FILE = {"type": "string", "format": "binary"}
_RAW = {kind: {"schema": _FILE} for kind in ("image/*", "application/octet-stream")}

_ERRORS = {
    "400": "Not an image, or a request that is not understood; nothing was answered in part",
    "413": f"More than {MAX_IMAGES} images, {MAX_IMAGE_BYTES // MIB} MiB in one, {MAX_BODY_BYTES // MIB} MiB in all,"
    " or an image of too many pixels",
    "415": "The body is neither a form nor an image",
    "503": "Too busy, or the encoder or the index failed; try again after Retry-After seconds",
}

_CAMERA = {"type": "array", "items": {"type": "string"}, "description": "Any of these cameras"}
_TIME = {"type": "string", "description": "Seconds into the clip, or ISO 8601"}
_FILTERS: dict[str, Any] = {
    "top": {"type": "integer", "minimum": 1, "maximum": MAX_TOP, "default": DEFAULT_TOP},
    "camera": _CAMERA,
    "since": _TIME,
    "until": _TIME,
}

_SCHEMAS: dict[str, Any] = {
    "LookalikeError": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["type", "message"],
                "properties": {
                    "type": {"type": "string"},
                    "message": {"type": "string", "description": "One line for people"},
                    "index": {"type": "integer", "description": "Which image of the request, from 0"},
                    "file": {"type": "string", "description": "Its file name"},
                },
            }
        },
    },
    "LookalikeEmbeddings": {
        "type": "object",
        "required": ["space", "dim", "embeddings"],
        "properties": {
            "space": {"type": "string", "description": "Compare embeddings of equal space only"},
            "dim": {"type": "integer"},
            "embeddings": {
                "type": "array",
                "items": {"type": "array", "items": {"type": "number"}},
                "description": "One row of length 1 for each image, in their order",
            },
        },
    },
    "LookalikeHits": {
        "type": "object",
        "required": ["space", "hits"],
        "properties": {
            "space": {"type": "string"},
            "hits": {
                "type": "array",
                "description": "Best first; neighbouring frames are one hit",
                "items": {
                    "type": "object",
                    "required": ["id", "score", "source", "camera", "time_s", "span_s", "captured_at"],
                    "properties": {
                        "id": {"type": "string", "format": "uuid"},
                        "score": {"type": "number", "description": "Cosine similarity"},
                        "source": {"type": "string"},
                        "camera": {"type": "string"},
                        "time_s": {"type": "number", "description": "Seconds into the source"},
                        "span_s": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
                        "captured_at": {"type": "string", "format": "date-time", "nullable": True},
                    },
                },
            },
        },
    },
}


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """BentoML's OpenAPI document with our title, routes and schemas."""
    document["info"] = {
        "title": "Lookalike",
        "version": __version__,
        "description": "Images to embeddings, and a search for where else a picture appears.",
    }
    document["paths"] |= {"/embed": {"post": _embed()}, "/search": {"post": _search()}}
    document["components"]["schemas"] |= _SCHEMAS
    return document


def _embed() -> dict[str, Any]:
    form = {"type": "object", "required": ["images"], "properties": {"images": {"type": "array", "items": _FILE}}}
    binary = {kind: {"schema": _FILE} for kind in ("application/x-npy", "application/octet-stream")}
    return {
        "tags": ["Service APIs"],
        "summary": "Images to embeddings",
        "description": "As JSON, or by `Accept` as .npy (float32, N x D) or as raw little-endian float32.",
        "operationId": "embed",
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}, **_RAW}},
        "responses": _responses("LookalikeEmbeddings", {}, binary),
    }


def _search() -> dict[str, Any]:
    form = {"type": "object", "properties": {"image": _FILE, "id": {"type": "string"}, **_FILTERS}}
    by_id = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, **_FILTERS}}
    content = {
        "multipart/form-data": {"schema": form},
        "application/json": {"schema": by_id},
        **_RAW,
    }
    return {
        "tags": ["Service APIs"],
        "summary": "Where else does this appear?",
        "description": "By an image or by the id of an earlier hit. The query string may hold what a form may.",
        "operationId": "search",
        "parameters": [{"name": name, "in": "query", "schema": schema} for name, schema in _FILTERS.items()],
        "requestBody": {"required": True, "content": content},
        "responses": _responses(
            "LookalikeHits", {"404": "No frame has this id", "409": "The service was started without an index"}, {}
        ),
    }


def _responses(schema: str, own: dict[str, str], other: dict[str, Any]) -> dict[str, Any]:
    def content(name: str) -> dict[str, Any]:
        return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}

    answers: dict[str, Any] = {"200": {"description": "The answer", "content": content(schema) | other}}
    for status, text in sorted((_ERRORS | own).items()):
        answers[status] = {"description": text, "content": content("LookalikeError")}
    return answers
