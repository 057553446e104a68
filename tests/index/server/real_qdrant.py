"""A real Qdrant server: the one at LOOKALIKE_TEST_QDRANT, as http://host:6333, else one in Docker, where Docker is.

LOOKALIKE_TEST_QDRANT_KEY is its API key, if it wants one. Tests make collections of names of their own there, and
remove them.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import httpx
from qdrant_client import QdrantClient

GIVEN, KEY = os.environ.get("LOOKALIKE_TEST_QDRANT"), os.environ.get("LOOKALIKE_TEST_QDRANT_KEY")
IMAGE = "qdrant/qdrant:v1.19.1"


@functools.cache
def why_none() -> str | None:
    """Why there can be none on this machine; None if there can."""
    if GIVEN:
        return None
    if shutil.which("docker") is None:
        return "no docker command here"
    if (info := _docker("info")).returncode:
        return f"docker info says: {info.stderr.strip().splitlines()[-1]}"
    if (pulled := _docker("pull", "--quiet", IMAGE)).returncode:
        return f"docker pull {IMAGE} says: {pulled.stderr.strip().splitlines()[-1]}"
    return None


@contextmanager
def real_qdrant() -> Iterator[str]:
    """Yields: its URL. While it is in use, its key is in the environment."""
    if GIVEN:
        with mock.patch.dict(os.environ, {"QDRANT_API_KEY": KEY} if KEY else {}):
            yield GIVEN.rstrip("/")
        return
    started = _docker("run", "--rm", "--detach", "--publish", "127.0.0.1::6333", IMAGE)
    assert started.returncode == 0, started.stderr
    container = started.stdout.strip()
    try:
        url = f"http://{_docker('port', container, '6333/tcp').stdout.split()[0]}"
        _wait_until_ready(url)
        yield url
    finally:
        _docker("stop", container)


def admin(url: str, key: str | None = KEY) -> QdrantClient:
    """A client for what only the owner of a server does."""
    return QdrantClient(url=url, api_key=key, check_compatibility=False)


@contextmanager
def own_collection(url: str, key: str | None = KEY) -> Iterator[str]:
    """Yields: the URL of a collection that is not there. All whose names begin with its own are removed at the end."""
    name, client = f"lookalike-test-{uuid.uuid4().hex[:12]}", admin(url, key)
    try:
        yield f"{url}/{name}"
    finally:
        for one in client.get_collections().collections:
            if one.name.startswith(name):
                client.delete_collection(one.name)
        client.close()


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
