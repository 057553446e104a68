"""The doctor says what is wrong with a machine or an index, and what to do."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import struct
import subprocess
import tempfile
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import onnx
import onnxruntime
import pytest

from exporters.graph import write_spec
from lookalike import cli, doctor, runtime
from lookalike.doctor import Finding
from lookalike.errors import IndexStoreError, IndexUnavailable, ServiceError
from lookalike.index import SourceRecord, open_index
from tests.index.circle import SPEC, at, frame, write_circle_encoder
from tests.index.embedded.test_damaged import damage_frames
from tests.tiny import SPEC as TINY
from tests.tiny import write_tiny_encoder


def states(findings: list[Finding]) -> dict[str, str]:
    return {finding.what: finding.state for finding in findings}


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("8.1.2", "good"),
        ("n8.1.2-3-gabc", "good"),
        ("9.0", "good"),
        ("8.1", "warning"),
        ("8.0.1", "bad"),
        ("git", "good"),
    ],
)
def test_an_old_ffmpeg_is_named(monkeypatch: pytest.MonkeyPatch, version: str, state: str) -> None:
    monkeypatch.setattr(av, "ffmpeg_version_info", version)
    finding = next(iter(doctor.check_codecs()))
    assert (finding.what, finding.state) == ("ffmpeg", state)
    assert f"FFmpeg {version}, in av {av.__version__}" in finding.text
    assert bool(finding.advice) == (state != "good")


def test_codecs_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert states(list(doctor.check_codecs())) == {"ffmpeg": "good", "decoders": "good", "playback": "good"}
    monkeypatch.setattr(av, "codecs_available", {"h264", "mjpeg"})
    _, decoders, playback = doctor.check_codecs()
    assert decoders.state == playback.state == "warning"
    assert decoders.text == "hevc, av1, vp9, vp8, mpeg4, mpeg2video missing"


def test_a_driver_that_onnxruntime_cannot_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "has_nvidia_driver", lambda: True)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    finding = doctor.check_providers()
    assert (finding.state, finding.advice) == ("warning", runtime.REMEDIES["cuda"])
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    finding = doctor.check_providers()
    assert (finding.state, finding.text) == ("good", "--device auto takes cuda; this onnxruntime knows cuda")


def test_a_disk_that_is_nearly_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10e9, 9e9, 1e9))
    finding = doctor.check_disk("cache", tmp_path / "not" / "yet")
    assert (finding.what, finding.state) == ("disk: cache", "warning")
    assert finding.text.endswith("1.0 of 10.0 GB are free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10e9, 1e9, 9e9))
    assert doctor.check_disk("cache", tmp_path).state == "good"


def test_without_a_folder_for_temporary_files(no_temporary: None, capsys: pytest.CaptureFixture[str]) -> None:
    """As in a container whose file system is read-only. BentoML's error would be a traceback."""
    finding = doctor.check_temporary()
    assert (finding.what, finding.state) == ("disk: temporary", "bad")
    assert finding.advice == "set TMPDIR to a folder that can be written"
    with pytest.raises(SystemExit) as stop:
        cli.main(["serve", "--encoder", "encoder.onnx"])
    said = "lookalike: there is no folder for temporary files that can be written: set TMPDIR to one\n"
    assert (stop.value.code, capsys.readouterr().err) == (1, said)


@pytest.fixture
def no_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc"])


def test_a_clock_before_this_version() -> None:
    assert doctor.check_clock(datetime(1970, 1, 1, tzinfo=UTC), True).state == "bad"
    assert doctor.check_clock(datetime(2027, 1, 1, tzinfo=UTC), None).state == "good"


def test_a_clock_that_nothing_keeps_right() -> None:
    now = datetime(2027, 1, 1, tzinfo=UTC)
    good, adrift = doctor.check_clock(now, True), doctor.check_clock(now, False)
    assert (good.state, good.text.startswith("2027-01-01T00:00:00+00:00, local zone ")) == ("good", True)
    assert good.text.endswith(", synchronised")
    assert (adrift.state, adrift.text.endswith(": not synchronised"), bool(adrift.advice)) == ("warning", True, True)


@pytest.mark.parametrize(("state", "known"), [(0, True), (1, True), (5, False), (-1, None)])
def test_the_kernel_says_whether_its_clock_is_right(
    monkeypatch: pytest.MonkeyPatch, state: int, known: bool | None
) -> None:
    asked = namedtuple("libc", "adjtimex")(lambda timex: state if not any(timex) else pytest.fail("it would be set"))
    monkeypatch.setattr("ctypes.CDLL", lambda name: asked)
    assert doctor.is_clock_synchronised() is known
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())  # macOS has no adjtimex
    assert doctor.is_clock_synchronised() is None


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (IndexUnavailable("does not answer"), "check that the server runs, and that this machine reaches it"),
        (IndexStoreError("the Qdrant server refuses the API key"), "check the URL, and the API key"),
        (ServiceError("401"), "check the URL, and the API key"),
    ],
)
def test_an_index_on_a_server_that_fails(monkeypatch: pytest.MonkeyPatch, error: Exception, advice: str) -> None:
    def fail(location: str) -> None:
        raise error

    monkeypatch.setattr("lookalike.index.open_index", fail)
    (finding,) = doctor.check_index("http://archive:6333")
    assert (finding.state, finding.text, finding.advice) == ("bad", str(error), advice)


