"""The page at /ui, its files, and the page of the API at /. None of these is part of the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

PAGES = Path(__file__).parents[1] / "ui"
PAGE_HEADERS = {"Cache-Control": "no-cache"}


async def search_page(request: Request) -> Response:
    return FileResponse(PAGES / "index.html", headers=PAGE_HEADERS)


class PageFiles(StaticFiles):
    """Scripts and styles of the page, with the headers of the page."""

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        response = super().file_response(*arguments, **named)
        response.headers.update(PAGE_HEADERS)
        return response


async def api_page(request: Request) -> Response:
    return FileResponse(PAGES / "api.html", headers=PAGE_HEADERS)


ROUTES = [Route("/", api_page), Route("/ui", search_page), Mount("/ui", PageFiles(directory=PAGES))]
