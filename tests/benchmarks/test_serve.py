"""The load generator counts what it is answered, and the benchmark of the service runs."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.load import load, request
from benchmarks.serve import main, server
from lookalike.keys import KeyFile, new_key

LOAD_S = 0.3


async def half_refused(sent: Counter[bytes], rate: float | None = None) -> dict[str, float]:
    """Put load on a server that answers every second request of a connection with 503. sent: counts its answers."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = 0
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            assert await reader.readexactly(length) == b"image"
            status = (b"200 OK", b"503 Busy")[number % 2]
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")
            sent[status] += 1
            number += 1

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        return await load("127.0.0.1", port, [request("/embed", "image/png", b"image")], 2, LOAD_S, rate)
    finally:
        server.close()


def test_refusals_are_counted_and_not_taken_for_answers() -> None:
    """It goes on for as long as it was told, or until the last answer has come: on a busy machine, much later."""
    sent: Counter[bytes] = Counter()
    started = time.perf_counter()
    found = asyncio.run(half_refused(sent))
    took_s = time.perf_counter() - started
    assert found["refused"] == sent[b"503 Busy"] > found["errors"] == 0
    assert sent[b"200 OK"] / took_s <= found["rate"] <= sent[b"200 OK"] / LOAD_S
    assert 0 < found["p50_s"] <= found["p99_s"]


def test_an_open_loop_asks_at_its_rate() -> None:
    sent: Counter[bytes] = Counter()
    asyncio.run(half_refused(sent, rate=10 / LOAD_S))
    assert sent.total() == 10


def test_the_service_is_measured_beside_the_limit(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(16):
        Image.new("RGB", (64, 48), (number * 16, 0, 0)).save(tmp_path / f"{number}.png")
    monkeypatch.setenv("LOOKALIKE_KEYS", str(tmp_path / "own.json"))  # the developer's, who has no key for this service
    KeyFile(tmp_path / "own.json").add(new_key("own", ("admin",))[0])
    monkeypatch.delenv("LOOKALIKE_AUDIT_LOG")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    main(tiny_encoder, str(tmp_path), clients=2, seconds=0.3, rounds=1, peers=(), keys=True)
    assert not (tmp_path / "state").exists()
    printed = capsys.readouterr().out
    assert "tiny, fp32, on CPUExecutionProvider; 2 clients" in printed
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines() if line.startswith("| L")]
    limit = next(line for line in printed.splitlines() if line.startswith("| limit"))
    assert limit.split("|")[3].strip() == "1.00"
    assert [row[0] for row in rows] == ["Lookalike", "Lookalike, keys and audit log", "Lookalike, 16 in a request"]
    assert [row[5] for row in rows] == ["0", "0", "0"]  # refused, failed
    assert float(rows[0][7]) > 50  # MB: an interpreter with onnxruntime takes more


def test_a_server_that_is_there_already_is_not_measured() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(SystemExit, match="another server answers there"),
        server(["true"], other.getsockname()[1]),
    ):
        pass
