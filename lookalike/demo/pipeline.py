"""Run all of Lookalike once: each stage is a verb, run as a user would run it, timed, and shown in one report."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lookalike.console import say, step_bar
from lookalike.demo.scenes import render_scenes
from lookalike.demo.service import ask_service
from lookalike.demo.summary import side_by_side, write_summary
from lookalike.errors import LookalikeError
from lookalike.report.text import table_lines

MARKER = ".lookalike-demo"  # marks a folder that this verb made, and may overwrite
MADE = ("footage", "run", "index", "queries", "encoder.onnx", "results.json", "report.html")
TRAIN_FPS, INDEX_FPS = 4, 2


@dataclass
class Pipeline:
    """The results of the stages so far. seconds: by stage."""

    out: Path
    sources: list[str]
    events: Path | None
    seconds: dict[str, float] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)

    @property
    def encoder(self) -> Path:
        return self.out / "encoder.onnx"

    @property
    def index(self) -> Path:
        return self.out / "index"


def run_demo(sources: Sequence[str], out: Path, steps: int) -> None:
    """Run every stage on the sources, or on rendered footage, and write results.json and report.html to `out`.

    Raises: LookalikeError if `out` is a folder of other files, or if a stage fails.
    """
    _prepare(out)
    pipeline = Pipeline(out, list(sources), _events_in(sources))
    if not sources:
        with _stage(pipeline, "render"):
            _render(pipeline)
    with _stage(pipeline, "pretrain"):
        arguments = ["--out", str(out / "run"), "--fps", str(TRAIN_FPS), "--steps", str(steps)]
        pipeline.results["pretrain"] = _verb(pipeline, "pretrain", *pipeline.sources, *arguments)
    with _stage(pipeline, "export"):
        pipeline.results["export"] = _verb(pipeline, "export", str(out / "run"), "--out", str(pipeline.encoder))
    at_index = ["--encoder", str(pipeline.encoder), "--index", str(pipeline.index)]
    with _stage(pipeline, "index"):
        pipeline.results["index"] = _verb(pipeline, "index", *pipeline.sources, *at_index, "--fps", str(INDEX_FPS))
    with _stage(pipeline, "serve and search"):
        pipeline.results["service"], searches = ask_service(pipeline.sources, out / "queries", at_index, INDEX_FPS)
    with _stage(pipeline, "evaluate"):
        labelled = ["--events", str(pipeline.events)] if pipeline.events else []
        arguments = [
            str(pipeline.encoder),
            "--footage",
            *pipeline.sources,
            "--fps",
            str(INDEX_FPS),
            *labelled,
            "--json",
        ]
        pipeline.results["evaluate"] = _verb(pipeline, "evaluate", *arguments)
    _finish(pipeline, searches)


def _prepare(out: Path) -> None:
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MARKER).exists())):
        raise LookalikeError(f"{out}: not an empty folder or one of a demo; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    (out / MARKER).touch()
    for name in MADE:
        path = out / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _events_in(sources: Sequence[str]) -> Path | None:
    """Return the first events.csv in a source folder, if any."""
    return next((path for source in sources if (path := Path(source) / "events.csv").is_file()), None)


def _render(pipeline: Pipeline) -> None:
    footage = pipeline.out / "footage"
    with step_bar("rendering four cameras", 100) as update:
        render_scenes(footage, on_progress=lambda done, total: update(100 * done // total, ""))
    pipeline.sources, pipeline.events = [str(footage)], footage / "events.csv"


@contextmanager
def _stage(pipeline: Pipeline, name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    pipeline.seconds[name] = round(time.perf_counter() - started, 1)
    say(f"{name}: {pipeline.seconds[name]:.1f} s")


def _verb(pipeline: Pipeline, *arguments: str) -> dict[str, Any]:
    """Run `lookalike ...` in a separate process and read the JSON line that it prints.

    Raises: LookalikeError if it fails; the process prints the reason.
    """
    shown = shlex.join(["lookalike", *arguments])
    pipeline.commands.append(shown)
    say("")
    say(f"$ {shown}")
    process = subprocess.run(
        [sys.executable, "-m", "lookalike", *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    if process.returncode:
        raise LookalikeError(f"demo stopped: `{shown}` failed with exit code {process.returncode}")
    return json.loads(process.stdout.splitlines()[-1])


def _finish(pipeline: Pipeline, searches: list[dict[str, Any]]) -> None:
    seconds = pipeline.seconds | {"total": round(sum(pipeline.seconds.values()), 1)}
    results = {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cpus": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()},
        "sources": pipeline.sources,
        "seconds": seconds,
        "frames_trained": pipeline.results["pretrain"]["frames"],
        "frames_indexed": pipeline.results["index"]["frames"],
        "skipped": pipeline.results["index"]["skipped"],
        "parity": pipeline.results["export"]["parity"],
        "space": pipeline.results["export"]["space"],
        "training": pipeline.results["pretrain"],
        "service": pipeline.results["service"],
        "retrieval": pipeline.results["evaluate"],
        "searches": searches,
    }
    (pipeline.out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    next_commands = _next_commands(pipeline, searches)
    write_summary(results, pipeline.out, next_commands, rendered=(pipeline.out / "footage").exists())
    tables = [line for table in side_by_side(results) for line in ["", *table_lines(table)]]
    for line in [*tables, "", *results["retrieval"]["verdict"].splitlines(), ""]:
        say(line)
    say(f"{seconds['total']:.0f} s in total. The report: {pipeline.out / 'report.html'}. Next:")
    for command in next_commands:
        say(f"  {command}")


def _next_commands(pipeline: Pipeline, searches: list[dict[str, Any]]) -> list[str]:
    """Return commands to try next, which work in the folder where the demo was started."""
    lookalike = os.path.relpath(Path(sys.executable).with_name("lookalike")) if _in_venv() else "lookalike"
    at_index = f"--encoder {pipeline.encoder} --index {pipeline.index}"
    return [
        f"{lookalike} search {searches[0]['query']} {at_index}",
        f"{lookalike} serve {at_index}   # then open http://127.0.0.1:3000/ui",
        f"{lookalike} demo YOUR_RECORDINGS --out mine/",
    ]


def _in_venv() -> bool:
    """Whether the command is found only by its path."""
    return shutil.which("lookalike") != str(Path(sys.executable).with_name("lookalike"))
