"""Data on standard output, everything for people on standard error."""

from __future__ import annotations

from lookalike.console import (
    SAME_REASON,
    frame_counter,
    print_data,
    say,
    step_bar,
    warn_all_skipped,
    warn_skipped,
    work_bar,
)
from lookalike.footage import Skipped


def test_data_and_talk_are_kept_apart(capsys):
    say("3 frames")
    print_data('{"frames": 3}')
    assert capsys.readouterr() == ('{"frames": 3}\n', "3 frames\n")


def test_a_line_is_neither_wrapped_nor_taken_as_markup(capsys):
    line = "[red]gate[/red] " + "x" * 500 + " :smile: \\[x]"
    say(line)
    assert capsys.readouterr().err == line + "\n"


def test_a_skipped_source_is_reported_with_what_was_read_before(capsys):
    warn_skipped(Skipped("a.mp4", "empty file", 0))
    warn_skipped(Skipped("b.mp4", "ends early", 44))
    assert capsys.readouterr().err == "skipped a.mp4: empty file\nread 44 frames of b.mp4: ends early\n"


def test_progress_leaves_standard_output_alone(capsys):
    with step_bar("training", 2) as update:
        update(1, "loss 4.0")
        update(2, "loss 3.0")
    with frame_counter("reading"):
        pass
    assert capsys.readouterr() == ("", "training 2/2 loss 3.0\n")  # no terminal: the last step, and one line per 10 s


def test_work_tells_its_length_once_it_has_begun(capsys):
    with work_bar("fitting the head"):
        pass
    assert capsys.readouterr() == ("", "")
    with work_bar("fitting the head") as update:
        update(1, 3)
        update(3, 3)
    assert capsys.readouterr() == ("", "fitting the head 3/3\n")


def test_reasons_that_many_share_are_counted(capsys):
    warn_all_skipped([Skipped(f"{number}.idx", "unknown", 0) for number in range(SAME_REASON + 5)])
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "skipped 0.idx: unknown"
    assert lines[SAME_REASON:] == ["skipped 5 more: unknown"]


def test_a_name_takes_one_line_and_acts_on_nothing(capsys):
    say("skipped a\nb\x1b[31m.mp4: empty file")
    assert capsys.readouterr().err == "skipped a\\nb\\x1b[31m.mp4: empty file\n"
