"""Measure the service past what it can do: throughput, waits and errors, in a closed and in an open loop.

    python -m benchmarks.overload encoder.onnx recordings/ --seconds 60

Closed: so many clients, each of which asks again as soon as it is answered. Open: requests at a fixed rate, whatever
comes back, as many clients of a large site send them; latencies count from the time when a request was due.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

from cyclopts import App

from benchmarks.machine import describe
from benchmarks.serve import PORT, Server, jpegs, largest_mb, ours, server
from training.train import pick_device

CLIENTS = (1, 4, 16, 64, 256)
SHARES = (0.5, 1.0, 2.0)  # of the highest rate of the closed loop
OPEN_CLIENTS = 1000  # connections of the open loop: more than are answered within the longest wait

app = App(name="benchmarks.overload", help=__doc__, help_format="plaintext")


@app.default
def main(encoder: Path, *sources: str, clients: tuple[int, ...] = CLIENTS, seconds: float = 60) -> None:
    """Measure, and print a Markdown table. clients: of the closed loop."""
    pictures = jpegs(sources)
    print(describe(pick_device("cpu")), "\n")
    print("| load | accepted/s | refused/s | p50, p99 ms | MB |")
    print("|---|---|---|---|---|")
    with server(ours(encoder, 1), PORT) as service:
        found = [_row(f"{count} clients", service, pictures, count, seconds) for count in clients]
        peak = max(result["rate"] for result in found)
        for share in SHARES:
            rate = share * peak
            _row(f"{rate:.0f} a second ({share:g} of the peak)", service, pictures, OPEN_CLIENTS, seconds, rate)


def _row(
    name: str, service: Server, pictures: list[bytes], clients: int, seconds: float, rate: float | None = None
) -> dict[str, float]:
    """Put one load on the service, and print its row. Returns: what benchmarks.load says."""
    command = [sys.executable, "-m", "benchmarks.load", "127.0.0.1", str(service.port), "/embed", "image/jpeg"]
    command += [str(clients), str(seconds), *([str(rate)] if rate else [])]
    done = subprocess.run(command, input=pickle.dumps(pictures), stdout=subprocess.PIPE, check=True)
    result = json.loads(done.stdout)
    waits = f"{result['p50_s'] * 1e3:.0f}, {result['p99_s'] * 1e3:.0f}"
    refused = result["errors"] / seconds
    print(f"| {name} | {result['rate']:.0f} | {refused:.0f} | {waits} | {largest_mb(service.group):.0f} |", flush=True)
    return result


if __name__ == "__main__":
    app()
