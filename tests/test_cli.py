"""What a person sees who types something wrong, or stops a verb: one line, and the exit code that says which."""

from __future__ import annotations

import pytest

from lookalike import cli


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
    assert (code, lines) == (1, [f"lookalike: interrupted{said}; what was done is kept, run it again to go on"])
