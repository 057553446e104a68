"""One request, or one client, that could stop everybody: a good request next to it is answered, and soon."""

from __future__ import annotations

import io
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import httpx
import numpy as np
import pytest
from PIL import Image

from serving.http.limits import MAX_IMAGES
from tests.serving.conftest import Shown, expected_embedding

MIB = 1024 * 1024
SOON_S = 20.0  # on a machine that does other things too; docs/trust.md has what was measured
HALF_SENT = 1000

Record = Callable[[str, object], None]
pytestmark = pytest.mark.trust


@contextmanager
def good_requests(service: httpx.Client, shown: Shown, record_property: Record) -> Iterator[None]:
    """Requests one after the other, until the block ends: each must be right, and answered soon."""
    done, longest_s, wrong = threading.Event(), 0.0, list[str]()
    expected = expected_embedding(shown.png)

    def ask() -> None:
        nonlocal longest_s
        with httpx.Client(base_url=service.base_url, timeout=60) as client:
            while not done.is_set() or not longest_s:
                started = time.monotonic()
                headers = {"Content-Type": "image/png", "Accept": "application/octet-stream"}
                response = client.post("/embed", content=shown.png, headers=headers)
                longest_s = max(longest_s, time.monotonic() - started)
                if response.status_code != 200:
                    wrong.append(response.text)
                else:
                    np.testing.assert_allclose(np.frombuffer(response.content, "<f4"), expected, atol=1e-5)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    record_property("survived", f"a good request took {longest_s:.2f} s at most")
    assert not wrong
    assert longest_s < SOON_S


def connect(service: httpx.Client) -> socket.socket:
    return socket.create_connection((service.base_url.host, service.base_url.port or 80), 60)


def status_of(connection: socket.socket) -> bytes:
    with suppress(ConnectionError):
        return connection.recv(65_536).split(b"\r\n")[0]
    return b""


def test_a_header_of_200_mb(service: httpx.Client, footage: list[Shown], record_property: Record) -> None:
    record_property("tried", "a header of 200 MB")
    with good_requests(service, footage[0], record_property), connect(service) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nX: ")
        with suppress(ConnectionError):
            for _ in range(200):
                connection.sendall(b"a" * MIB)
        assert status_of(connection) in (b"HTTP/1.1 431 Request Header Fields Too Large", b"")


def test_half_sent_heads(service: httpx.Client, footage: list[Shown], record_property: Record) -> None:
    record_property("tried", f"{HALF_SENT:,} half-sent heads")
    with ExitStack() as opened, good_requests(service, footage[0], record_property):
        half = [opened.enter_context(connect(service)) for _ in range(HALF_SENT)]
        for connection in half:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n")
        assert {status_of(connection) for connection in half} == {b"HTTP/1.1 408 Request Timeout"}


def test_a_body_of_keys(service: httpx.Client, footage: list[Shown], record_property: Record) -> None:
    body = b"{" + b",".join(b'"%x":1' % number for number in range(3_500_000)) + b"}"
    record_property("tried", f"{len(body):,} bytes of JSON keys")
    with good_requests(service, footage[0], record_property):
        for path in ("/embed", "/v1/embeddings"):
            response = service.post(path, content=body, headers={"Content-Type": "application/json"})
            assert (response.status_code, response.json()["error"]["type"]) == (413, "too_large")


@pytest.fixture(scope="module")
def largest() -> bytes:
    """A PNG of 64 megapixels, of a colour."""
    file = io.BytesIO()
    Image.new("L", (8000, 8000)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def test_many_of_the_largest_images(
    service: httpx.Client, footage: list[Shown], largest: bytes, record_property: Record
) -> None:
    record_property("tried", f"{MAX_IMAGES} images of 64 megapixels, and eight times two")
    with good_requests(service, footage[0], record_property):
        files = [("images", (f"{number}.png", largest)) for number in range(MAX_IMAGES)]
        response = service.post("/embed", files=files)
        assert (response.status_code, response.json()["error"]["type"]) == (413, "too_large")
        statuses = []
        threads = [
            threading.Thread(target=lambda: statuses.append(service.post("/embed", files=files[:2]).status_code))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(statuses) <= {200, 503}


def test_an_image_of_millions_of_chunks(service: httpx.Client, footage: list[Shown], record_property: Record) -> None:
    """Its header alone was read for twenty seconds, in one of the few threads that read all headers."""
    chunk = b"\0\0\0\0prVt" + zlib.crc32(b"prVt").to_bytes(4, "big")
    data = footage[0].png[:33] + chunk * 2_500_000 + footage[0].png[33:]
    record_property("tried", f"six images of {len(data):,} bytes in 2,500,000 chunks")
    answers: list[httpx.Response] = []

    def send() -> None:
        answers.append(service.post("/embed", content=data, headers={"Content-Type": "image/png"}))

    with good_requests(service, footage[0], record_property):
        threads = [threading.Thread(target=send) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {(answer.status_code, answer.json()["error"]["type"]) for answer in answers} <= {
        (413, "too_large"),
        (503, "busy"),
    }


def test_a_flood_of_boundaries(service: httpx.Client, footage: list[Shown], record_property: Record) -> None:
    head = b'--cut\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"\r\n\r\n'
    record_property("tried", "28 MB of near-boundaries")
    with good_requests(service, footage[0], record_property):
        headers = {"Content-Type": "multipart/form-data; boundary=cut"}
        with suppress(httpx.TransportError):  # refused while it is sent
            assert service.post("/embed", content=head + b"\r\n--cutX" * (4 * MIB), headers=headers).status_code == 400


def test_metrics_are_by_route(service: httpx.Client, record_property: Record) -> None:
    for number in range(300):
        service.get(f"/frames/{number}/thumb")
    names = {line.split("{")[0].split(" ")[0] for line in service.get("/metrics").text.splitlines() if line[0] != "#"}
    assert "lookalike_requests_total" in names
    assert not [name for name in names if name.startswith("bentoml")]
    routes = [line for line in service.get("/metrics").text.splitlines() if "lookalike_requests_total{" in line]
    assert not [line for line in routes if "/frames/299" in line]
    assert [line for line in routes if 'route="/frames/{' in line]
    record_property("tried", "300 distinct paths, over BentoML")
    record_property("survived", f"{len(routes)} lines for all requests")
