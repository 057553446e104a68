"""The verb that looks for trouble: doctor."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from lookalike.cli.flags import Json, app

MARKS = {"good": "ok", "warning": "look", "bad": "BAD"}


@app.command(help_epilogue="Example: `lookalike doctor --index index/`")
def doctor(
    *,
    encoder: Annotated[Path | None, Parameter(help="An ONNX file to look at, too.")] = None,
    index: Annotated[str | None, Parameter(help="An index to look at, too: a folder or a URL.")] = None,
    json_: Json = False,
) -> None:
    """Check versions, hardware, codecs, disk, clock, encoder and index, and say what to do. Exits with 1 if one is
    bad."""
    from lookalike.console import print_data
    from lookalike.doctor import examine
    from serving.settings import default_cache

    folders = {"here": Path.cwd(), "cache": Path(os.environ.get("LOOKALIKE_CACHE") or default_cache(os.environ))}
    if index and "://" not in index:
        folders["index"] = Path(index)
    is_bad = False
    for finding in examine(encoder, index, folders):
        is_bad = is_bad or finding.state == "bad"
        if json_:
            print_data(json.dumps(finding.to_dict()))
            continue
        print_data(f"{MARKS[finding.state]:>4}  {finding.what:14}  {finding.text}")
        if finding.advice:
            print_data(f"{'':22}-> {finding.advice}")
    if is_bad:
        sys.exit(1)
