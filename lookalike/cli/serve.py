"""The verb that serves over HTTP, and the one that runs everything once: serve, demo."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from lookalike.cli.extras import require
from lookalike.cli.flags import EncoderFile, MinFree, RunOn, app, fail, set_min_free
from lookalike.proxy_encoders import ProxyEncoder


@app.command(help_epilogue="Example: `lookalike serve --encoder encoder.onnx --index index/ --port 3000`")
def serve(
    *,
    encoder: EncoderFile,
    index: Annotated[
        str | None,
        Parameter(
            help="Folder of an embedded index, or URL of a Qdrant server. Without one, or with an empty text, only"
            " /embed is served."
        ),
    ] = None,
    writable: Annotated[
        bool,
        Parameter(
            negative="",
            help="Accept frames while serving: --index http://HOST:PORT then works in every verb. Everyone who reaches"
            " the port can add and remove frames, or with LOOKALIKE_TOKEN, everyone who has the token.",
        ),
    ] = False,
    host: Annotated[str, Parameter(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port to listen on.")] = 3000,
    device: RunOn = "auto",
    workers: Annotated[
        int, Parameter(help="Processes that share the cores; more than 1 only without an embedded index.")
    ] = 1,
    cache: Annotated[
        Path | None,
        Parameter(help="Folder for thumbnails and proxies, up to 9 GB. Default: LOOKALIKE_CACHE, else ~/.cache."),
    ] = None,
    proxy_encoder: Annotated[
        ProxyEncoder | None,
        Parameter(
            help="Encoder of proxies: H.264 (GPL), VP9 or AV1. Default: LOOKALIKE_PROXY_ENCODER, else the first that is"
            " there."
        ),
    ] = None,
    log_format: Annotated[
        Literal["text", "json"] | None,
        Parameter(help="Lines for people, or one JSON object a line. Default: LOOKALIKE_LOG_FORMAT, else text."),
    ] = None,
    max_wait_s: Annotated[
        float | None,
        Parameter(
            help="Seconds that a request may wait for its turn; one that would wait longer is refused with 503;"
            " else LOOKALIKE_MAX_WAIT_S, else 2."
        ),
    ] = None,
    min_free_mb: MinFree = None,
) -> None:
    """Serve POST /embed and POST /search over HTTP, with a page at /ui."""
    from lookalike.index.disk_space import read_min_free
    from serving.http.limits import TIMEOUT_S
    from serving.log import read_log_format
    from serving.settings import Settings, default_cache, read_proxy_encoder, read_wait

    require("bentoml")
    if workers < 1:
        fail(f"--workers is {workers}, expected at least 1", code=2)
    cache = cache or Path(os.environ.get("LOOKALIKE_CACHE") or default_cache(os.environ))
    set_min_free(min_free_mb)
    max_wait_s = read_wait() if max_wait_s is None else max_wait_s
    if not 0 < max_wait_s < TIMEOUT_S:
        fail(f"--max-wait-s is {max_wait_s:g}, expected above 0 and below {TIMEOUT_S}", code=2)
    settings = Settings(
        encoder,
        index or None,
        device,
        workers,
        writable,
        cache,
        _url(host, port),
        max_wait_s,
        read_min_free(),
        log_format=log_format or read_log_format(),
        proxy_encoder=proxy_encoder or read_proxy_encoder(),
    )
    settings.check()
    _check_free(host, port)
    command = [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        "serving.service:Lookalike",
        "--host",
        host,
        "--port",
        str(port),
    ]
    # BentoML replaces this process, so that it gets the signals and sets the exit code.
    os.execve(sys.executable, command, {"BENTOML_DO_NOT_TRACK": "True"} | os.environ | settings.to_env())


def _url(host: str, port: int) -> str:
    """Return the URL at which this machine reaches a service that listens on an address."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def _check_free(host: str, port: int) -> None:
    """Check that the port is free. BentoML would print a traceback, and for a port above 65535 nothing."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except (OSError, OverflowError) as error:
        fail(f"cannot listen on port {port} of {host} ({error})", code=1 if isinstance(error, OSError) else 2)


@app.command(help_epilogue="Example: `lookalike demo --out demo/`")
def demo(
    *sources: Annotated[str, Parameter(help="Your own footage. Without any, four cameras are rendered.")],
    out: Annotated[Path, Parameter(help="Folder to write encoder.onnx, index/, results.json and report.html to.")],
    steps: Annotated[int, Parameter(help="Training steps.")] = 500,
) -> None:
    """Run everything once: pretrain, export, index, serve, search, evaluate; and write a report."""
    for module in ("torch", "bentoml"):  # before footage is rendered
        require(module)
    from lookalike.demo.pipeline import run_demo

    run_demo(sources, out, steps)
