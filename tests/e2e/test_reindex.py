"""A new encoder while a service answers, and while the power fails."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from PIL import Image

from lookalike.errors import SpaceMismatch
from lookalike.footage import frame_at
from lookalike.index import open_index
from tests.clips import noise, write_clip
from tests.e2e.conftest import run_here, run_verb
from tests.serving.running import ROOT, bentoml_env, served
from tests.tiny import SPEC, write_tiny_encoder

CLIPS, FRAMES = 6, 40
NEW_SPEC = replace(SPEC, weights_sha256="1" * 64)
# Small batches, each of which is durable and is told of: the test knows how far it is when it kills. After nine it
# waits for that, so that on no machine it is done before.
SCRIPT = """
import itertools, signal, sys
from contextlib import contextmanager
from pathlib import Path
from lookalike.encoder import Encoder
from lookalike.index.embedded.folder import FolderLocation
from lookalike.ingest.reindex import reindex
from lookalike.ingest.settings import IngestSettings

number = itertools.count(1)

def told(frames):
    print("batch", flush=True)
    if next(number) == 9:
        signal.pause()

@contextmanager
def bar(sources):
    yield told

settings = IngestSettings(batch_frames=8, flush_batches=1)
reindex(FolderLocation(Path(sys.argv[2])), Encoder(sys.argv[1], "cpu", threads=1), bar, settings=settings)
"""


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    (tmp_path / "recordings").mkdir()
    for number in range(CLIPS):
        write_clip(tmp_path / "recordings" / f"{number}.mp4", range(0, 40 * FRAMES, 40), noise(FRAMES, number))
    return tmp_path / "recordings"


@pytest.fixture
def index(recordings: Path, tiny_encoder: Path, tmp_path: Path) -> Path:
    run_here("index", recordings, "--encoder", tiny_encoder, "--index", tmp_path / "index", "--regions", "none")
    return tmp_path / "index"


@pytest.fixture
def new_encoder(tmp_path: Path) -> Path:
    return write_tiny_encoder(tmp_path / "new.onnx", NEW_SPEC)


def png_of(clip: Path) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frame_at(str(clip), 1)).save(file, "PNG")
    return file.getvalue()


def searched(client: httpx.Client, png: bytes) -> tuple[str, str, float]:
    """The space that answers, and the source and time of the first hit."""
    answer = client.post("/search", files={"image": png})
    assert answer.status_code == httpx.codes.OK, answer.text
    found = answer.json()
    return found["space"], found["hits"][0]["source"], found["hits"][0]["time_s"]


def test_a_service_answers_all_the_time_while_the_index_changes_over(
    recordings: Path, index: Path, tiny_encoder: Path, new_encoder: Path, tmp_path: Path
) -> None:
    clip, expected = recordings / "3.mp4", (str(recordings / "3.mp4"), 1.0)
    png, done, answers = png_of(clip), threading.Event(), []

    def ask(client: httpx.Client) -> None:
        while not done.is_set():
            answers.append(searched(client, png))

    def service(encoder: Path):
        env = bentoml_env(tmp_path / "bentoml", {"LOOKALIKE_ENCODER": encoder, "LOOKALIKE_INDEX": index})
        return served("serving.service:Lookalike", env, ROOT, tmp_path / "log")

    with service(tiny_encoder) as client:
        asking = threading.Thread(target=ask, args=(client,))
        asking.start()
        try:
            process = run_verb("reindex", "--encoder", new_encoder, "--index", index)
        finally:
            done.set()
            asking.join()
        assert process.returncode == 0, process.stderr
        assert "the index is in use" in process.stderr
        told = json.loads(process.stdout)
        assert (told["switched"], told["added"], told["sources"]) == (True, CLIPS * FRAMES, CLIPS)
        assert set(answers) == {(SPEC.space, *expected)}  # an answer that failed would have ended the thread
        before = len(answers)
        assert before > 0
        assert searched(client, png) == (SPEC.space, *expected)
    with service(new_encoder) as client:
        assert searched(client, png) == (NEW_SPEC.space, *expected)
        refused = run_verb("reindex", "--discard", "--index", index)
        assert refused.returncode == 0, refused.stderr  # nobody has the one before open any more
    back = run_verb("reindex", "--back", "--index", index)
    assert (back.returncode, back.stdout) == (1, "")
    assert "has no previous generation" in back.stderr


def test_a_kill_in_the_middle_leaves_what_was_and_the_next_run_completes_it(
    recordings: Path, index: Path, new_encoder: Path
) -> None:
    """30 batches of 8 frames; killed after 1, 7, 9, and never."""
    command = [sys.executable, "-c", SCRIPT, str(new_encoder), str(index)]
    for kill_after in (1, 7, 9):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(kill_after):
                assert process.stdout.readline() == "batch\n"
            process.kill()
            assert process.wait(60) == -signal.SIGKILL
        with open_index(index, SPEC) as old:
            assert old.count() == CLIPS * FRAMES
        with pytest.raises(SpaceMismatch, match="`lookalike reindex` to this one is not complete: run it again"):
            open_index(index, NEW_SPEC)
    done = run_verb("reindex", "--encoder", new_encoder, "--index", index)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["switched"]
    assert 0 < told["added"] < CLIPS * FRAMES
    with open_index(index, NEW_SPEC) as new, open_index(index, SPEC) as old:
        assert new.count() == CLIPS * FRAMES
        assert {one.id for one in new.frames()} == {one.id for one in old.frames()}
    assert json.loads(run_here("reindex", "--back", "--index", index))["now"] == SPEC.space
    open_index(index, SPEC, create=True).close()


def test_a_reindex_that_is_not_complete_says_what_is_missing_and_exits_with_1(
    recordings: Path, index: Path, new_encoder: Path
) -> None:
    (recordings / "2.mp4").unlink()
    refused = run_verb("reindex", "--encoder", new_encoder, "--index", index)
    assert refused.returncode == 1
    assert not json.loads(refused.stdout)["switched"]
    assert f"missing: {recordings / '2.mp4'}: no such file" in refused.stderr
    assert "not switched; restore the missing sources" in refused.stderr
    run_here("reindex", "--encoder", new_encoder, "--index", index, "--without-missing")
    with open_index(index, NEW_SPEC) as new:
        assert new.count() == (CLIPS - 1) * FRAMES


def test_one_thing_is_asked_of_reindex(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flags in ([], ["--back", "--discard"]):
        with pytest.raises(SystemExit) as exit_:
            run_here("reindex", "--index", tmp_path / "index", *flags)
        assert exit_.value.code == 2
        assert capsys.readouterr().err == "lookalike: expected one of --encoder, --back and --discard\n"
