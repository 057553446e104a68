"""Caddy and nginx in front of the service, with the configurations of docs/access.md."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from lookalike import Client
from lookalike.index import open_index
from serving.http.limits import MIB
from tests.clips import noise, write_clip
from tests.e2e.conftest import run_here
from tests.serving.auth.conftest import Keys, write_keys
from tests.serving.auth.test_serve import SELF_SIGNED, serve
from tests.serving.recordings import FRAMES, write_recordings
from tests.serving.running import ROOT, START_S, free_port
from tests.tiny import SPEC

pytestmark = [pytest.mark.trust, pytest.mark.long]

NAME = "films.example"
CLIENT = "127.0.0.2"  # the proxy is at 127.0.0.1: the audit log tells them apart
LARGE = [("images", b"\0" * 31 * MIB)] * 4  # below the limit of an image, and that of a request


def documented(first: str) -> str:
    """The block of docs/access.md whose first line is `first`."""
    lines = (ROOT / "docs" / "access.md").read_text().splitlines()
    block = lines[lines.index(f"    {first}") :]
    length = next(number for number, line in enumerate(block) if line and not line.startswith("    "))
    return "\n".join(line[4:] for line in block[:length])


def caddy(home: Path, port: int, service: int) -> list[str]:
    """Write the configuration, with a certificate: Caddy would ask an authority for one. Returns: the command."""
    named = f"https://{NAME}:{port} {{\n    bind 127.0.0.1\n    tls {home}/cert.pem {home}/key.pem"
    site = documented(f"{NAME} {{").replace(f"{NAME} {{", named).replace("127.0.0.1:3000", f"127.0.0.1:{service}")
    (home / "Caddyfile").write_text("{\n    admin off\n    auto_https disable_redirects\n}\n" + site)
    return ["caddy", "run", "--config", str(home / "Caddyfile")]


def nginx(home: Path, port: int, service: int) -> list[str]:
    """Write the configuration, with folders and an account that may write there. Returns: the command."""
    server = documented("server {").replace("listen 443", f"listen 127.0.0.1:{port}")
    server = server.replace("127.0.0.1:3000", f"127.0.0.1:{service}")
    folders = (f"{kind}_temp_path {home}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    options = f"user root;\ndaemon off;\npid {home}/nginx.pid;\nevents {{}}\n"
    (home / "nginx.conf").write_text(f"{options}http {{\naccess_log off;\n{''.join(folders)}\n{server}\n}}\n")
    return ["nginx", "-p", str(home), "-c", str(home / "nginx.conf"), "-e", "stderr"]


PROXIES = {"caddy": caddy, "nginx": nginx}


@dataclass(frozen=True)
class Site:
    """A service with recordings behind a proxy."""

    url: str
    keys: Keys
    home: Path

    def client(self, **headers: str) -> httpx.Client:
        trusted = ssl.create_default_context(cafile=self.home / "cert.pem")
        transport = httpx.HTTPTransport(verify=trusted, local_address=CLIENT)
        return httpx.Client(base_url=self.url, headers=headers, transport=transport, timeout=60)

    def audited(self) -> list[dict[str, Any]]:
        (path,) = (self.home / "audit").iterdir()
        return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module", params=sorted(PROXIES))
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path
) -> Iterator[Site]:
    proxy: str = request.param
    if shutil.which(proxy) is None:
        pytest.skip(f"NOT TRIED: {proxy} is not installed, so nothing shows what docs/access.md says of it")
    home, port = tmp_path_factory.mktemp(proxy), free_port()
    make = ["openssl", *SELF_SIGNED.split(), "-addext", f"subjectAltName=DNS:{NAME}"]
    subprocess.run([*make, "-keyout", home / "key.pem", "-out", home / "cert.pem"], check=True, capture_output=True)
    sources, index, keys = write_recordings(home / "recordings"), home / "index", write_keys(home / "keys.json")
    run_here("index", *sources, "--encoder", tiny_encoder, "--index", index, "--regions", "none")
    flags = ("--allowed-host", NAME, "--trusted-proxy", "127.0.0.1")  # as in docs/access.md
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolver(socket.getaddrinfo))
        patch.setenv("SSL_CERT_FILE", str(home / "cert.pem"))
        with (
            serve(home, tiny_encoder, "--index", index, "--writable", "--keys", keys.path, *flags) as service,
            running(PROXIES[proxy](home, port, service), home, port),
        ):
            yield Site(f"https://{NAME}:{port}", keys, home)


def resolver(usual: Callable[..., Any]) -> Callable[..., Any]:
    """Return getaddrinfo() which knows NAME."""
    return lambda host, *rest, **named: usual("127.0.0.1" if host == NAME else host, *rest, **named)


@contextmanager
def running(command: list[str], home: Path, port: int) -> Iterator[None]:
    """Run a proxy until the block ends; from the beginning it takes connections."""
    log = home / "proxy.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, "HOME": str(home)})
    try:
        deadline = time.monotonic() + START_S
        while not is_open(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_browser_behind_a_proxy(site: Site) -> None:
    """Its page is of its own site. What it says of its address does not count."""
    said = {"Origin": site.url, "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http"}
    with site.client(**said) as client:
        assert client.get("/ui").status_code == 401
        login = client.post("/login", data={"key": site.keys.secrets["viewer"]})
        assert (login.status_code, login.headers["location"]) == (303, "ui")
        assert ["; Secure" in cookie for cookie in login.headers.get_list("set-cookie")] == [True, True]
        assert client.get("/ui").status_code == 200
        by_name = {recording["name"]: recording for recording in client.get("/library").json()["recordings"]}
        assert {name: recording["frames"] for name, recording in by_name.items()} == FRAMES
        media = f"/recordings/{by_name['gate.mp4']['source_id']}/media"
        data = (site.home / "recordings" / "gate.mp4").read_bytes()
        part = client.get(media, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, data[10:20])
        assert client.get(media).content == data
    assert {line["client"] for line in site.audited()} == {CLIENT}


def test_another_site_behind_a_proxy_changes_nothing(site: Site) -> None:
    everything = {"space": SPEC.space, "all": True}
    with site.client(**site.keys.bearer("owner")) as client:
        for origin in ("https://evil.example", f"https://{NAME}", "null"):  # NAME has another port here
            refused = client.post("/index/delete", json=everything, headers={"Origin": origin})
            assert (refused.status_code, refused.json()["error"]["type"]) == (403, "foreign_origin")
        assert client.get("/library").json()["frames"] >= sum(FRAMES.values())
        other = client.get("/ui", headers={"Host": "evil.example"})
        assert other.status_code == 421 or other.content == b""  # of the service, or of Caddy, which knows NAME only


def test_clients_behind_a_proxy(site: Site, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Embeddings, an upload as large as the service takes, and frames that are added."""
    monkeypatch.setenv("LOOKALIKE_TOKEN", site.keys.secrets["owner"])
    with Client(site.url) as client:
        assert client.embed([np.zeros((8, 8, 3), np.uint8)] * 100).shape == (100, SPEC.dim)
    with site.client(**site.keys.bearer("owner")) as client:
        refused = client.post("/embed", files=LARGE)
        assert (refused.status_code, refused.json()["error"]["type"]) == (400, "bad_image")
    clip = write_clip(site.home / "added.mp4", range(0, 400, 40), noise(10))
    run_here("index", clip, "--fps", "25", "--encoder", tiny_encoder, "--index", site.url, "--regions", "none")
    with open_index(site.url, SPEC) as index:
        assert index.count() == sum(FRAMES.values()) + 10
