"""A real `bentoml serve` in a process of its own, on a free loopback port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
START_S = 120  # far more than it takes: a busy machine must not fail the tests


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def bentoml_env(home: Path, settings: Mapping[str, str | Path]) -> dict[str, str]:
    """home: BentoML keeps its store and its metrics there. settings: LOOKALIKE_*; those of this shell do not count."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LOOKALIKE_", "BENTOML_"))}
    own = {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "LOOKALIKE_CACHE": str(home / "cache")}
    own |= {"LOOKALIKE_KEYS": "[]", "LOOKALIKE_AUDIT_LOG": "off"}
    return inherited | own | {name: str(value) for name, value in settings.items()}


def serve_command(target: str, port: int) -> list[str]:
    return [sys.executable, "-m", "bentoml", "serve", target, "--host", "127.0.0.1", "--port", str(port)]


@contextmanager
def served(target: str, env: Mapping[str, str], folder: Path, log: Path) -> Iterator[httpx.Client]:
    """Serve `target` from `folder` until the block ends. Yields: a client of it, once it is ready."""
    port = free_port()
    with log.open("w") as output:
        process = subprocess.Popen(serve_command(target, port), env=env, cwd=folder, stdout=output, stderr=output)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait_until_ready(client, process, log)
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"the service did not start:\n{log.read_text()}")
