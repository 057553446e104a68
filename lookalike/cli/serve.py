"""The verb that serves over HTTP, and the one that runs everything once: serve, demo."""

from __future__ import annotations

import os
import socket
import ssl
import sys
import tempfile
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from lookalike.certificate import out_of_date
from lookalike.cli.extras import require
from lookalike.cli.flags import EncoderFile, MinFree, RunOn, app, fail, set_min_free
from lookalike.cli.keys import KeysAt
from lookalike.keys import VARIABLE as KEYS
from lookalike.keys import keys_at_start
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
            help="Accept frames while serving: --index http://HOST:PORT then works in every verb. Without keys,"
            " everyone who reaches the port can add and remove frames.",
        ),
    ] = False,
    host: Annotated[
        str, Parameter(help="Address or name to listen on; 0.0.0.0 for all. One that other machines reach needs keys.")
    ] = "127.0.0.1",
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
    keys: KeysAt = None,
    allowed_host: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            help="A further name that clients reach the service by, such as that of a proxy; may be repeated."
            " Requests to other names than these, --host and localhost are answered 421.",
        ),
    ] = (),
    audit_log: Annotated[
        Path | None,
        Parameter(
            help="Folder for the audit log; else LOOKALIKE_AUDIT_LOG, else ~/.local/state/lookalike/audit."
            " It says who asked for what."
        ),
    ] = None,
    no_audit_log: Annotated[bool, Parameter(negative="", help="Write no audit log.")] = False,
    tls_cert: Annotated[Path | None, Parameter(help="Certificate (PEM, with its chain) to serve HTTPS.")] = None,
    tls_key: Annotated[Path | None, Parameter(help="Its private key (PEM).")] = None,
    trusted_proxy: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            help="Address or network of a reverse proxy whose X-Forwarded-For and X-Forwarded-Proto count;"
            " may be repeated.",
        ),
    ] = (),
) -> None:
    """Serve POST /embed and POST /search over HTTP, with a page at /ui."""
    require("bentoml")
    from lookalike.index.embedded.disk_space import read_min_free
    from serving.http.limits import TIMEOUT_S
    from serving.log import read_log_format
    from serving.settings import Settings, default_cache, read_audit_log, read_proxy_encoder, read_wait

    if not 0 < port < 2**16:
        fail(f"--port is {port}, expected 1 to 65535", code=2)
    if workers < 1:
        fail(f"--workers is {workers}, expected at least 1", code=2)
    cache = cache or Path(os.environ.get("LOOKALIKE_CACHE") or default_cache(os.environ))
    if keys and not keys.exists():
        fail(f"--keys {keys}: no such file; make it with `lookalike keys add NAME --keys {keys}`", code=2)
    set_min_free(min_free_mb)
    max_wait_s = read_wait() if max_wait_s is None else max_wait_s
    if not 0 < max_wait_s < TIMEOUT_S:
        fail(f"--max-wait-s is {max_wait_s:g}, expected above 0 and below {TIMEOUT_S}", code=2)
    tls = _tls_options(tls_cert, tls_key)
    settings = Settings(
        encoder=encoder,
        index=index or None,
        device=device,
        workers=workers,
        writable=writable,
        cache=cache,
        url=_url(host, port, "https" if tls else "http"),
        max_wait_s=max_wait_s,
        min_free_mb=read_min_free(),
        host=host,
        allowed_hosts=_allowed_hosts(allowed_host),
        keys=str(keys or os.environ.get(KEYS) or ""),
        audit_log=None if no_audit_log else audit_log or read_audit_log(os.environ),
        log_format=log_format or read_log_format(),
        proxy_encoder=proxy_encoder or read_proxy_encoder(),
    )
    settings.check()
    env = os.environ | settings.to_env()
    env["FORWARDED_ALLOW_IPS"] = ",".join(map(_proxy, trusted_proxy))  # uvicorn's, which BentoML runs
    _check_keys(host, env)
    tempfile.gettempdir()  # which BentoML needs, and would print a traceback without one
    address = _free_address(host, port)
    command = [sys.executable, "-m", "bentoml", "serve", "serving.service:Lookalike"]
    # BentoML replaces this process, so that it gets the signals and sets the exit code.
    os.execve(sys.executable, [*command, "--host", address, "--port", str(port), *tls], env)


def _url(host: str, port: int, scheme: str = "http") -> str:
    """Return the URL at which this machine reaches a service that listens on an address."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{scheme}://[{reached}]:{port}" if ":" in reached else f"{scheme}://{reached}:{port}"


def _allowed_hosts(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names, or those of the environment."""
    from serving.auth.hosts import allowed_name
    from serving.settings import read_allowed_hosts

    try:
        return tuple(map(allowed_name, names)) or read_allowed_hosts(os.environ)
    except ValueError as error:
        fail(f"--allowed-host: {error}", code=2)


def _proxy(text: str) -> str:
    """Check an address or a network. uvicorn would never trust an invalid one, and not say so."""
    try:
        return str(ip_network(text))
    except ValueError as error:
        fail(f"--trusted-proxy: expected an address or a network, such as 10.0.0.0/8: {error}", code=2)


def _check_keys(host: str, env: Mapping[str, str]) -> None:
    """Refuse an address that other machines reach, if there are no keys. Raises: KeysError if they cannot be read."""
    from serving.auth.hosts import is_loopback

    if not keys_at_start(env).required and not is_loopback(host):
        fail(
            f"--host {host} is reached from other machines, and there are no keys: anybody could search and watch."
            " Make one first: lookalike keys add NAME --scope admin",
            code=2,
        )


def _tls_options(cert: Path | None, key: Path | None) -> list[str]:
    """BentoML's options. Files that do not work end the verb."""
    if cert is None and key is None:
        return []
    if cert is None or key is None:
        fail("--tls-cert and --tls-key belong together, got one of them", code=2)
    try:
        problem = out_of_date(cert, key)
    except (OSError, ssl.SSLError) as error:
        expected = "expected PEM, a key that belongs to the certificate and has no passphrase"
        fail(f"--tls-cert {cert}, --tls-key {key}: cannot be used ({error}); {expected}")
    if problem:
        from lookalike.console import say

        say(f"--tls-cert {cert}: {problem}; clients that check it refuse the service: renew it, then `kill -HUP`")
    return ["--ssl-certfile", str(cert.absolute()), "--ssl-keyfile", str(key.absolute())]


def _free_address(host: str, port: int) -> str:
    """Return the address of a host, which BentoML takes no names for, if the port is free there.

    BentoML would print a traceback.
    """
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listening:
            return listening.getsockname()[0]
    except (OSError, UnicodeError) as error:  # the second for what is no name
        fail(f"cannot listen on port {port} of {host} ({error})")


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
