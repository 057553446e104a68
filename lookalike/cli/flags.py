"""Shared by the verbs: the app, common flags, and how they fail."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

from cyclopts import App, Parameter
from rich.console import Console
from rich.text import Text

from lookalike import __version__
from lookalike.cli.stand_ins import fill_in
from lookalike.contract import RunDevice
from lookalike.files.printable import printable
from lookalike.search_fields import FilterFields

if TYPE_CHECKING:
    from lookalike.index import Filters, FrameIndex

app = App(
    name="lookalike",
    version=__version__,
    help="Turn unlabelled footage into a search engine for it: pretrain, export, index, search, serve.",
    help_format="markdown",
    help_epilogue="--encoder and --index default to LOOKALIKE_ENCODER and LOOKALIKE_INDEX, else to `encoder` and"
    " `index` in the file lookalike.toml of this folder.",
    config=fill_in,
    suppress_keyboard_interrupt=False,  # main reports in one line what is kept
    error_console=Console(stderr=True, soft_wrap=True),
    error_formatter=lambda error: Text(f"lookalike: {error}"),
)
app.register_install_completion_command(help="Complete verbs and flags in your shell from now on.")

Source_ = Annotated[
    str,
    Parameter(
        name="SOURCE",
        help="Images, folders (searched recursively), zips of images, videos, HLS playlists, or stream URLs, with"
        " `${NAME}` from the environment. FILE#2 is the second camera of a file that holds several.",
    ),
]
EncoderFile = Annotated[
    Path,
    Parameter(
        name="--encoder",
        help="ONNX file made by `lookalike export`. Default: LOOKALIKE_ENCODER, else `encoder` in lookalike.toml.",
    ),
]
StoredEncoder = Annotated[
    Path | None,
    Parameter(
        name="--encoder",
        help="ONNX file of the encoder that filled the index. Needed only for an index that an earlier version filled,"
        " which does not store the spec of its encoder.",
    ),
]
IndexAt = Annotated[
    str,
    Parameter(
        name="--index",
        help="Folder of an embedded index, or URL of a running service (http://host:3000)"
        " or of a Qdrant server (http://host:6333[/collection]; several nodes with commas)."
        " Default: LOOKALIKE_INDEX, else `index` in lookalike.toml.",
    ),
]
CameraName = Annotated[
    str | None,
    Parameter(
        help="Name of the camera. Default: the sub-folder of the SOURCE, else the name of the video. It does not depend"
        " on how the SOURCE is written."
    ),
]
MinFree = Annotated[
    int | None,
    Parameter(
        name="--min-free-mb",
        help="Room to leave on the disk of an embedded index, MiB: with less, nothing is written to it;"
        " else LOOKALIKE_MIN_FREE_MB, else 256.",
    ),
]
RunOn = Annotated[RunDevice, Parameter(help="Device that runs the encoder. A missing device is an error.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON lines.")]


def set_min_free(min_free_mb: int | None) -> None:
    """Have the margin of --min-free-mb, if it is given, read by the index and by the processes that this one starts."""
    from lookalike.index.embedded.disk_space import VARIABLE, read_min_free

    if min_free_mb is None:
        return
    if min_free_mb < 0:
        fail(f"--min-free-mb is {min_free_mb}, expected at least 0", code=2)
    os.environ[VARIABLE] = str(min_free_mb)
    read_min_free()


WhichFrames = Annotated[FilterFields, Parameter(name="*")]
EVERY_FRAME = FilterFields()


def filters_of(fields: FilterFields) -> Filters:
    """Parse the filters. Exits with 2 if one is invalid."""
    from lookalike.search.request import read_filters

    try:
        return read_filters(fields)
    except ValueError as error:
        fail(str(error), code=2)


def open_stored(index: str, encoder: Path | None) -> FrameIndex:
    """Open an index by the spec that it stores, or by the spec of an encoder, which is not loaded.

    Raises: as `open_index` and `read_spec`.
    """
    from lookalike.index import open_index

    if encoder is None:
        return open_index(index)
    from lookalike.encoder import read_spec

    return open_index(index, read_spec(encoder))


def fail(message: str, code: int = 1) -> NoReturn:
    print(f"lookalike: {printable(message)}", file=sys.stderr)
    sys.exit(code)