def test_a_server_that_is_not_there() -> None:
    (finding,) = doctor.check_index("http://127.0.0.1:9")
    assert (finding.state, "does not answer" in finding.text) == ("bad", True)
    assert finding.advice == "check that the server runs, and that this machine reaches it"


def test_an_encoder(tmp_path: Path) -> None:
    finding = doctor.check_encoder(write_circle_encoder(tmp_path / "circle.onnx"))
    assert finding.state == "good"
    assert finding.text.endswith("circle.onnx: circle, 2 px, 2 numbers, fp32")
    (tmp_path / "other.onnx").write_bytes(b"no model")
    assert doctor.check_encoder(tmp_path / "other.onnx").state == "bad"


@pytest.mark.trust
def test_an_encoder_whose_weights_are_damaged(tmp_path: Path) -> None:
    """Its metadata is whole."""
    path = write_tiny_encoder(tmp_path / "tiny.onnx")
    model = onnx.load(path)
    write_spec(model, TINY, sealed=True)
    onnx.save(model, path)
    assert doctor.check_encoder(path).state == "good"
    grey = struct.pack("<f", 127.5)
    path.write_bytes(path.read_bytes().replace(grey, struct.pack("<f", 127.0)))
    finding = doctor.check_encoder(path)
    assert (finding.state, "SHA-256" in finding.text) == ("bad", True)


def test_an_index(tmp_path: Path) -> None:
    (tmp_path / "gate.mp4").write_bytes(b"a recording")
    here = dataclasses.replace(frame("a", 0.0), source=str(tmp_path / "gate.mp4"))
    with open_index(tmp_path / "index", SPEC, create=True) as index:
        index.add([here], at(0))
        index.mark_complete([SourceRecord("a", "s", here.source, 1, 1)])
        (busy,) = doctor.check_index(str(tmp_path / "index"))
        assert (busy.state, "in use by another process" in busy.text) == ("warning", True)
    (finding,) = doctor.check_index(str(tmp_path / "index"))
    assert (finding.state, finding.advice) == ("good", "")
    assert finding.text.endswith("index: 1 frames and regions of 1 sources, 1 cameras")

    tomorrow = datetime.now(UTC) + timedelta(days=2)
    with open_index(tmp_path / "index", SPEC) as index:
        index.add([frame("b", 0.0, captured_at=tomorrow)], at(1))
    lost, dates = doctor.check_index(str(tmp_path / "index"))
    assert lost.text.endswith("1 sources are gone, 0 have fewer frames than were stored")
    assert (lost.state, dates.state) == ("warning", "warning")
    assert dates.text.endswith("in the future")

    with open_index(tmp_path / "index", SPEC) as index:
        index.mark_complete([SourceRecord("b", "s", "b.mp4", 2, 2)])
    short, _ = doctor.check_index(str(tmp_path / "index"))
    assert short.text.endswith("1 sources are gone, 1 have fewer frames than were stored")
    assert (short.state, "restore a snapshot" in short.advice) == ("bad", True)

    (missing,) = doctor.check_index(str(tmp_path / "nothing"))
    assert missing.state == "bad"


@pytest.mark.trust
def test_a_damaged_index_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that ends who reads it: its files are mapped, and there may be less of them than there was."""
    folder = tmp_path / "index"
    with open_index(folder, SPEC, create=True) as index:
        index.add([frame("a", 0.0)], at(0))
    shutil.copytree(folder, tmp_path / "lost")
    with open_index(tmp_path / "lost", SPEC) as index:
        index.mark_complete([SourceRecord("a", "all", "gate/a.mp4", 1, 1)])
    for name in ("segments", "wal"):  # the engine writes again what its log has
        shutil.rmtree(tmp_path / "lost" / "shard" / name)
    (finding,) = doctor.check_folder(str(tmp_path / "lost"))
    assert (finding.state, "its frames are gone" in finding.text) == ("bad", True)
    damage_frames(folder)
    (finding,) = doctor.check_folder(str(folder))
    assert (finding.state, "engine failed in scroll" in finding.text) == ("bad", True)
    ended = subprocess.CompletedProcess([], -signal.SIGBUS, "", "")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **named: ended)
    (finding,) = doctor.check_folder(str(folder))
    assert finding.text == f"{folder}: damaged; reading it ended the process (signal {signal.SIGBUS:d})"


@pytest.mark.trust
def test_what_this_account_may_not_read_is_not_called_damaged() -> None:
    """A snapshot would have been restored over a good index. A name that is too long fails as missing rights do."""
    name = "a" * 300
    findings = [*doctor.check_folder(name), doctor.check_disk("index", Path(name)), doctor.check_encoder(Path(name))]
    assert states(findings) == {"index": "bad", "disk: index": "bad", "encoder": "bad"}
    for finding in findings:
        assert finding.text == f"{name}: File name too long"
        assert "check" in finding.advice


def test_the_verb_prints_a_line_each_and_fails_if_one_is_bad(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "kept"))
    cli.main(["doctor", "--json"])
    findings = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert findings[7]["text"].startswith(f"{tmp_path / 'kept'}: ")
    assert [finding["what"] for finding in findings] == [
        *("python", "packages", "providers", "ffmpeg", "decoders", "playback"),
        *("disk: here", "disk: cache", "disk: temporary", "clock"),
    ]
    with pytest.raises(SystemExit) as stop:
        cli.main(["doctor", "--index", str(tmp_path / "nothing")])
    assert stop.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith(" BAD  index           ")
    assert lines[-1] == f"{'':22}-> restore a snapshot, or index the footage again"
