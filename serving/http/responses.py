"""Embeddings -> a body, in the form that was asked for."""

from __future__ import annotations

import base64
import io
from typing import Any
from urllib.parse import quote

import numpy as np
import orjson
from starlette.responses import Response

from lookalike.contract import EncoderSpec

JSON, NPY, RAW = "application/json", "application/x-npy", "application/octet-stream"


def embeddings_answer(embeddings: np.ndarray, spec: EncoderSpec, accept: str, encoding_format: str | None) -> Response:
    """embeddings: float32 (N, D). As JSON, unless the first type in `accept` that we have is another."""
    accepted = [entry.split(";")[0].strip().lower() for entry in accept.split(",")]
    kind = next((entry for entry in accepted if entry in (NPY, RAW, JSON, "*/*")), "*/*")
    headers = {"X-Lookalike-Space": quote(spec.space), "X-Lookalike-Dim": str(spec.dim)}
    if kind == NPY:
        file = io.BytesIO()
        np.save(file, embeddings, allow_pickle=False)
        return Response(file.getvalue(), media_type=NPY, headers=headers)
    if kind == RAW:
        return Response(_little_endian(embeddings), media_type=RAW, headers=headers)
    content = {"space": spec.space, "dim": spec.dim, "embeddings": _rows(embeddings, encoding_format)}
    return json_answer(content, headers)


def openai_answer(embeddings: np.ndarray, spec: EncoderSpec, encoding_format: str | None) -> Response:
    """The shape that OpenAI's clients read. Source: OpenAI API reference, "Create embeddings"."""
    data = [
        {"object": "embedding", "index": index, "embedding": row}
        for index, row in enumerate(_rows(embeddings, encoding_format))
    ]
    usage = {"prompt_tokens": 0, "total_tokens": 0}
    return json_answer({"object": "list", "data": data, "model": spec.space, "usage": usage}, {})


def json_answer(content: dict[str, Any], headers: dict[str, str]) -> Response:
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type=JSON, headers=headers)


def _rows(embeddings: np.ndarray, encoding_format: str | None) -> list[Any]:
    if encoding_format == "base64":
        return [base64.b64encode(_little_endian(row)).decode() for row in embeddings]
    return list(np.ascontiguousarray(embeddings))


def _little_endian(embeddings: np.ndarray) -> bytes:
    return embeddings.astype("<f4").tobytes()
