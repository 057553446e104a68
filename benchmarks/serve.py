"""Measure images a second through the service, compared with the same work without HTTP and with other servers.

    python -m benchmarks.serve encoder.onnx recordings/ --clients 32

All take turns: a loop that decodes and runs without HTTP (the limit), our service, and others with the same ONNX file,
pictures and load; a row is the median of its rounds. JPEGs of 768 x 432 come from a separate process, over persistent
connections. The others are installed temporarily into a separate folder.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import signal
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import psutil
from cyclopts import App
from PIL import Image

from benchmarks.machine import describe
from lookalike.encoder import Encoder
from lookalike.footage import find_sources, read_frames
from lookalike.keys import NO_KEYS, TOKEN, KeyFile, new_key
from lookalike.pixels import decode_to_fit
from training.train import pick_device

Peer = Literal["fastapi", "litserve", "mosec"]
PEERS: dict[Peer, str] = {"fastapi": "fastapi==0.165.0", "litserve": "litserve==0.2.19", "mosec": "mosec==0.9.8"}
PICTURES, SIZE_PX, QUALITY = 64, (768, 432), 90
BATCH = 16
TOGETHER = f"Lookalike, {BATCH} in a request"
GUARDED, KEYS = "Lookalike, keys and audit log", 10
PORT = 4100  # and the next ones, for the peers; the one before, for the service with keys
START_S = 120


@dataclass(frozen=True)
class Server:
    """One that answers. process: the id of its first one. form: whether it takes images as fields of a form only.

    key: that it asks for; empty for none.
    """

    port: int
    process: int
    form: bool = False
    key: str = ""


app = App(name="benchmarks.serve", help=__doc__, help_format="plaintext")


@app.default
def main(
    encoder: Path,
    *sources: str,
    clients: int = 32,
    seconds: float = 8,
    rounds: int = 3,
    workers: int = 1,
    peers: tuple[Peer, ...] = tuple(PEERS),
    environment: Path | None = None,
    keys: bool = False,
) -> None:
    """Measure, and print a Markdown table.

    workers: processes of our service; the peers have what their files say. environment: a virtual environment to
    install the peers into, kept; without, a temporary one. keys: measure a second service, which has ten keys and
    writes an audit log.
    """
    pictures = jpegs(sources)
    model = Encoder(encoder, "cpu")
    print(describe(pick_device("cpu")))
    print(f"{model.spec.name}, {model.spec.precision}, on {model.provider}; {clients} clients\n")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        service = running.enter_context(server(ours(encoder, workers), PORT))
        servers = {"Lookalike": service}
        if keys:
            servers[GUARDED] = running.enter_context(_guarded(encoder, workers, Path(folder)))
        python = install([PEERS[name] for name in peers], environment or Path(folder, "peers")) if peers else ""
        for port, name in enumerate(peers, PORT + 1):
            command = [python, "-m", f"benchmarks.servers.{name}_", str(encoder), str(port)]
            servers[name] = running.enter_context(server(command, port, name == "litserve"))
        found: dict[str, list[dict[str, float]]] = {name: [] for name in ("limit", *servers, TOGETHER)}
        for _ in range(rounds):
            found["limit"].append({"rate": limit(model, pictures, seconds)})
            for name, one in servers.items():
                found[name].append(under_load(one, pictures, clients, seconds))
            found[TOGETHER].append(under_load(service, pictures, max(2, clients // BATCH), seconds, BATCH))
        memory = {name: largest_mb(one.process) for name, one in servers.items()}
        alone = {name: under_load(one, pictures, 1, seconds)["p50_s"] for name, one in servers.items()}
    alone["limit"] = one_by_one(model, pictures)
    _print(found, alone, memory)


def jpegs(sources: tuple[str, ...], size_px: tuple[int, int] = SIZE_PX) -> list[bytes]:
    """Frames of footage, evenly spaced, as JPEGs of this width and height."""
    images = [Image.fromarray(frame.image).resize(size_px) for frame in read_frames(find_sources(sources), 1.0)]
    chosen = np.linspace(0, len(images) - 1, min(PICTURES, len(images))).round().astype(int)
    return [_jpeg(images[row]) for row in chosen]


def _jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def limit(model: Encoder, pictures: list[bytes], seconds: float) -> float:
    """Images a second of a loop that decodes the next batch in threads while it runs this one."""
    side, until, done, started = model.spec.input_px, time.perf_counter() + seconds, 0, time.perf_counter()
    turns = [pictures[start : start + BATCH] for start in range(0, len(pictures) - BATCH + 1, BATCH)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:

        def begin(number: int):
            return [pool.submit(decode_to_fit, data, side) for data in turns[number % len(turns)]]

        number, coming = 0, begin(0)
        while time.perf_counter() < until:
            batch = np.stack([one.result() for one in coming])
            number += 1
            coming = begin(number)
            model.embed(batch)
            done += len(batch)
    return done / (time.perf_counter() - started)


def one_by_one(model: Encoder, pictures: list[bytes]) -> float:
    """Seconds to decode and run one picture, alone: the median."""
    took = []
    for data in pictures * 2:
        started = time.perf_counter()
        model.embed(decode_to_fit(data, model.spec.input_px)[None])
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def under_load(one: Server, pictures: list[bytes], clients: int, seconds: float, each: int = 1) -> dict[str, float]:
    """What benchmarks.load says; `rate` in images a second. each: images in one request."""
    kind, bodies = "image/jpeg", pictures
    if one.form or each > 1:
        field = "image" if one.form else "images"
        kind = "multipart/form-data; boundary=cut"
        bodies = [_form(field, pictures[start : start + each]) for start in range(0, len(pictures) - each + 1, each)]
    command = [sys.executable, "-m", "benchmarks.load", "127.0.0.1", str(one.port), "/embed", kind]
    command += [str(clients), str(seconds)]
    env = os.environ | {TOKEN: one.key}
    done = subprocess.run(command, input=pickle.dumps(bodies), stdout=subprocess.PIPE, check=True, env=env)
    said = json.loads(done.stdout)
    return said | {"rate": said["rate"] * each}


def _form(field: str, pictures: list[bytes]) -> bytes:
    head = f'--cut\r\nContent-Disposition: form-data; name="{field}"; filename="a.jpg"\r\n\r\n'.encode()
    return b"".join(head + data + b"\r\n" for data in pictures) + b"--cut--\r\n"


def largest_mb(process: int) -> float:
    """Memory of the largest of a process and all below it, in 10^6 bytes: resident, shared pages included."""
    top, sizes = psutil.Process(process), [0.0]
    for one in (top, *top.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # gone meanwhile
            sizes.append(one.memory_info().rss / 1e6)
    return max(sizes)


def install(requirements: list[str], environment: Path) -> str:
    """Install into a separate environment on top of this one. Returns: the Python that has both."""
    uv, python = [sys.executable, "-m", "uv"], environment / "bin" / "python"
    commands = [
        [*uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(environment)],
        [*uv, "pip", "install", "--quiet", "--python", str(python), *requirements],
    ]
    if any(subprocess.run(command, check=False).returncode for command in commands):
        sys.exit("benchmarks.serve: could not install the peers; leave them out with --empty-peers")
    here = sysconfig.get_path("purelib")
    [packages] = (environment / "lib").glob("python*/site-packages")
    (packages / "here.pth").write_text(f"{here}\n{Path.cwd()}\n")
    return str(python)


def ours(encoder: Path, workers: int, port: int = PORT, *further: str) -> list[str]:
    flags = ["--encoder", str(encoder), "--port", str(port), "--device", "cpu", "--workers", str(workers), *further]
    return [sys.executable, "-m", "lookalike", "serve", *flags]


@contextmanager
def _guarded(encoder: Path, workers: int, folder: Path) -> Iterator[Server]:
    """Our service with keys, the last of which is sent, and an audit log. folder: for both."""
    file, secret = KeyFile(folder / "keys.json"), ""
    for number in range(KEYS):
        key, secret = new_key(f"holder {number}", ("embed",))
        file.add(key)
    command = ours(encoder, workers, PORT - 1, "--keys", str(file.path), "--audit-log", str(folder / "audit"))
    with server(command, PORT - 1) as one:
        yield replace(one, key=secret)


@contextmanager
def server(command: list[str], port: int, form: bool = False) -> Iterator[Server]:
    """Run a server until the block ends. Yields: it, once it answers. Exits if another one is at its port.

    Neither the user's keys nor the user's audit log are its own.
    """
    with suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), timeout=2):
        sys.exit(f"port {port}: another server answers there; stop it, it would be measured in place of this one")
    with tempfile.TemporaryFile() as log:
        env = os.environ | NO_KEYS | {"LOOKALIKE_AUDIT_LOG": "off"}
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=env)
        try:
            if not _until(lambda: process.poll() is None and _answers(port), START_S):
                log.seek(0)
                sys.exit(f"{' '.join(command)}: did not start:\n{log.read().decode()[-2000:]}")
            yield Server(port, process.pid, form)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(30)


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.2)
    return False


def _answers(port: int) -> bool:
    try:
        urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2).close()
    except URLError as error:
        return getattr(error, "code", None) in (401, 404)  # there, without that page or with keys
    except OSError:
        return False
    return True


def _print(found: dict[str, list[dict[str, float]]], alone_s: dict[str, float], memory_mb: dict[str, float]) -> None:
    print("| | images/s | of the limit | p50, p99 ms | p99 / p50 | refused, failed | alone, p50 ms | MB |")
    print("|---|---|---|---|---|---|---|---|")
    for name, runs in found.items():
        rates = [run["rate"] for run in runs]
        ratio = statistics.median(run["rate"] / top["rate"] for run, top in zip(runs, found["limit"], strict=True))
        cells = [name, f"{statistics.median(rates):.0f} ({min(rates):.0f}-{max(rates):.0f})", f"{ratio:.2f}"]
        if name == "limit":
            cells += ["", "", ""]
        else:
            p50, p99 = (statistics.median(run[key] for run in runs) for key in ("p50_s", "p99_s"))
            cells += [f"{p50 * 1e3:.0f}, {p99 * 1e3:.0f}", f"{p99 / p50:.1f}"]
            cells.append(f"{sum(run['refused'] + run['errors'] for run in runs):.0f}")
        cells.append(f"{alone_s[name] * 1e3:.1f}" if name in alone_s else "")
        cells.append(f"{memory_mb[name]:.0f}" if name in memory_mb else "")
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    app()
