"""The verb that says who may use a service: keys add, list, revoke."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from lookalike.cli.flags import Json, app, fail
from lookalike.keys import KeyFile, Scope, default_file, new_key

keys = App(
    name="keys",
    help="Say who may use a service. As soon as there is a key, `lookalike serve` asks for one.",
    help_epilogue="Example: `lookalike keys add gatehouse --scope read --camera gate`",
)
app.command(keys)

KeysAt = Annotated[
    Path | None,
    Parameter(name="--keys", help="File of keys; else LOOKALIKE_KEYS, else ~/.config/lookalike/keys.json."),
]


@keys.command
def add(
    name: Annotated[str, Parameter(help="Who holds the key: shown in the list and in the audit log.")],
    *,
    scope: Annotated[
        tuple[Scope, ...],
        Parameter(
            negative="",
            help="`read`: search and view. `embed`: embeddings. `write`: add and remove frames. `admin`: everything."
            " May be repeated.",
        ),
    ] = ("read", "embed"),
    camera: Annotated[
        tuple[str, ...], Parameter(negative="", help="See these cameras only; may be repeated. Without it, all.")
    ] = (),
    keys: KeysAt = None,
) -> None:
    """Make a key and print its secret, once."""
    from lookalike.console import print_data, say

    try:
        key, secret = new_key(name, tuple(dict.fromkeys(scope)), tuple(dict.fromkeys(camera)))
    except ValueError as error:
        fail(str(error), code=2)
    file = KeyFile(keys or default_file())
    file.add(key)
    print_data(secret)
    say(f"{file.path}: key {name!r} may {', '.join(key.scopes)}; its secret is not stored and not shown again")


@keys.command(name="list")
def list_(*, keys: KeysAt = None, json_: Json = False) -> None:
    """Print each key: name, scopes, cameras, when it was made, and when it was used last."""
    from lookalike.console import print_data

    file = KeyFile(keys or default_file())
    used = file.last_used()
    if not json_:
        print_data(f"{'created':>25}  {'last used':>25}  {'scopes':24}  {'cameras':24}  name")
    for key in file.read():
        entry = {
            "name": key.name,
            "scopes": list(key.scopes),
            "cameras": list(key.cameras),
            "created_at": key.created_at,
            "last_used_at": used.get(key.digest),
        }
        line = (
            f"{key.created_at:>25}  {used.get(key.digest, 'never'):>25}  {', '.join(key.scopes):24}"
            f"  {', '.join(key.cameras) or 'all':24}  {key.name}"
        )
        print_data(json.dumps(entry) if json_ else line)


@keys.command
def revoke(name: Annotated[str, Parameter(help="As `lookalike keys list` shows it.")], *, keys: KeysAt = None) -> None:
    """Remove a key. A running service refuses it from the next request on."""
    from lookalike.console import say

    file = KeyFile(keys or default_file())
    left = file.revoke(name)
    say(f"{file.path}: key {name!r} is revoked, {left} left")
    if not left:
        say(f"a service that reads this file now refuses every request; remove {file.path} to ask for no key")
