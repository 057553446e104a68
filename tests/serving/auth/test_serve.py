"""`lookalike serve`: what it refuses before anything loads, and TLS."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from lookalike import cli
from lookalike.keys import KeyFile
from tests.serving.auth.conftest import Keys
from tests.serving.running import ROOT, START_S, bentoml_env, free_port, wait_until_ready
from tests.tiny import SPEC

pytestmark = pytest.mark.trust

SELF_SIGNED = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


def refused(capsys: pytest.CaptureFixture[str], *flags: object) -> tuple[int, str]:
    """Exit code and message of `serve`, which must end before it looks for the encoder."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["serve", "--encoder", "missing.onnx", *map(str, flags)])
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().err.strip()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "archive"])
def test_an_address_that_others_reach_is_refused_without_keys(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOOKALIKE_KEYS", str(tmp_path / "none.json"))
    code, message = refused(capsys, "--host", host)
    assert code == 2
    assert message == (
        f"lookalike: --host {host} is reached from other machines, and there are no keys: anybody could search and"
        " watch. Make one first: lookalike keys add NAME --scope admin"
    )


def test_keys_that_are_not_there_or_broken_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing, broken = tmp_path / "none.json", tmp_path / "broken.json"
    broken.write_text("[{")
    code, message = refused(capsys, "--keys", missing)
    assert (code, f"make it with `lookalike keys add NAME --keys {missing}`" in message) == (2, True)
    code, message = refused(capsys, "--keys", broken)
    assert (code, f"{broken}: not a list of keys" in message) == (1, True)


def test_half_of_a_certificate_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, message = refused(capsys, "--tls-cert", tmp_path / "a.pem")
    assert (code, message) == (2, "lookalike: --tls-cert and --tls-key belong together, got one of them")
    (tmp_path / "a.pem").write_text("no certificate")
    code, message = refused(capsys, "--tls-cert", tmp_path / "a.pem", "--tls-key", tmp_path / "a.pem")
    assert (code, "cannot be used" in message) == (1, True)


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--allowed-host", "films.example:8443", "invalid name 'films.example:8443': expected a host without scheme"),
        ("--allowed-host", "https://films.example", "expected a host without scheme and port"),
        ("--trusted-proxy", "proxy", "expected an address or a network, such as 10.0.0.0/8"),
        ("--trusted-proxy", "10.0.0.1/8", "10.0.0.1/8 has host bits set"),
        ("--trusted-proxy", "*", "expected an address or a network"),
    ],
)
def test_names_and_proxies_that_could_never_match_are_refused(
    flag: str, value: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = refused(capsys, flag, value)
    assert (code, said.startswith(f"lookalike: {flag}: ")) == (2, True)
    assert message in said


@contextmanager
def serve(home: Path, tiny_encoder: Path, *flags: object) -> Iterator[int]:
    """`lookalike serve` without an index. Yields: its port."""
    port, log = free_port(), home / "log"
    words = ["serve", "--encoder", tiny_encoder, "--port", port, "--audit-log", home / "audit", *flags]
    env = {name: value for name, value in bentoml_env(home, {}).items() if name != "LOOKALIKE_KEYS"}
    command = [sys.executable, "-m", "lookalike", *map(str, words)]
    scheme = "https" if "--tls-cert" in flags else "http"
    with log.open("w") as output:
        process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=output, stderr=output)
    try:
        verify = ssl.create_default_context(cafile=home / "cert.pem") if scheme == "https" else True
        with httpx.Client(base_url=f"{scheme}://127.0.0.1:{port}", verify=verify, timeout=60) as client:
            wait_until_ready(client, process, log)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_https_on_all_addresses_with_a_name_and_keys(tmp_path: Path, tiny_encoder: Path, keys: Keys) -> None:
    """One worker, which is asked as a browser would ask."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", *SELF_SIGNED.split(), "-addext", NAMES, "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    flags = ("--host", "0.0.0.0", "--keys", keys.path, "--allowed-host", "films.example")
    with (
        serve(tmp_path, tiny_encoder, *flags, "--tls-cert", cert, "--tls-key", key) as port,
        httpx.Client(verify=ssl.create_default_context(cafile=cert), base_url=f"https://127.0.0.1:{port}") as client,
    ):
        assert client.get("/readyz").json()["space"] == SPEC.space
        assert client.get("/ui", headers={"Host": "evil.example"}).status_code == 421
        assert client.get("/ui", headers={"Host": "films.example"}).status_code == 401
        login = client.post("/login", data={"key": keys.secrets["embedder"]})
        assert login.status_code == 303
        assert ["; Secure" in cookie for cookie in login.headers.get_list("set-cookie")] == [True, True]
        assert client.get("/ui").status_code == 200
        foreign = {"Origin": "https://evil.example"}
        assert client.post("/embed", content=b"", headers=foreign).status_code == 403
    (path,) = (tmp_path / "audit").iterdir()
    assert path.name == f"audit-{port}-1.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["key"], line["operation"], line["status"]) for line in lines] == [
        (None, "GET /ui", 421),
        (None, "GET /ui", 401),
        ("embedder", "login", 303),
        (None, "POST /embed", 403),
    ]


def test_two_workers_know_a_key_and_that_it_was_revoked(tmp_path: Path, tiny_encoder: Path, keys: Keys) -> None:
    def ask() -> int:
        """Over a connection of its own, so that either worker may answer."""
        return httpx.get(f"http://127.0.0.1:{port}/ui", headers=keys.bearer("viewer")).status_code

    def answered() -> set[str]:
        return {path.name for path in (tmp_path / "audit").glob("*")}

    with serve(tmp_path, tiny_encoder, "--keys", keys.path, "--workers", 2) as port:
        both, deadline = {f"audit-{port}-{worker}.jsonl" for worker in (1, 2)}, time.monotonic() + START_S
        while answered() != both and time.monotonic() < deadline:
            assert httpx.get(f"http://127.0.0.1:{port}/ui").status_code == 401  # which is a line of either's log
        assert answered() == both
        assert {ask() for _ in range(24)} == {200}
        KeyFile(keys.path).revoke("viewer")
        assert {ask() for _ in range(24)} == {401}


def test_a_proxy_is_believed_if_it_is_trusted(tmp_path: Path, tiny_encoder: Path, keys: Keys) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    found = []
    for flags in ((), ("--trusted-proxy", "127.0.0.1")):
        home = tmp_path / str(len(flags))
        home.mkdir()
        with serve(home, tiny_encoder, "--keys", keys.path, *flags) as port:
            answer = httpx.post(f"http://127.0.0.1:{port}/login", data={"key": keys.secrets["viewer"]}, headers=headers)
        (path,) = (home / "audit").iterdir()
        found.append(("; Secure" in answer.headers["set-cookie"], json.loads(path.read_text())["client"]))
    assert found == [(False, "127.0.0.1"), (True, "203.0.113.9")]
