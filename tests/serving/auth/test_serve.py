"""`lookalike serve`: what it refuses before anything loads, and TLS."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import numpy as np
import pytest

from lookalike import Client, cli
from lookalike.errors import IndexStoreError
from lookalike.index.service import ask_who
from lookalike.keys import KeyFile
from serving import preflight
from tests.serving.auth.conftest import Keys
from tests.serving.running import ROOT, START_S, bentoml_env, free_port, wait_until_ready
from tests.tiny import SPEC

pytestmark = pytest.mark.trust

SELF_SIGNED = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
TLS = ("--tls-cert", "cert.pem", "--tls-key", "key.pem")
NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


def refused(capsys: pytest.CaptureFixture[str], *flags: object) -> tuple[int, str]:
    """Exit code and message of `serve`, which must end before it looks for the encoder."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["serve", "--encoder", "missing.onnx", *map(str, flags)])
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().err.strip()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "archive"])
def test_an_address_that_others_reach_is_refused_without_keys(host: str, capsys: pytest.CaptureFixture[str]) -> None:
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


def test_a_file_of_keys_that_the_environment_misspells_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service would ask for no key, and everybody whom a proxy on this machine lets in could do everything."""
    missing = tmp_path / "kyes.json"
    monkeypatch.setenv("LOOKALIKE_KEYS", str(missing))
    expected = (
        f"lookalike: {missing}: no such file, which LOOKALIKE_KEYS names; make it with `lookalike keys add NAME`, or"
        " unset the variable"
    )
    assert refused(capsys) == (1, expected)
    with pytest.raises(SystemExit) as ended:
        preflight.main()
    assert ended.value.code == expected


def test_a_file_of_keys_that_cannot_be_looked_at_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As one in a folder that the account may not read, or keys that were given without their brackets."""
    monkeypatch.setenv("LOOKALIKE_KEYS", "k" * 300)
    expected = f"{'k' * 300}: cannot be read ("
    code, message = refused(capsys)
    assert (code, expected in message) == (1, True)
    with pytest.raises(SystemExit) as ended:
        preflight.main()
    assert str(ended.value.code).startswith(f"lookalike: {expected}")


