"""Pictures as responses, which browsers keep: their names are made from their content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from serving.http.media_types import JPEG

Size = Literal[160, 320, 640]  # the longer side of a thumbnail, pixels
# The ids of frames and recordings are made from their content. Other sites must not embed these pictures.
FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable", "Cross-Origin-Resource-Policy": "same-origin"}


def is_known(request: Request, name: str) -> bool:
    """Whether the client has the picture of this name."""
    return f'"{name}"' in request.headers.get("if-none-match", "")


def unchanged(name: str) -> Response:
    """304 for a picture that the client has."""
    return Response(status_code=304, headers=FOR_EVER | {"ETag": f'"{name}"'})


def picture(jpeg: bytes, name: str, headers: Mapping[str, str] = FOR_EVER) -> Response:
    """headers: further ones."""
    return Response(jpeg, media_type=JPEG, headers={**FOR_EVER, **headers, "ETag": f'"{name}"'})
