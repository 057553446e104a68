"""What /docs.json says about our routes, beside what BentoML says about its own."""

from __future__ import annotations

from typing import Any

from lookalike import __version__
from lookalike.index.operations import OPERATIONS
from serving.http.json_images import ANY_MODEL, FORMATS
from serving.http.limits import MAX_BODY_BYTES, MAX_IMAGE_BYTES, MAX_IMAGES, MIB
from serving.http.responses import JSON, NPY, RAW
from serving.openapi import library as library_paths
from serving.openapi.search_fields import search_schema

_FILE = {"type": "string", "format": "binary"}
_RAW = {kind: {"schema": _FILE} for kind in ("image/*", "application/octet-stream")}

_ERRORS = {
    "400": "Not an image, or a request that is not understood; nothing was answered in part",
    "413": f"More than {MAX_IMAGES} images, {MAX_IMAGE_BYTES // MIB} MiB in one, {MAX_BODY_BYTES // MIB} MiB in all,"
    " or an image of too many pixels",
    "415": "The body is neither a form nor an image",
    "504": "Not done in time; what still waited of it was dropped",
    "503": "Too busy, or the encoder or the index failed; try again after Retry-After seconds",
}

_NOT_OPENED = "A part of a frame, or a moment, of a recording that was indexed elsewhere"
_FILTERS = search_schema()

_FORMAT = {"type": "string", "enum": [*FORMATS], "default": "float"}
_IMAGE = {"type": "string", "description": "An image as base64, or as a data URL"}
_ROW = {
    "oneOf": [
        {"type": "array", "items": {"type": "number"}},
        {"type": "string", "description": "base64 of little-endian float32, where encoding_format says so"},
    ]
}