@pytest.mark.parametrize("port", [-1, 0, 65_536])
def test_a_port_that_no_client_can_ask_is_refused(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """At 0 the service listened somewhere, and said 0."""
    assert refused(capsys, "--port", port) == (2, f"lookalike: --port is {port}, expected 1 to 65535")


@pytest.mark.parametrize("host", ["a" * 64, "here..", "[::1]", "localhost:3000"])
def test_a_host_that_is_no_name_is_one_line(host: str, keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    code, message = refused(capsys, "--host", host, "--keys", keys.path)
    assert (code, message.startswith(f"lookalike: cannot listen on port 3000 of {host} (")) == (1, True)
    assert "\n" not in message


def test_a_blank_token_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LOOKALIKE_TOKEN", " \n")
    assert refused(capsys) == (1, "lookalike: LOOKALIKE_TOKEN is blank; set it to a secret, or unset it")


def test_half_of_a_certificate_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, message = refused(capsys, "--tls-cert", tmp_path / "a.pem")
    assert (code, message) == (2, "lookalike: --tls-cert and --tls-key belong together, got one of them")
    (tmp_path / "a.pem").write_text("no certificate")
    code, message = refused(capsys, "--tls-cert", tmp_path / "a.pem", "--tls-key", tmp_path / "a.pem")
    assert (code, "cannot be used" in message) == (1, True)


def test_an_expired_certificate_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service starts: there may be clients that do not check it. Of a valid one, nothing is said."""
    monkeypatch.setattr("os.execve", lambda path, words, env: None)
    monkeypatch.chdir(tmp_path)
    said = []
    for days in (-1, 2):
        request = "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out request.pem"
        for command in (request, f"x509 -req -in request.pem -signkey key.pem -days {days} -out cert.pem"):
            subprocess.run(["openssl", *command.split()], check=True, capture_output=True)
        cli.main(["serve", "--encoder", "a.onnx", "--port", str(free_port()), *TLS])
        said.append(capsys.readouterr().err)
    expired = "--tls-cert cert.pem: certificate has expired; clients that check it refuse the service: renew it,"
    assert said == [f"{expired} then `kill -HUP`\n", ""]


def test_a_key_with_a_passphrase_is_refused_without_asking_for_it(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make = ["openssl", *SELF_SIGNED.replace("-nodes ", "").split(), "-passout", "pass:secret"]
    subprocess.run([*make, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    command = [sys.executable, "-m", "lookalike", "serve", "--encoder", "missing.onnx", "--tls-cert", cert]
    done = subprocess.run([*command, "--tls-key", key], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.endswith("expected PEM, a key that belongs to the certificate and has no passphrase")


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--allowed-host", "films.example:8443", "invalid name 'films.example:8443': expected a host without scheme"),
        ("--allowed-host", "https://films.example", "expected a host without scheme and port"),
        ("--allowed-host", "films.example,other.example", "expected a host without scheme and port"),
        ("--allowed-host", "bücher.example", "as browsers send it, xn--..."),
        ("--allowed-host", "[films.example]", "expected a host without scheme and port"),
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


@pytest.mark.parametrize(
    ("flags", "audit_log", "proxies"),
    [
        (("--no-audit-log",), "off", ""),
        (("--audit-log", "logs", "--trusted-proxy", "10.0.0.7"), "logs", "10.0.0.7/32"),
        (
            ("--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "::1"),
            ".local/state/lookalike/audit",
            "10.0.0.0/8,::1/128",
        ),
    ],
)
def test_settings_of_the_worker(
    flags: tuple[str, ...], audit_log: str, proxies: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the shell says of proxies does not count."""
    started = list[dict[str, str]]()
    monkeypatch.setattr("os.execve", lambda path, words, env: started.append(env))
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    monkeypatch.delenv("LOOKALIKE_AUDIT_LOG")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    cli.main(["serve", "--encoder", "missing.onnx", "--port", str(free_port()), *flags])
    (env,) = started
    assert env["LOOKALIKE_AUDIT_LOG"] == (audit_log if audit_log == "off" else str(tmp_path / audit_log))
    assert env["FORWARDED_ALLOW_IPS"] == proxies


@pytest.mark.parametrize(("host", "address"), [("localhost", "127.0.0.1"), ("127.1", "127.0.0.1")])
def test_a_host_may_be_a_name(host: str, address: str, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """BentoML takes addresses only: `--host localhost` ended with "Invalid host IP address"."""
    started = list[tuple[list[str], dict[str, str]]]()
    monkeypatch.setattr("os.execve", lambda path, words, env: started.append((words, env)))
    cli.main(["serve", "--encoder", "a.onnx", "--port", str(free_port()), "--host", host, "--keys", str(keys.path)])
    ((words, env),) = started
    assert (words[words.index("--host") + 1], env["LOOKALIKE_HOST"]) == (address, host)


@contextmanager
def serve(home: Path, tiny_encoder: Path, *flags: object) -> Iterator[int]:
    """`lookalike serve` without an index; its process is in the file `pid`. Yields: its port."""
    port, log = free_port(), home / "log"
    words = ["serve", "--encoder", tiny_encoder, "--port", port, "--audit-log", home / "audit", *flags]
    env = {name: value for name, value in bentoml_env(home, {}).items() if name != "LOOKALIKE_KEYS"}
    command = [sys.executable, "-m", "lookalike", *map(str, words)]
    scheme = "https" if "--tls-cert" in flags else "http"
    with log.open("w") as output:
        process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=output, stderr=output)
    (home / "pid").write_text(str(process.pid))
    try:
        verify = ssl.create_default_context(cafile=home / "cert.pem") if scheme == "https" else True
        with httpx.Client(base_url=f"{scheme}://127.0.0.1:{port}", verify=verify, timeout=60) as client:
            wait_until_ready(client, process, log)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_https_on_all_addresses_with_a_name_and_keys(
    tmp_path: Path, tiny_encoder: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        with pytest.raises(IndexStoreError, match=r"its certificate is not trusted .* in SSL_CERT_FILE$"):
            ask_who(f"https://127.0.0.1:{port}")
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        assert (ask_who(f"https://127.0.0.1:{port}") or {})["space"] == SPEC.space
        with Client(f"https://127.0.0.1:{port}", token=keys.secrets["embedder"]) as own:
            assert own.embed([np.zeros((8, 8, 3), np.uint8)]).shape == (1, SPEC.dim)
    (path,) = (tmp_path / "audit").iterdir()
    assert path.name == f"audit-{port}-1.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["key"], line["operation"], line["status"]) for line in lines] == [
        (None, "GET /ui", 421),
        (None, "GET /ui", 401),
        ("embedder", "login", 303),
        (None, "POST /embed", 403),
        ("embedder", "embed", 200),
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="RENEWED CERTIFICATES ARE NOT TESTED: Windows has no SIGHUP")
def test_a_renewed_certificate_counts_after_sighup(tmp_path: Path, tiny_encoder: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make = ["openssl", *SELF_SIGNED.split(), "-addext", NAMES, "-keyout", str(key), "-out", str(cert)]
    subprocess.run(make, check=True, capture_output=True)
    with serve(tmp_path, tiny_encoder, "--tls-cert", cert, "--tls-key", key) as port:
        before, deadline = ssl.get_server_certificate(("127.0.0.1", port)), time.monotonic() + START_S
        assert before == cert.read_text()
        subprocess.run(make, check=True, capture_output=True)
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGHUP)
        while (now := ssl.get_server_certificate(("127.0.0.1", port))) == before and time.monotonic() < deadline:
            time.sleep(0.2)
        assert now == cert.read_text()


def ports_of(home: Path) -> set[int]:
    """TCP ports at which the service listens, its supervisor included, which would start any program."""
    processes = [path.parent for path in Path("/proc").glob("[0-9]*/environ") if is_of(path, home)]
    assert len(processes) >= 3
    sockets = {socket for process in processes for socket in open_files(process)}
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    listening = [line for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets]
    return {int(line[1].rpartition(":")[2], 16) for line in listening}


def open_files(process: Path) -> Iterator[str]:
    for path in (process / "fd").iterdir():
        with suppress(OSError):  # it was closed meanwhile
            yield os.readlink(path)


def is_of(environ: Path, home: Path) -> bool:
    with suppress(OSError):
        return f"BENTOML_HOME={home}".encode() in environ.read_bytes().split(b"\0")
    return False


def test_two_workers_know_a_key_and_that_it_was_revoked(tmp_path: Path, tiny_encoder: Path, keys: Keys) -> None:
    def ask() -> int:
        """Over a connection of its own, so that either worker may answer."""
        return httpx.get(f"http://127.0.0.1:{port}/ui", headers=keys.bearer("viewer")).status_code

    def answered() -> set[str]:
        return {path.name for path in (tmp_path / "audit").glob("*")}

    with serve(tmp_path, tiny_encoder, "--keys", keys.path, "--workers", 2) as port:
        if sys.platform == "linux":  # /proc says who listens
            assert ports_of(tmp_path) == {port}
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
