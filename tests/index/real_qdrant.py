"""A real Qdrant server in Docker, where Docker is."""

from __future__ import annotations

import functools
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

IMAGE = "qdrant/qdrant:v1.19.1"


@functools.cache
def why_none() -> str | None:
    """Why there can be none on this machine; None if there can."""
    if shutil.which("docker") is None:
        return "no docker command here"
    if (info := _docker("info")).returncode:
        return f"docker info says: {info.stderr.strip().splitlines()[-1]}"
    if (pulled := _docker("pull", "--quiet", IMAGE)).returncode:
        return f"docker pull {IMAGE} says: {pulled.stderr.strip().splitlines()[-1]}"
    return None


@contextmanager
def real_qdrant() -> Iterator[str]:
    """Yields: its URL."""
    started = _docker("run", "--rm", "--detach", "--publish", "127.0.0.1::6333", IMAGE)
    assert started.returncode == 0, started.stderr
    container = started.stdout.strip()
    try:
        url = f"http://{_docker('port', container, '6333/tcp').stdout.split()[0]}"
        _wait_until_ready(url)
        yield url
    finally:
        _docker("stop", container)


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=300, check=False)


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the Qdrant server did not start")
