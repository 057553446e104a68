"""What stands in for --encoder and --index: which of several counts, and what a broken lookalike.toml says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lookalike import cli
from lookalike.index import open_index
from tests.index.circle import SPEC, at, frame
from tests.tiny import SPEC as TINY

NAMES = ("flag", "environment", "file")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory in which nothing is set, with an index of one frame by the name of each of NAMES."""
    for name in NAMES:
        with open_index(tmp_path / name, SPEC, create=True) as index:
            index.add([frame("a", 0, camera=name)], at(0))
    monkeypatch.chdir(tmp_path)
    for variable in ("LOOKALIKE_ENCODER", "LOOKALIKE_INDEX"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def failed(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int | str | None, str]:
    with pytest.raises(SystemExit) as exit_:
        cli.main(list(arguments))
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return exit_.value.code, err.strip()


@pytest.mark.parametrize(
    ("flag", "variable", "file", "counts"),
    [
        ("flag", "environment", "file", "flag"),
        ("flag", None, "file", "flag"),
        (None, "environment", "file", "environment"),
        (None, "", "file", "file"),
        (None, None, "file", "file"),
    ],
)
def test_a_flag_comes_before_the_environment_and_that_before_the_file(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
    flag: str | None,
    variable: str | None,
    file: str,
    counts: str,
) -> None:
    (home / "lookalike.toml").write_text(f'index = "{file}"\n')
    if variable is not None:
        monkeypatch.setenv("LOOKALIKE_INDEX", variable)
    cli.main(["stats", "--json", *(["--index", flag] if flag else [])])
    assert json.loads(capfd.readouterr().out)["camera"] == counts


def test_without_any_the_flag_is_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    assert failed(capfd, "stats") == (2, 'lookalike: Command "stats" parameter --index requires an argument.')


@pytest.mark.parametrize("verb", ["info", "search a.jpg", "index a.jpg"])
def test_the_encoder_of_every_verb_has_a_stand_in(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path, verb: str
) -> None:
    """It is none that can be read, and each says so of the one that counts."""
    (home / "a.jpg").touch()
    (home / "lookalike.toml").write_text('encoder = "of_file.onnx"\nindex = "file"\n')
    assert failed(capfd, *verb.split())[1].startswith("lookalike: of_file.onnx: no such file")
    monkeypatch.setenv("LOOKALIKE_ENCODER", "of_environment.onnx")
    assert failed(capfd, *verb.split())[1].startswith("lookalike: of_environment.onnx: no such file")


def test_the_encoder_that_stands_in_is_used(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_encoder: Path
) -> None:
    monkeypatch.setenv("LOOKALIKE_ENCODER", str(tiny_encoder))
    cli.main(["info"])
    assert json.loads(capfd.readouterr().out)["space"] == TINY.space


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('encodr = "e.onnx"', "unknown key 'encodr', expected encoder or index"),
        ("index = 3", "index is '3', expected a text that is not empty"),
        ('index = ""', "index is '', expected a text that is not empty"),
        ("[stats]\nindex = 'file'", "unknown key 'stats', expected encoder or index"),
        ("index = file", "cannot be read ("),
        ('index = "a\nb"', "cannot be read ("),
        ("index = '\x1b[2J'", "cannot be read ("),
        (b"index = '\xff'", "cannot be read ("),
    ],
)
def test_a_broken_file_is_one_line_that_exits_with_two(
    capfd: pytest.CaptureFixture[str], home: Path, written: str | bytes, said: str
) -> None:
    (home / "lookalike.toml").write_bytes(written if isinstance(written, bytes) else written.encode())
    code, line = failed(capfd, "stats")
    assert code == 2
    assert line.startswith(f"lookalike: lookalike.toml: {said}")


def test_a_folder_of_that_name_is_one_line_too(capfd: pytest.CaptureFixture[str], home: Path) -> None:
    (home / "lookalike.toml").mkdir()
    code, line = failed(capfd, "stats")
    assert (code, line.startswith("lookalike: lookalike.toml: cannot be read (")) == (2, True)


def test_what_excludes_an_encoder_is_not_changed_by_a_default(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOKALIKE_ENCODER", "e.onnx")
    monkeypatch.setenv("LOOKALIKE_INDEX", "file")
    cli.main(["reindex", "--discard"])
    assert json.loads(capfd.readouterr().out) == {"index": "file", "discarded": []}
    assert failed(capfd, "reindex", "--discard", "--encoder", "e.onnx")[0] == 2
    assert failed(capfd, "reindex")[1].startswith("lookalike: e.onnx: no such file")


def test_an_encoder_that_stands_in_must_match_as_one_that_is_given(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_encoder: Path
) -> None:
    monkeypatch.setenv("LOOKALIKE_ENCODER", str(tiny_encoder))
    code, line = failed(capfd, "stats", "--index", "file")
    assert code == 1
    assert f"filled by encoder {SPEC.space}, this one is {TINY.space}" in line


def test_bash_completes_verbs_and_their_flags(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("HOME", str(home))
    cli.main(["--install-completion", "--shell", "bash"])
    script = home / ".local/share/bash-completion/completions/lookalike"
    assert str(script) in (home / ".bashrc").read_text()
    assert str(script) in capfd.readouterr().out
    for words, completed in (("out", {"outliers"}), ("stats --in", {"--index"})):
        typed = ["lookalike", *words.split()]
        asked = f"COMP_WORDS=({' '.join(typed)}); COMP_CWORD={len(typed) - 1}; _lookalike"
        command = f'. "{script}"; {asked}; printf "%s\\n" "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        assert set(done.stdout.split()) == completed
