"""Defaults of --encoder and --index: the environment, else lookalike.toml."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App, ArgumentCollection, CycloptsError, Token

from lookalike.files.printable import printable

FILE = Path("lookalike.toml")  # in the working directory; its paths are relative to that
VARIABLES = {"encoder": "LOOKALIKE_ENCODER", "index": "LOOKALIKE_INDEX"}


def fill_in(
    app: App, commands: tuple[str, ...], arguments: ArgumentCollection, names: Sequence[str] = tuple(VARIABLES)
) -> None:
    """Fill in flags that the command line lacks; called by cyclopts.

    names: of the flags that have such defaults.
    Raises: CycloptsError, which exits with 2, if lookalike.toml cannot be read, or has an unknown key.
    """
    flags = {name: argument for argument in arguments for name in names if f"--{name}" in argument.names}
    lacking = {name: argument for name, argument in flags.items() if not argument.tokens}
    defaults = (_read_file() if lacking else {}) | _read_environment()
    for name, argument in lacking.items():
        if name in defaults:
            value, source = defaults[name]
            argument.append(Token(keyword=source, value=value, source=source))


def _read_environment() -> dict[str, tuple[str, str]]:
    """Read values and where each is from; an empty variable counts as not set."""
    given = ((name, variable, os.environ.get(variable)) for name, variable in VARIABLES.items())
    return {name: (value, variable) for name, variable, value in given if value}


def _read_file() -> dict[str, tuple[str, str]]:
    if not FILE.exists():
        return {}
    try:
        entries = tomllib.loads(FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _error(f'cannot be read ({error}); expected lines such as encoder = "encoder.onnx"') from error
    for name, value in entries.items():
        if name not in VARIABLES:
            raise _error(f"unknown key {name!r}, expected {' or '.join(VARIABLES)}")
        if not isinstance(value, str) or not value:
            raise _error(f"{name} is {str(value)[:50]!r}, expected a text that is not empty")
    return {name: (value, str(FILE)) for name, value in entries.items()}


def _error(message: str) -> CycloptsError:
    return CycloptsError(msg=printable(f"{FILE}: {message}"))
