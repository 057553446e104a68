"""Dataclasses -> bodies, and embeddings in the form that was asked for."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import orjson
from starlette.responses import Response

from lookalike.contract import EncoderSpec
from serving.http.media_types import BINARY, JSON, NPY

Row = list[float] | str


@dataclass(frozen=True)
class EmbeddingsResponse:
    """The embeddings of some images."""

    space: str
    """Compare embeddings of equal space only."""
    dim: int
    """Numbers of an embedding."""
    embeddings: list[Row]
    """One row of length 1 for each image, in their order. With encoding_format base64, a row is the base64 of
    little-endian float32."""


@dataclass(frozen=True)
class OpenAIEmbedding:
    """One embedding."""

    object: str
    index: int
    embedding: Row


@dataclass(frozen=True)
class OpenAIEmbeddingsResponse:
    """The same in the shape that OpenAI's clients read."""

    object: str
    data: list[OpenAIEmbedding]
    model: str
    """The space of the embeddings."""
    usage: dict[str, int]


def embeddings_response(
    embeddings: np.ndarray, spec: EncoderSpec, accept: str, encoding_format: str | None
) -> Response:
    """embeddings: float32 (N, D). As JSON, unless the first known type in `accept` is another."""
    accepted = [entry.split(";")[0].strip().lower() for entry in accept.split(",")]
    kind = next((entry for entry in accepted if entry in (NPY, BINARY, JSON, "*/*")), "*/*")
    headers = {"X-Lookalike-Space": quote(spec.space), "X-Lookalike-Dim": str(spec.dim)}
    if kind == NPY:
        file = io.BytesIO()
        np.save(file, embeddings, allow_pickle=False)
        return Response(file.getvalue(), media_type=NPY, headers=headers)
    if kind == BINARY:
        return Response(_little_endian(embeddings), media_type=BINARY, headers=headers)
    return json_response(EmbeddingsResponse(spec.space, spec.dim, _rows(embeddings, encoding_format)), headers)


def openai_response(embeddings: np.ndarray, spec: EncoderSpec, encoding_format: str | None) -> Response:
    """The shape that OpenAI's clients read. Source: OpenAI API reference, "Create embeddings"."""
    rows = enumerate(_rows(embeddings, encoding_format))
    data = [OpenAIEmbedding("embedding", index, row) for index, row in rows]
    usage = {"prompt_tokens": 0, "total_tokens": 0}
    return json_response(OpenAIEmbeddingsResponse("list", data, spec.space, usage))


def json_response(content: object, headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """content: a dataclass, or what JSON can say."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, media_type=JSON, headers=headers)


def _rows(embeddings: np.ndarray, encoding_format: str | None) -> list[Any]:
    if encoding_format == "base64":
        return [base64.b64encode(_little_endian(row)).decode() for row in embeddings]
    return list(np.ascontiguousarray(embeddings))


def _little_endian(embeddings: np.ndarray) -> bytes:
    return embeddings.astype("<f4").tobytes()
