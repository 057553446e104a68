"""SIGTERM: what has begun is answered, and then the process ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from tests.serving.conftest import Shown, expected_embedding
from tests.serving.running import ROOT, bentoml_env, free_port, serve_command, wait_until_ready


@contextmanager
def started(settings: Mapping[str, str | Path], home: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Yields: the process of a service that is ready, and its port. It is killed at the end, if it still runs."""
    port, log = free_port(), home / "log"
    with log.open("w") as output:
        command, env = serve_command("serving.service:Lookalike", port), bentoml_env(home, settings)
        process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=output, stderr=output)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_until_ready(client, process, log)
        yield process, port
    finally:
        process.kill()
        process.wait()


def test_an_upload_that_has_begun_is_answered_after_sigterm(
    tiny_encoder: Path, footage: list[Shown], tmp_path: Path
) -> None:
    data = footage[0].png
    with started({"LOOKALIKE_ENCODER": tiny_encoder}, tmp_path) as (process, port):
        upload = HTTPConnection("127.0.0.1", port, timeout=60)
        upload.putrequest("POST", "/embed")
        upload.putheader("Content-Type", "image/png")
        upload.putheader("Content-Length", str(len(data)))
        upload.putheader("Accept", "application/octet-stream")
        upload.endheaders(data[:100])
        time.sleep(1)  # until it is surely being read
        process.send_signal(signal.SIGTERM)
        time.sleep(1)  # until the worker surely knows
        assert process.poll() is None
        upload.send(data[100:])
        answer = upload.getresponse()
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        embedding = np.frombuffer(answer.read(), "<f4")
        np.testing.assert_allclose(embedding, expected_embedding(data), atol=1e-5)
        upload.close()
        process.wait(60)


@pytest.mark.trust
@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM AFTER SIGHUP IS NOT TESTED: Windows has no SIGHUP")
def test_sigterm_counts_while_workers_are_started_again(tiny_encoder: Path, tmp_path: Path) -> None:
    """BentoML's supervisor refuses a command while it is at another, and forgot the signal."""
    with started(writable(tiny_encoder, tmp_path), tmp_path) as (process, _):
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.trust
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent was killed")
def test_a_killed_service_takes_its_processes_with_it(tiny_encoder: Path, tmp_path: Path) -> None:
    with started(writable(tiny_encoder, tmp_path), tmp_path) as (process, _):
        below = psutil.Process(process.pid).children(recursive=True)
        assert any("lookalike.index.embedded.shard_process" in " ".join(child.cmdline()) for child in below)
    _, alive = psutil.wait_procs(below, 60)
    assert alive == []


def writable(encoder: Path, home: Path) -> dict[str, str | Path]:
    return {"LOOKALIKE_ENCODER": encoder, "LOOKALIKE_INDEX": home / "index", "LOOKALIKE_WRITABLE": "1"}
