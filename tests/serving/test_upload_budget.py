"""The memory that uploads share, and who gets it when there is not enough."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from serving.http import bodies
from serving.http.bodies import Budget, media_type, read_body, read_bytes
from serving.http.errors import HANDLERS
from serving.http.media_types import MULTIPART
from serving.inference.backlog import Busy

LIMIT, SMALL = 1000, 200
PNG, FORM = "image/png", f"{MULTIPART}; boundary=cut"
BEGIN = b'--cut\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"\r\n\r\n'
END = b"\r\n--cut--\r\n"


class Service:
    """Its handler reads a body and, at /slow, works until `go` is set."""

    def __init__(self) -> None:
        self.budget, self.go, self._begun = Budget(LIMIT), asyncio.Event(), asyncio.Semaphore(0)
        app = Starlette(routes=[Route("/{speed}", self._read, methods=["POST"])], exception_handlers=HANDLERS)
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")

    async def _read(self, request: Request) -> Response:
        with self.budget.lease() as lease:
            await (read_body(request, lease) if media_type(request) == MULTIPART else read_bytes(request, lease, LIMIT))
            if request.path_params["speed"] == "slow":
                await self.go.wait()
        return PlainTextResponse("read")

    async def send(self, size: int, speed: str = "fast") -> int:
        """Returns: the status."""
        return (await self._client.post(f"/{speed}", content=b"a" * size, headers={"Content-Type": PNG})).status_code

    async def begin(self, size: int, kind: str = PNG) -> asyncio.Task[int]:
        """Send so many bytes, and the end when `go` is set."""
        begin, end = (BEGIN, END) if kind == FORM else (b"", b"b")

        async def content() -> AsyncIterator[bytes]:
            yield begin + b"a" * (size - len(begin))
            self._begun.release()
            await self.go.wait()
            yield end

        async def send() -> int:
            return (await self._client.post("/fast", content=content(), headers={"Content-Type": kind})).status_code

        task = asyncio.create_task(send())
        await self._begun.acquire()
        return task


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "SMALL_BODY_BYTES", SMALL)


def test_uploads_of_all_requests_share_one_limit() -> None:
    budget = Budget(10)
    with budget.lease() as first, budget.lease() as second:
        first.reserve(6)
        second.reserve(4)
        with pytest.raises(Busy):
            first.reserve(1)
    with budget.lease() as third:
        third.reserve(10)


@pytest.mark.trust
@pytest.mark.parametrize("kind", [PNG, FORM])
def test_a_small_upload_takes_the_room_of_the_largest_that_is_held_back(kind: str) -> None:
    """Eight clients that held back the last byte of 120 MB kept everybody's pictures out for a minute."""

    async def ask() -> list[int]:
        service = Service()
        larger, smaller = await service.begin(550, kind), await service.begin(400, kind)
        status = await service.send(SMALL)
        refused = await asyncio.wait_for(larger, 10)
        service.go.set()
        return [status, refused, await smaller]

    assert asyncio.run(ask()) == [200, 503, 200]


@pytest.mark.trust
def test_many_small_ones_that_are_held_back_keep_no_smaller_one_out() -> None:
    async def ask() -> tuple[list[int], list[int]]:
        service = Service()
        held = [await service.begin(99) for _ in range(10)]
        sent = [await service.send(50) for _ in range(5)]
        service.go.set()
        return sent, sorted(await asyncio.gather(*held))

    assert asyncio.run(ask()) == ([200] * 5, [200] * 9 + [503])


@pytest.mark.trust
def test_a_large_upload_takes_the_room_of_no_other() -> None:
    async def ask() -> tuple[int, list[int]]:
        service = Service()
        held = [await service.begin(500), await service.begin(400)]
        status = await service.send(SMALL + 1)
        service.go.set()
        return status, await asyncio.gather(*held)

    assert asyncio.run(ask()) == (503, [200, 200])


@pytest.mark.trust
def test_what_has_arrived_keeps_its_room() -> None:
    """It is being worked on, and soon done."""

    async def ask() -> tuple[int, int]:
        service = Service()
        works = asyncio.create_task(service.send(950, "slow"))
        while not service.budget._free < LIMIT or service.budget._arriving:
            await asyncio.sleep(0)
        status = await service.send(SMALL)
        service.go.set()
        return status, await works

    assert asyncio.run(ask()) == (503, 200)
