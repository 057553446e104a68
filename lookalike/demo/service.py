"""Search through the real service, over HTTP, for the most eventful frames."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from lookalike import pixels
from lookalike.console import say
from lookalike.errors import LookalikeError
from lookalike.footage import find_sources, frame_at, read_frames
from lookalike.keys import NO_KEYS

QUERIES = 8
HITS = 5  # the query's own moment, and four others
APART_S = 5.0
START_TIMEOUT_S = 90.0


def ask_service(
    sources: Sequence[str], folder: Path, at_index: Sequence[str], fps: float
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Start `lookalike serve`, POST frames to /embed and /search, and stop it.

    folder: for the query pictures. Returns: measurements, and each search with its hits.
    Raises: LookalikeError if the service does not start or does not answer.
    """
    queries = _write_queries(sources, folder, fps)
    with _service(at_index) as client:
        started = time.perf_counter()
        uploads = [("images", (path.name, path.read_bytes(), "image/png")) for path, _ in queries]
        embedded = _checked(client.post("/embed", files=uploads)).json()
        embed_s = time.perf_counter() - started
        searches = []
        for path, about in queries:
            upload = {"image": (path.name, path.read_bytes(), "image/png")}
            answer = _checked(client.post("/search", files=upload, data={"top": str(HITS)})).json()
            searches.append({"query": str(path), **about, "hits": answer["hits"]})
    measured = {
        "space": embedded["space"],
        "embedded": len(embedded["embeddings"]),
        "embed_s": round(embed_s, 3),
        "searches": len(searches),
    }
    return measured, searches


def _write_queries(sources: Sequence[str], folder: Path, fps: float) -> list[tuple[Path, dict[str, Any]]]:
    """Save the pictures to search by. Returns: their paths, and where they are from."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[tuple[Path, dict[str, Any]]] = []
    for number, (source, camera, time_s) in enumerate(_eventful(sources, fps), start=1):
        path = folder / f"query-{number}.png"
        buffer = io.BytesIO()
        Image.fromarray(frame_at(source, time_s)).save(buffer, "PNG")
        path.write_bytes(buffer.getvalue())
        written.append((path, {"source": source, "camera": camera, "time_s": time_s}))
    return written


def _eventful(sources: Sequence[str], fps: float) -> list[tuple[str, str, float]]:
    """Return the moments that differ most from their camera's usual view: (source, camera, time_s), at most QUERIES."""
    seen: dict[str, list[tuple[str, float, np.ndarray]]] = {}
    for frame in read_frames(find_sources(sources), fps):
        small = pixels.fit(frame.image, 32).astype(np.int16)
        seen.setdefault(frame.camera, []).append((frame.source, frame.time_s, small))
    each = -(-QUERIES // len(seen))
    chosen: list[tuple[int, str, str, float]] = []
    for camera, frames in seen.items():
        usual = np.median([small for *_, small in frames], axis=0)
        frames.sort(key=lambda frame: -float(np.abs(frame[2] - usual).mean()))
        kept: list[tuple[str, float]] = []
        for source, time_s, _ in frames:
            near = any(source == kept_source and abs(time_s - kept_s) < APART_S for kept_source, kept_s in kept)
            if len(kept) < each and not near:
                kept.append((source, time_s))
        chosen += [(rank, source, camera, time_s) for rank, (source, time_s) in enumerate(kept)]
    chosen.sort(key=lambda moment: moment[0])  # stable: the best of every camera comes before any camera's second
    return [(source, camera, time_s) for _, source, camera, time_s in chosen[:QUERIES]]


@contextmanager
def _service(at_index: Sequence[str]) -> Iterator[httpx.Client]:
    port = _free_port()
    command = [sys.executable, "-m", "lookalike", "serve", *at_index, "--port", str(port)]
    say("")
    say(f"$ lookalike serve {' '.join(at_index)} --port {port}")
    env = os.environ | NO_KEYS | {"LOOKALIKE_AUDIT_LOG": "off"}  # only this process sends requests
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            _wait_until_ready(client, process)
            yield client
    except httpx.HTTPError as error:
        raise LookalikeError(f"demo stopped: the service on port {port} did not answer ({error})") from error
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise LookalikeError(f"demo stopped: the service ended at its start with exit code {process.returncode}")
        try:
            if client.get("/readyz").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise LookalikeError(f"demo stopped: the service was not ready after {START_TIMEOUT_S:.0f} s")


def _checked(response: httpx.Response) -> httpx.Response:
    if response.status_code != httpx.codes.OK:
        raise LookalikeError(
            f"demo stopped: {response.url.path} answered {response.status_code}: {response.text[:200]}"
        )
    return response


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
