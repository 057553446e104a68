"""`python -m tests.fuzz.service --seconds N`: a service, and schemathesis with the OpenAPI document of it."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lookalike.index import open_index
from tests.e2e.conftest import run_here
from tests.serving.recordings import write_recordings
from tests.serving.running import ROOT, bentoml_env, served
from tests.tiny import PARTS_SPEC, write_parts_encoder

CHECKS = (
    *("only_busy", "content_type_conformance", "response_schema_conformance", "status_code_conformance"),
    *("response_headers_conformance", "unsupported_method", "allow_header_conformance"),
)


def fuzz(seconds: int, home: Path) -> subprocess.CompletedProcess[str]:
    """Ask a writable service with recordings for `seconds`. Returns: what schemathesis prints, and its exit code."""
    encoder, index = write_parts_encoder(home / "encoder.onnx"), home / "index"
    sources = write_recordings(home / "recordings")
    run_here("index", *sources, "--encoder", encoder, "--index", index, "--regions", "none")
    known = json.dumps(_known(index))
    env = bentoml_env(home, {"LOOKALIKE_ENCODER": encoder, "LOOKALIKE_INDEX": index, "LOOKALIKE_WRITABLE": "1"})
    with served("serving.service:Lookalike", env, ROOT, home / "log") as client:
        url = str(client.base_url)
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/docs.json", "--url", url]
        command += ["--max-time", str(seconds), "--checks", ",".join(CHECKS), "--continue-on-failure"]
        command += ["--generation-database", "none", "--warnings", "off", "--request-timeout", "90"]
        hooks = {"SCHEMATHESIS_HOOKS": "tests.fuzz.checks", "LOOKALIKE_TEST_KNOWN": known, "PYTHONPATH": str(ROOT)}
        run = subprocess.run(command, check=False, env=os.environ | hooks, cwd=home, capture_output=True, text=True)
        assert client.get("/readyz").status_code == 200
    return run


def _known(index: Path) -> dict[str, list[str]]:
    """By the name of a parameter or a field, values that exist."""
    with open_index(index, PARTS_SPEC) as stored:
        frames = list(stored.frames())
    ids, source_ids = [frame.id for frame in frames], sorted({frame.source_id for frame in frames})
    return {"frame_id": ids, "id": ids, "source_id": source_ids, "space": [PARTS_SPEC.space]}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.service", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    with tempfile.TemporaryDirectory() as home:
        run = fuzz(parser.parse_args().seconds, Path(home))
    print(run.stdout, run.stderr, sep="\n")
    sys.exit(run.returncode)


if __name__ == "__main__":
    main()
