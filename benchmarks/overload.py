"""Measure the service past what it can do: throughput, waits and errors, in a closed and in an open loop.

    python -m benchmarks.overload encoder.onnx recordings/ --seconds 60

Closed: so many clients, each of which asks again as soon as it is answered. Open: requests at a fixed rate, whatever
comes back, as many clients of a large site send them; latencies count from the time when a request was due.
With --apart, the service has one half of the CPUs and the load has the other. So the table shows what it
costs the service to refuse requests, without what more clients take from it.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Sequence
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
def main(
    encoder: Path,
    *sources: str,
    clients: tuple[int, ...] = CLIENTS,
    rates: tuple[float, ...] = (),
    seconds: float = 60,
    apart: bool = False,
) -> None:
    """Measure, and print a Markdown table.

    clients: of the closed loop. rates: of the open loop, in requests a second; without, half of the highest rate of
    the closed loop, that rate, and twice as many. apart: see above; only on Linux.
    """
    pictures = jpegs(sources)
    print(describe(pick_device("cpu")), "\n")
    print("| load | accepted/s | refused/s | failed | p50, p99 ms | MB after a fifth of the time, at the end |")
    print("|---|---|---|---|---|---|")
    cpus = sorted(os.sched_getaffinity(0)) if apart else []
    _use(cpus[: len(cpus) // 2])
    with server(ours(encoder, 1), PORT) as service:
        _use(cpus[len(cpus) // 2 :])
        found = [_row(f"{count} clients", service, pictures, count, seconds) for count in clients]
        for rate in rates or [share * max(result["rate"] for result in found) for share in SHARES]:
            _row(f"{rate:.0f} a second", service, pictures, OPEN_CLIENTS, seconds, rate)


def _use(cpus: Sequence[int]) -> None:
    """Run on these CPUs from now on, with all processes that are started; none: no change."""
    if cpus:
        os.sched_setaffinity(0, cpus)


def _row(
    name: str, service: Server, pictures: list[bytes], clients: int, seconds: float, rate: float | None = None
) -> dict[str, float]:
    """Put one load on the service, and print its row. Returns: what benchmarks.load says."""
    command = [sys.executable, "-m", "benchmarks.load", "127.0.0.1", str(service.port), "/embed", "image/jpeg"]
    command += [str(clients), str(seconds), *([str(rate)] if rate else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as load:
        assert load.stdin
        assert load.stdout
        load.stdin.write(pickle.dumps(pictures))
        load.stdin.close()
        time.sleep(seconds / 5)
        early_mb = largest_mb(service.process)
        result = json.loads(load.stdout.read())
    waits = f"{result['p50_s'] * 1e3:.0f}, {result['p99_s'] * 1e3:.0f}"
    cells = [name, f"{result['rate']:.0f}", f"{result['refused'] / seconds:.0f}", f"{result['errors']:.0f}", waits]
    print(f"| {' | '.join(cells)} | {early_mb:.0f}, {largest_mb(service.process):.0f} |", flush=True)
    return result


if __name__ == "__main__":
    app()
