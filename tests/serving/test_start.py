"""What the service says when it cannot start, and what it takes to import it."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lookalike.cli.serve import _url
from lookalike.errors import DeviceError, IndexStoreError, LookalikeError
from lookalike.index import open_index
from lookalike.index.embedded.folder import SERVED
from serving import preflight
from serving.inference.pipeline import open_pipeline
from serving.settings import DEFAULT_ENCODER, Settings
from tests.serving.conftest import Shown, expected_embedding
from tests.serving.running import ROOT, START_S, bentoml_env, free_port, serve_command, served
from tests.tiny import SPEC, write_tiny_encoder


def test_importing_the_service_needs_neither_torch_nor_an_encoder(tmp_path: Path) -> None:
    script = "import serving.service, sys; print('torch' in sys.modules)"
    env = bentoml_env(tmp_path, {"LOOKALIKE_ENCODER": "missing.onnx"})
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_missing_encoder_stops_the_start_with_one_line(tmp_path: Path) -> None:
    env = bentoml_env(tmp_path, {"LOOKALIKE_ENCODER": "missing.onnx"})
    command = serve_command("serving.service:Lookalike", free_port())
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    expected = f"{ROOT / 'missing.onnx'}: no such file, expected an encoder; make one with `lookalike export`"
    assert done.stderr.splitlines() == [f"lookalike: {expected}"]


def write_changed_encoder(path: Path, change: Callable[[onnx.GraphProto], None]) -> Path:
    """The tiny encoder, with another graph."""
    model = onnx.load(write_tiny_encoder(path))
    change(model.graph)
    onnx.save(model, path)
    return path


def _norm_of_no_axis(graph: onnx.GraphProto) -> None:
    norm = next(node for node in graph.node if node.op_type == "LpNormalization")
    next(attribute for attribute in norm.attribute if attribute.name == "axis").i = 9


def _one_picture_only(graph: onnx.GraphProto) -> None:
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def test_a_graph_that_cannot_be_run_stops_the_start_with_one_line(tmp_path: Path) -> None:
    """A worker would be started again for ever."""
    encoder = write_changed_encoder(tmp_path / "encoder.onnx", _norm_of_no_axis)
    env = bentoml_env(tmp_path, {"LOOKALIKE_ENCODER": encoder})
    command = serve_command("serving.service:Lookalike", free_port())
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=START_S)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"lookalike: {encoder}: cannot be run (")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_norm_of_no_axis, r"cannot be run \(.*axis"),
        (_one_picture_only, r"cannot be run \(.*invalid dimensions for input: pixels"),
    ],
)
def test_a_graph_that_opens_and_embeds_no_batch_stops_the_start(
    change: Callable[[onnx.GraphProto], None], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = write_changed_encoder(tmp_path / "encoder.onnx", change)
    monkeypatch.setenv("LOOKALIKE_ENCODER", str(encoder))
    monkeypatch.setenv("LOOKALIKE_INDEX", "")
    with pytest.raises(SystemExit, match=f"lookalike: {re.escape(str(encoder))}: {reason}"):
        preflight.main()


def test_an_index_of_another_encoder_stops_the_start(
    tmp_path: Path, index_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write_tiny_encoder(tmp_path / "other.onnx", SPEC.__class__(**{**vars(SPEC), "weights_sha256": "1" * 64}))
    monkeypatch.setenv("LOOKALIKE_ENCODER", str(other))
    monkeypatch.setenv("LOOKALIKE_INDEX", str(index_folder))
    with pytest.raises(SystemExit, match=f"lookalike: .*filled by encoder {SPEC.space}"):
        preflight.main()


def test_settings_are_absolute_for_other_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"LOOKALIKE_ENCODER": "encoder.onnx", "LOOKALIKE_INDEX": "index", "LOOKALIKE_DEVICE": "cpu"}
    given |= {"LOOKALIKE_KEYS": "keys.json", "LOOKALIKE_AUDIT_LOG": "audit", "LOOKALIKE_ALLOWED_HOSTS": "a, b"}
    assert Settings.from_env(given | {"LOOKALIKE_CACHE": "kept"}).to_env() == {
        "LOOKALIKE_ENCODER": str(tmp_path / "encoder.onnx"),
        "LOOKALIKE_INDEX": str(tmp_path / "index"),
        "LOOKALIKE_DEVICE": "cpu",
        "LOOKALIKE_WORKERS": "1",
        "LOOKALIKE_MAX_WAIT_S": "2.0",
        "LOOKALIKE_MIN_FREE_MB": "256",
        "LOOKALIKE_WRITABLE": "0",
        "LOOKALIKE_CACHE": str(tmp_path / "kept"),
        "LOOKALIKE_URL": "",
        "LOOKALIKE_HOST": "",
        "LOOKALIKE_ALLOWED_HOSTS": "a,b",
        "LOOKALIKE_KEYS": str(tmp_path / "keys.json"),
        "LOOKALIKE_AUDIT_LOG": str(tmp_path / "audit"),
        "LOOKALIKE_LOG_FORMAT": "text",
        "LOOKALIKE_PROXY_ENCODER": "",
    }


def test_keys_in_the_environment_and_no_audit_log_travel_as_they_are() -> None:
    given = Settings.from_env({"LOOKALIKE_KEYS": "[]", "LOOKALIKE_AUDIT_LOG": "off"})
    assert (given.keys, given.audit_log) == ("[]", None)
    assert Settings.from_env(given.to_env()) == given
    assert Settings.from_env({"XDG_STATE_HOME": "/var/state"}).audit_log == Path("/var/state/lookalike/audit")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:3000"),
        ("0.0.0.0", "http://127.0.0.1:3000"),
        ("::", "http://[::1]:3000"),
        ("fd00::1", "http://[fd00::1]:3000"),
        ("archive", "http://archive:3000"),
    ],
)
def test_where_this_machine_reaches_what_listens_on_an_address(host: str, url: str) -> None:
    assert _url(host, 3000) == url


def test_a_service_notes_in_its_index_where_it_answers(tmp_path: Path, tiny_encoder: Path) -> None:
    open_index(tmp_path / "index", SPEC, create=True).close()
    url = f"http://127.0.0.1:{free_port()}"
    settings = Settings(encoder=tiny_encoder, index=str(tmp_path / "index"), device="cpu", url=url)

    async def serve() -> str:
        async with open_pipeline(Settings.from_env(settings.to_env())):
            return (tmp_path / "index" / SERVED).read_text().strip()

    assert asyncio.run(serve()) == settings.url


def test_what_is_made_is_kept_where_caches_are() -> None:
    assert Settings.from_env({"XDG_CACHE_HOME": "/var/cache"}).cache == Path("/var/cache/lookalike")
    assert Settings.from_env({"HOME": "/nobody"}).cache == Path.home() / ".cache" / "lookalike"


def test_the_encoder_of_proxies() -> None:
    settings = Settings.from_env({"LOOKALIKE_PROXY_ENCODER": "libvpx-vp9"})
    assert (settings.proxy_encoder, settings.to_env()["LOOKALIKE_PROXY_ENCODER"]) == ("libvpx-vp9", "libvpx-vp9")
    with pytest.raises(LookalikeError, match="ENCODER is 'x', expected one of libx264, libvpx-vp9, libsvtav1"):
        Settings.from_env({"LOOKALIKE_PROXY_ENCODER": "x"})


def test_an_encoder_of_proxies_that_is_not_there_stops_the_start(
    tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("av.codecs_available", {"libvpx-vp9"})
    monkeypatch.setenv("LOOKALIKE_ENCODER", str(tiny_encoder))
    monkeypatch.setenv("LOOKALIKE_PROXY_ENCODER", "libx264")
    with pytest.raises(SystemExit, match="lookalike: no encoder libx264 in this build of av, expected one of libvpx"):
        preflight.main()


def test_an_index_is_written_through_the_service_wherever_it_is() -> None:
    for index in ("index", "http://127.0.0.1:6333", "http://a:6333,http://b:6333/frames"):
        settings = Settings.from_env({"LOOKALIKE_WRITABLE": "1", "LOOKALIKE_INDEX": index})
        assert (settings.writable, settings.embedded) == (True, index == "index")
    with pytest.raises(IndexStoreError, match="a writable service needs an index: a folder, or the URL of a Qdrant"):
        Settings.from_env({"LOOKALIKE_WRITABLE": "1", "LOOKALIKE_INDEX": ""})
    with pytest.raises(LookalikeError, match="LOOKALIKE_WRITABLE is 'yes', expected 1 or 0"):
        Settings.from_env({"LOOKALIKE_WRITABLE": "yes"})


def test_several_workers_share_the_cores_and_no_embedded_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    server = Settings.from_env({"LOOKALIKE_WORKERS": "2", "LOOKALIKE_INDEX": "http://127.0.0.1:6333"})
    assert (server.workers, server.threads) == (2, 3)
    assert Settings.from_env({"LOOKALIKE_WORKERS": "9"}).threads == 1
    assert Settings.from_env({}).threads is None
    with pytest.raises(IndexStoreError, match="index: an embedded index belongs to one process, got 2 workers; serve"):
        Settings.from_env({"LOOKALIKE_WORKERS": "2", "LOOKALIKE_INDEX": "index"})
    for wrong in ("0", "-1", "two", "1.5"):
        with pytest.raises(LookalikeError, match=r"LOOKALIKE_WORKERS is .* expected a whole number from 1"):
            Settings.from_env({"LOOKALIKE_WORKERS": wrong})


def test_two_workers_serve(tiny_encoder: Path, footage: list[Shown], tmp_path: Path) -> None:
    env = bentoml_env(tmp_path, {"LOOKALIKE_ENCODER": tiny_encoder, "LOOKALIKE_WORKERS": "2"})
    with served("serving.service:Lookalike", env, ROOT, tmp_path / "log") as client:
        for shown in footage:
            answer = client.post("/embed", files={"images": shown.png}).raise_for_status().json()
            np.testing.assert_allclose(answer["embeddings"], [expected_embedding(shown.png)], atol=1e-5)
        deadline = time.monotonic() + START_S  # the first may answer before the second is there
        while time.monotonic() < deadline and _initialized(tmp_path / "log") < 2:
            time.sleep(0.1)
        counts = [_counted(client, "/embed") for _ in range(10)]  # by either worker
    assert _initialized(tmp_path / "log") == 2
    assert counts == [len(footage)] * 10


def _counted(client: httpx.Client, route: str) -> float:
    """How many requests of a route the histogram of /metrics has. On a new connection, which any worker may take."""
    text = httpx.get(f"{client.base_url}/metrics").text
    families = text_string_to_metric_families(text)
    [family] = [family for family in families if family.name == "lookalike_request_seconds"]
    wanted = ("lookalike_request_seconds_count", route)
    return sum(sample.value for sample in family.samples if (sample.name, sample.labels.get("route")) == wanted)


def _initialized(log: Path) -> int:
    return log.read_text().count("Service lookalike initialized")


def test_a_server_s_url_is_left_as_it_is() -> None:
    settings = Settings.from_env({"LOOKALIKE_INDEX": "http://127.0.0.1:6333/frames"})
    assert settings.to_env()["LOOKALIKE_INDEX"] == "http://127.0.0.1:6333/frames"


def test_defaults() -> None:
    found = Settings.from_env({"LOOKALIKE_INDEX": "", "LOOKALIKE_AUDIT_LOG": "off"})
    assert found == Settings(encoder=DEFAULT_ENCODER, index=None, device="auto")


def test_an_unknown_device_is_named() -> None:
    with pytest.raises(
        DeviceError, match="LOOKALIKE_DEVICE is 'tpu', expected one of auto, cpu, cuda, tensorrt, openvino"
    ):
        Settings.from_env({"LOOKALIKE_DEVICE": "tpu"})


@pytest.mark.parametrize("text", ["0", "-1", "60", "soon", "nan"])
def test_a_wait_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(LookalikeError, match="expected seconds above 0 and below 60"):
        Settings.from_env({"LOOKALIKE_MAX_WAIT_S": text})


def test_the_wait_and_the_margin_are_settings() -> None:
    settings = Settings.from_env({"LOOKALIKE_MAX_WAIT_S": "0.5", "LOOKALIKE_MIN_FREE_MB": "10"})
    assert (settings.max_wait_s, settings.min_free_mb) == (0.5, 10)