_SCHEMAS: dict[str, Any] = {
    "LookalikeIndexAnswer": {"type": "object", "additionalProperties": True},
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
                "items": _ROW,
                "description": "One row of length 1 for each image, in their order",
            },
        },
    },
    "LookalikeImages": {
        "type": "object",
        "required": ["images"],
        "properties": {"images": {"type": "array", "items": _IMAGE}, "encoding_format": _FORMAT},
    },
    "OpenAIEmbeddings": {
        "type": "object",
        "required": ["object", "data", "model", "usage"],
        "properties": {
            "object": {"type": "string"},
            "data": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["object", "index", "embedding"],
                    "properties": {"object": {"type": "string"}, "index": {"type": "integer"}, "embedding": _ROW},
                },
            },
            "model": {"type": "string", "description": "The space of the embeddings"},
            "usage": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
    },
    "OpenAIRequest": {
        "type": "object",
        "required": ["input"],
        "properties": {
            "input": {"oneOf": [_IMAGE, {"type": "array", "items": _IMAGE}]},
            "model": {"type": "string", "description": f"The service's own, or {ANY_MODEL!r}"},
            "encoding_format": _FORMAT,
            "dimensions": {"type": "integer"},
            "user": {"type": "string"},
        },
    },
    "LookalikeHits": {
        "type": "object",
        "required": ["space", "hits"],
        "properties": {
            "space": {"type": "string"},
            "hits": {
                "type": "array",
                "description": "Best first, unless diverse; neighbouring frames are one hit",
                "items": {
                    "type": "object",
                    "required": [
                        *("id", "score", "source", "source_id", "camera", "time_s", "span_s", "captured_at"),
                        *("frames", "moments", "percentile", "region", "asked"),
                    ],
                    "properties": {
                        "id": {"type": "string", "format": "uuid"},
                        "score": {"type": "number", "description": "Cosine similarity, weighted by part"},
                        "source": {"type": "string"},
                        "source_id": {"type": "string", "description": "SHA-256 of the source's bytes"},
                        "camera": {"type": "string"},
                        "time_s": {"type": "number", "description": "Seconds into the source"},
                        "span_s": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
                        "captured_at": {"type": "string", "format": "date-time", "nullable": True},
                        "frames": {"type": "integer", "description": "How many frames it stands for"},
                        "moments": {"type": "integer", "description": "How many moments they are; 1 unless by clip"},
                        "percentile": {
                            "type": "number",
                            "description": "Share of the camera's other frames that are less similar, 0 to 100",
                        },
                        "region": {
                            "type": "string",
                            "nullable": True,
                            "description": "x,y,w,h in shares, of the part of the picture that was found; null for all",
                        },
                        "asked": {
                            "type": "string",
                            "nullable": True,
                            "description": "x,y,w,h in shares, of the part of the query that found it; null for all;"
                            " `difference`: what a picture that is not stored shows beyond its camera's usual view",
                        },
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
    document["paths"] |= {
        "/embed": {"post": _embed()},
        "/v1/embeddings": {"post": _openai_embeddings()},
        "/search": {"post": _search()},
        "/index/{operation}": {"post": _index()},
        **library_paths.PATHS,
    }
    document["components"]["schemas"] |= _SCHEMAS | library_paths.SCHEMAS
    return document


def _embed() -> dict[str, Any]:
    form = {"type": "object", "required": ["images"], "properties": {"images": {"type": "array", "items": _FILE}}}
    binary = {kind: {"schema": _FILE} for kind in (NPY, RAW)}
    text = {JSON: {"schema": {"$ref": "#/components/schemas/LookalikeImages"}}}
    return {
        "tags": ["Service APIs"],
        "summary": "Images to embeddings",
        "description": "As JSON, or by `Accept` as .npy (float32, N x D) or as raw little-endian float32.",
        "operationId": "embed",
        "parameters": [{"name": "encoding_format", "in": "query", "schema": _FORMAT}],
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}, **text, **_RAW}},
        "responses": _responses("LookalikeEmbeddings", {}, binary),
    }


def _openai_embeddings() -> dict[str, Any]:
    return {
        "tags": ["Service APIs"],
        "summary": "Images to embeddings, as OpenAI's clients ask for them",
        "operationId": "openai_embeddings",
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": {"$ref": "#/components/schemas/OpenAIRequest"}}},
        },
        "responses": _responses("OpenAIEmbeddings", {"404": "The model named is not the one here"}, {}),
    }


def _search() -> dict[str, Any]:
    form = {"type": "object", "properties": {"image": _FILE, **_FILTERS}}
    by_id = {"type": "object", "properties": _FILTERS}
    content = {
        "multipart/form-data": {"schema": form},
        "application/json": {"schema": by_id},
        **_RAW,
    }
    return {
        "tags": ["Service APIs"],
        "summary": "Where else does this appear?",
        "description": "By an image or by the id of an earlier hit, or a part of it, or by `like` alone."
        " A stored frame in which something moves is asked by that, too."
        " A picture of a stored camera, far from its usual view, is asked by what differs."
        " The query string may hold what a form may.",
        "operationId": "search",
        # Without defaults: a generated client would send them beside those of the body, and be told so.
        "parameters": [
            {"name": name, "in": "query", "schema": {key: value for key, value in schema.items() if key != "default"}}
            for name, schema in _FILTERS.items()
        ],
        "requestBody": {"required": True, "content": content},
        "responses": _responses(
            "LookalikeHits",
            {"404": "Nothing has this id", "409": "The service was started without an index", "410": _NOT_OPENED},
            {},
        ),
    }


def _index() -> dict[str, Any]:
    operation = {"type": "string", "enum": list(OPERATIONS)}
    writes = ", ".join(name for name, one in OPERATIONS.items() if one.writes)
    asked = {"type": "object", "required": ["space"], "properties": {"space": {"type": "string"}}}
    return {
        "tags": ["Service APIs"],
        "summary": "The index, for `lookalike --index http://...`",
        "description": "What an engine of lookalike.index is asked, as lookalike.index.service writes it."
        f" A service that was started with --writable alone takes {writes}."
        f" {' and '.join(name for name, one in OPERATIONS.items() if one.lines)} answer JSON lines.",
        "operationId": "ask_index",
        "parameters": [{"name": "operation", "in": "path", "required": True, "schema": operation}],
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": asked | {"additionalProperties": True}}},
        },
        "responses": _responses(
            "LookalikeIndexAnswer",
            {
                "401": "LOOKALIKE_TOKEN is set here, and was not sent",
                "403": "The service was started without --writable",
                "404": "There is no such operation",
                "409": "The service has no index, or one of another space",
            },
            {},
        ),
    }


def _responses(schema: str, own: dict[str, str], other: dict[str, Any]) -> dict[str, Any]:
    def content(name: str) -> dict[str, Any]:
        return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}

    answers: dict[str, Any] = {"200": {"description": "The answer", "content": content(schema) | other}}
    for status, text in sorted((_ERRORS | own).items()):
        answers[status] = {"description": text, "content": content("LookalikeError")}
    return answers
