"""What a person sees who types something wrong, or stops a verb: one line, and the exit code that says which."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lookalike import cli
from lookalike.contract import EncoderSpec
from lookalike.index import open_index
from tests.clips import picture, write_clip
from tests.tiny import SPEC, write_tiny_encoder


def refused(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int | str | None, list[str]]:
    with pytest.raises(SystemExit) as exit_:
        cli.main(list(arguments))
    out, err = capfd.readouterr()
    assert out == ""
    return exit_.value.code, err.splitlines()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("pretrain x --out run --batch 1", "--batch is 1 in 1 part(s), expected at least 2 in each: batch norm needs"),
        ("pretrain x --out run --steps many", 'Invalid value for --steps: unable to convert "many" into int.'),
        ("pretrain x --out run --views odd", "--views"),
        ("pretrain --out run", "no SOURCE given"),
        ("pretrain x", "--out"),
        ("export run --nosuch 3", "--nosuch"),
        ("nosuchverb", 'Unknown command "nosuchverb"'),
    ],
)
def test_bad_arguments_are_one_line_and_exit_with_two(
    capfd: pytest.CaptureFixture[str], arguments: str, said: str
) -> None:
    code, lines = refused(capfd, *arguments.split())
    assert (code, len(lines)) == (2, 1)
    assert lines[0].startswith("lookalike: ")
    assert said in lines[0]


@pytest.mark.parametrize(("done", "said"), [((), ""), (("64 frames read, 32 new",), ": 64 frames read, 32 new")])
def test_ctrl_c_is_one_line_that_says_what_is_kept(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, done: tuple[str, ...], said: str
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt(*done)

    monkeypatch.setattr("lookalike.footage.find_sources", stopped)
    code, lines = refused(capfd, "index", "x", "--encoder", "e.onnx", "--index", "index")
    assert (code, lines) == (1, [f"lookalike: interrupted{said}; finished work is kept, run it again to resume"])


def test_too_little_memory_is_one_line(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As below `ulimit -v 1500000`, where a search ended with a traceback."""

    def too_large(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("lookalike.footage.find_sources", too_large)
    code, lines = refused(capfd, "index", "x", "--encoder", "e.onnx", "--index", "index")
    said = "lookalike: there is not enough memory; finished work is kept, free some or allow more and run it again"
    assert (code, lines) == (1, [said])


STOPPED = """
import os, signal, sys
from lookalike import cli
sys.modules["lookalike.footage"].find_sources = lambda *_: os.kill(os.getpid(), signal.SIGTERM)
cli.main(["index", "x", "--encoder", "e.onnx", "--index", "index"])
"""


@pytest.mark.trust
@pytest.mark.skipif(os.name != "posix", reason="systemd and docker stop send SIGTERM; Windows has none")
def test_sigterm_is_one_line_as_ctrl_c_is() -> None:
    command = [sys.executable, "-c", f"import lookalike.footage{STOPPED}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == "lookalike: interrupted; finished work is kept, run it again to resume\n"
    assert done.returncode == 1


@pytest.mark.trust
@pytest.mark.skipif(
    not os.path.exists("/dev/full"),
    reason="FULL STREAMS ARE NOT TESTED: only Linux has a full device",
)
def test_output_that_does_not_fit_on_its_disk_is_one_line(stored: Path) -> None:
    command = [sys.executable, "-m", "lookalike", "stats", "--index", str(stored)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    said = "lookalike: cannot write (No space left on device); finished work is kept, make room and run it again\n"
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.trust
@pytest.mark.skipif(os.name != "posix", reason="processes of Windows always have standard streams")
@pytest.mark.parametrize("missing", ["<&- >&-", "2>&-", "2>/dev/full", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("verb", "code"), [("index a.mp4 --encoder e.onnx --index index", 0), ("stats --index x", 1)])
def test_streams_that_are_closed_or_full_end_no_job(
    tmp_path: Path, tiny_encoder: Path, missing: str, verb: str, code: int
) -> None:
    """As a daemon starts one, or with a log on a full disk. Without standard output there was a traceback."""
    if "full" in missing and not os.path.exists("/dev/full"):
        pytest.skip("FULL STREAMS ARE NOT TESTED: only Linux has a full device")
    write_clip(tmp_path / "a.mp4", range(0, 400, 40))
    (tmp_path / "e.onnx").symlink_to(tiny_encoder)
    shell = f"exec {sys.executable} -m lookalike {verb} {missing}"
    done = subprocess.run(["sh", "-c", shell], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode == code
    if not code:
        with open_index(tmp_path / "index", SPEC) as index:
            assert index.count() >= 10
        assert bool(done.stdout) == missing.startswith("2>")


@pytest.mark.trust
def test_names_that_standard_output_cannot_encode_are_escaped(stored: Path, tiny_encoder: Path) -> None:
    """Such as in a file on Windows, or with an old locale."""
    write_clip(stored.with_name("b.mp4"), range(0, 400, 40), [picture(number) for number in range(10, 20)])
    at = ["--encoder", str(tiny_encoder), "--index", str(stored), "--camera", "门", "--regions", "none"]
    cli.main(["index", str(stored.with_name("b.mp4")), *at])
    command = [sys.executable, "-m", "lookalike", "stats", "--index", str(stored)]
    env = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u95e8" in done.stdout


@pytest.mark.parametrize("where", ["--stdout", "--out x.parquet"])
def test_embed_of_nothing_exits_with_1_and_says_why(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, tiny_encoder: Path, where: str
) -> None:
    """Rows on standard output were 0, as if the job was done; a table did not say why."""
    (tmp_path / "broken.mp4").write_text("text")
    words = where.replace("x.parquet", str(tmp_path / "x.parquet")).split()
    code, lines = refused(capfd, "embed", str(tmp_path / "broken.mp4"), "--encoder", str(tiny_encoder), *words)
    assert code == 1
    assert lines[-1].startswith("lookalike: no frame could be read from any source")
    assert "broken.mp4: not a readable video" in "".join(lines)


@pytest.mark.parametrize("verb", ["search --like a.mp4 --camera", "outliers --camera", "forget --source"])
def test_a_filter_that_is_not_utf8_is_one_line(
    capfd: pytest.CaptureFixture[str], stored: Path, tiny_encoder: Path, verb: str
) -> None:
    """No frame has such a name. Each was a traceback of the engine."""
    encoder = ["--encoder", str(tiny_encoder)] if verb.startswith("search") else []
    code, lines = refused(capfd, *verb.split(), "a\udcff", "--index", str(stored), *encoder)
    assert (code, len(lines)) == (2, 1)
    assert lines[0].endswith("'a\\xff': expected UTF-8")


LONG = "a" * 300  # no file system has names of more than 255 bytes


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (f"stats --index {LONG}", "cannot be read or written (File name too long)"),
        (f"search --id x --encoder {LONG} --index STORED", "cannot be read or written (File name too long)"),
        (f"restore x.tar --index {LONG}", "cannot be read or written (File name too long)"),
        ("snapshot --index STORED --out .", ".: cannot write (Is a directory)"),
        ("restore x.tar --index .", ": the working folder, which cannot be replaced; choose a folder in it"),
        ("keys add me --scope read --keys .", ".: cannot be read ([Errno 21] Is a directory: '.')"),
    ],
)
def test_a_path_that_cannot_be_used_is_one_line(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    stored: Path,
    arguments: str,
    said: str,
) -> None:
    """As is one that this account may not read: each was a traceback."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    code, lines = refused(capfd, *(str(stored) if word == "STORED" else word for word in arguments.split()))
    assert (code, len(lines)) == (1, 1)
    assert said in lines[0]


def test_without_opencv_no_regions_are_stored_and_that_is_said(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_encoder: Path
) -> None:
    """Nor does the ledger say that there are: with OpenCV there, the same command adds them."""
    write_clip(tmp_path / "a.mp4", range(0, 400, 40))
    at = ["index", str(tmp_path / "a.mp4"), "--encoder", str(tiny_encoder), "--index", str(tmp_path / "index")]
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "cv2", None)
        cli.main(at)
    out, err = capfd.readouterr()
    told = 'no regions are stored: OpenCV is missing. Run pip install "lookalike[explore]", or give --regions none.'
    assert err.splitlines().count(told) == 1
    assert json.loads(out)["points"] == 10
    with open_index(tmp_path / "index", SPEC) as index:
        assert [one.sampler for one in index.source_records()] == ["all"]
    cli.main([*at, "--regions", "none"])
    assert told not in capfd.readouterr().err


@pytest.fixture
def stored(tmp_path: Path, tiny_encoder: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    """An index of ten frames of one recording, a.mp4, next to it."""
    write_clip(tmp_path / "a.mp4", range(0, 400, 40))
    at = ["--encoder", str(tiny_encoder), "--index", str(tmp_path / "index"), "--regions", "none"]
    cli.main(["index", str(tmp_path / "a.mp4"), *at])
    capfd.readouterr()
    return tmp_path / "index"


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ("stats", "10         0         1"),
        ("verify", '"short": []'),
        ("outliers --top 1", "a.mp4"),
        ("duplicates", "other source"),
        ("cluster --clusters 1", "1        10  a"),
        ("forget --camera a", '"removed": 10'),
    ],
)
def test_what_only_looks_at_an_index_needs_no_encoder_and_runs_none(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tiny_encoder: Path,
    stored: Path,
    verb: str,
    said: str,
) -> None:
    monkeypatch.setattr("onnxruntime.InferenceSession", None)  # to call it is an error
    asked = [*verb.split(), "--index", str(stored)]
    for encoder in (["--encoder", str(tiny_encoder)], []) if verb.split()[0] != "forget" else ([],):
        cli.main([*asked, *encoder])
        assert said in capfd.readouterr().out


def test_an_encoder_that_is_given_must_be_the_one_that_filled_the_index(
    capfd: pytest.CaptureFixture[str], stored: Path, tmp_path: Path
) -> None:
    other = EncoderSpec(**{**vars(SPEC), "weights_sha256": "1" * 64})
    encoder = write_tiny_encoder(tmp_path / "other.onnx", other)
    code, lines = refused(capfd, "stats", "--index", str(stored), "--encoder", str(encoder))
    assert (code, len(lines)) == (1, 1)
    assert f"filled by encoder {SPEC.space}, this one is {other.space}" in lines[0]
