"""The whole of Lookalike once: each stage is a verb run as a user would run it, timed, and shown in one report."""

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

MARKER = ".lookalike-demo"  # a folder with it was made by this verb, and may be made again
MADE = ("footage", "run", "index", "queries", "encoder.onnx", "results.json", "report.html")
TRAIN_FPS, INDEX_FPS = 4, 2


@dataclass
class Tour:
    """What the stages so far have produced. seconds: by stage."""

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

    Raises: LookalikeError if `out` holds something else, or if a stage fails.
    """
    _prepare(out)
    tour = Tour(out, list(sources), _events_in(sources))
    if not sources:
        with _stage(tour, "render"):
            _render(tour)
    with _stage(tour, "pretrain"):
        arguments = ["--out", str(out / "run"), "--fps", str(TRAIN_FPS), "--steps", str(steps)]
        tour.results["pretrain"] = _verb(tour, "pretrain", *tour.sources, *arguments)
    with _stage(tour, "export"):
        tour.results["export"] = _verb(tour, "export", str(out / "run"), "--out", str(tour.encoder))
    at_index = ["--encoder", str(tour.encoder), "--index", str(tour.index)]
    with _stage(tour, "index"):
        tour.results["index"] = _verb(tour, "index", *tour.sources, *at_index, "--fps", str(INDEX_FPS))
    with _stage(tour, "serve and search"):
        tour.results["service"], found = ask_service(tour.sources, out / "queries", at_index, INDEX_FPS)
    with _stage(tour, "evaluate"):
        labelled = ["--events", str(tour.events)] if tour.events else []
        arguments = [str(tour.encoder), "--footage", *tour.sources, "--fps", str(INDEX_FPS), *labelled, "--json"]
        tour.results["evaluate"] = _verb(tour, "evaluate", *arguments)
    _finish(tour, found)


def _prepare(out: Path) -> None:
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MARKER).exists())):
        raise LookalikeError(f"{out}: holds something else than a demo; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    (out / MARKER).touch()
    for name in MADE:
        path = out / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _events_in(sources: Sequence[str]) -> Path | None:
    """The first events.csv in a source folder, if there is one."""
    return next((path for source in sources if (path := Path(source) / "events.csv").is_file()), None)


def _render(tour: Tour) -> None:
    footage = tour.out / "footage"
    with step_bar("rendering four cameras", 100) as update:
        render_scenes(footage, on_progress=lambda done, total: update(100 * done // total, ""))
    tour.sources, tour.events = [str(footage)], footage / "events.csv"


@contextmanager
def _stage(tour: Tour, name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    tour.seconds[name] = round(time.perf_counter() - started, 1)
    say(f"{name}: {tour.seconds[name]:.1f} s")


def _verb(tour: Tour, *arguments: str) -> dict[str, Any]:
    """Run `lookalike ...` in a process of its own and read the JSON line that it prints.

    Raises: LookalikeError if it fails; the process itself prints why.
    """
    shown = shlex.join(["lookalike", *arguments])
    tour.commands.append(shown)
    say("")
    say(f"$ {shown}")
    process = subprocess.run(
        [sys.executable, "-m", "lookalike", *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    if process.returncode:
        raise LookalikeError(f"demo stopped: `{shown}` failed with exit code {process.returncode}")
    return json.loads(process.stdout.splitlines()[-1])


def _finish(tour: Tour, found: list[dict[str, Any]]) -> None:
    seconds = tour.seconds | {"total": round(sum(tour.seconds.values()), 1)}
    results = {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cpus": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()},
        "sources": tour.sources,
        "seconds": seconds,
        "frames_trained": tour.results["pretrain"]["frames"],
        "frames_indexed": tour.results["index"]["frames"],
        "skipped": tour.results["index"]["skipped"],
        "parity": tour.results["export"]["parity"],
        "space": tour.results["export"]["space"],
        "training": tour.results["pretrain"],
        "service": tour.results["service"],
        "retrieval": tour.results["evaluate"],
        "searches": found,
    }
    (tour.out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    go_on = _go_on(tour, found)
    write_summary(results, tour.out, go_on, rendered=(tour.out / "footage").exists())
    tables = [line for table in side_by_side(results) for line in ["", *table_lines(table)]]
    for line in [*tables, "", *results["retrieval"]["verdict"].splitlines(), ""]:
        say(line)
    say(f"{seconds['total']:.0f} s in total. The report: {tour.out / 'report.html'}. Next:")
    for command in go_on:
        say(f"  {command}")


def _go_on(tour: Tour, found: list[dict[str, Any]]) -> list[str]:
    """Commands that work as printed, in the folder where the demo was started."""
    lookalike = os.path.relpath(Path(sys.executable).with_name("lookalike")) if _in_venv() else "lookalike"
    at_index = f"--encoder {tour.encoder} --index {tour.index}"
    return [
        f"{lookalike} search {found[0]['query']} {at_index}",
        f"{lookalike} serve {at_index}   # then open http://127.0.0.1:3000/ui",
        f"{lookalike} demo YOUR_RECORDINGS --out mine/",
    ]


def _in_venv() -> bool:
    """Whether the command is found only by its path."""
    return shutil.which("lookalike") != str(Path(sys.executable).with_name("lookalike"))
