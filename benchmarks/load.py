"""Generate load at low cost: prepared bytes over persistent connections; responses are read and counted.

    python -m benchmarks.load 127.0.0.1 3000 /embed image/jpeg 32 10 [RATE] < pictures.pickle

With RATE, requests are due at this rate (an open loop); else each client asks again when it is answered (a closed one).
Sends LOOKALIKE_TOKEN, if it is set, as the key. Prints one JSON line; it runs in a separate process, so that it shares
no interpreter with what it measures.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import pickle
import sys
import time
from collections.abc import Iterator, Sequence


async def load(
    host: str, port: int, requests: Sequence[bytes], clients: int, seconds: float, rate: float | None = None
) -> dict[str, float]:
    """Keep up to `clients` requests on their way for so long. rate: of requests, a second; None for as many as can be.

    Returns: requests a second, latencies in seconds, counted from when a request was due, refused (503) and errors.
    """
    turns, until = itertools.cycle(requests), time.perf_counter() + seconds
    due = _due(time.perf_counter(), rate)
    started, latencies, refused, errors = time.perf_counter(), [], 0, 0
    for part in await asyncio.gather(*(_client(host, port, turns, until, due) for _ in range(clients))):
        latencies += part[0]
        refused += part[1]
        errors += part[2]
    took = time.perf_counter() - started
    latencies.sort()
    at = [latencies[min(int(share * len(latencies)), len(latencies) - 1)] for share in (0.5, 0.99)]
    return {"rate": len(latencies) / took, "p50_s": at[0], "p99_s": at[1], "refused": refused, "errors": errors}


def _due(started: float, rate: float | None) -> Iterator[float | None]:
    """When each request is due, by the clock of time.perf_counter; None for at once."""
    return itertools.repeat(None) if rate is None else (started + number / rate for number in itertools.count())


async def _client(
    host: str, port: int, turns: Iterator[bytes], until: float, due: Iterator[float | None]
) -> tuple[list[float], int, int]:
    """Returns: latencies of answers, and how many were refused, and failed."""
    reader, writer = await asyncio.open_connection(host, port)
    latencies, refused, errors = [], 0, 0
    while (asked := next(due) or time.perf_counter()) < until:
        if (wait_s := asked - time.perf_counter()) > 0:
            await asyncio.sleep(wait_s)
        if reader.at_eof():  # closed by the service, since it was idle
            writer.close()
            reader, writer = await asyncio.open_connection(host, port)
        writer.write(next(turns))
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        status = head.split(b" ", 2)[1]
        if status == b"200":
            latencies.append(time.perf_counter() - asked)
        elif status == b"503":
            refused += 1
        else:
            errors += 1
    writer.close()
    return latencies, refused, errors


def request(path: str, content_type: str, body: bytes, key: str = "") -> bytes:
    """A whole HTTP/1.1 request, to a service on this machine. key: of the service; empty for none."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {content_type}"]
    lines += [f"Content-Length: {len(body)}", *([f"Authorization: Bearer {key}"] if key else []), "", ""]
    return "\r\n".join(lines).encode() + body


def main() -> None:
    host, port, path, content_type, clients, seconds, *rate = sys.argv[1:]
    key = os.environ.get("LOOKALIKE_TOKEN", "")
    requests = [request(path, content_type, body, key) for body in pickle.load(sys.stdin.buffer)]
    print(json.dumps(asyncio.run(load(host, int(port), requests, int(clients), float(seconds), *map(float, rate)))))


if __name__ == "__main__":
    main()
