"""The verb that changes the encoder of an index: reindex."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, ArgumentCollection, Parameter

from lookalike.cli.flags import IndexAt, RunOn, app, fail
from lookalike.cli.stand_ins import VARIABLES, fill_in

if TYPE_CHECKING:
    from lookalike.ingest.reindex import Outcome


def _fill_in(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Nothing stands in for --encoder where --back or --discard is given, which exclude it."""
    others = any(argument.tokens for argument in arguments if argument.name in ("--back", "--discard"))
    fill_in(app, commands, arguments, ("index",) if others else tuple(VARIABLES))


@app.command(config=_fill_in, help_epilogue="Example: `lookalike reindex --encoder encoder.onnx --index index/`")
def reindex(
    *,
    index: IndexAt,
    encoder: Annotated[Path | None, Parameter(help="ONNX file of the encoder to change over to.")] = None,
    without_missing: Annotated[
        bool, Parameter(negative="", help="Change over although some of what is indexed cannot be read any more.")
    ] = False,
    back: Annotated[
        bool, Parameter(negative="", help="Instead: change back to the encoder before, which is still there.")
    ] = False,
    discard: Annotated[
        bool, Parameter(negative="", help="Instead: free the space of all but the current encoder.")
    ] = False,
    device: RunOn = "auto",
) -> None:
    """Embed all that an index holds with another encoder, then change over to it. Until then it answers as before.

    Services that run go on with their encoder; start them with the new one when this is done. Run it again to go on
    when it was stopped, and to take in what a service indexed meanwhile.
    """
    from lookalike.console import print_data
    from lookalike.index.generations import discard as discard_others
    from lookalike.index.generations import switch_back
    from lookalike.index.open import location_of

    if (encoder is not None) + back + discard != 1:
        fail("expected one of --encoder, --back and --discard", code=2)
    with closing(location_of(index)) as location:
        if back:
            now = switch_back(location)
            print_data(json.dumps({"index": index, "now": location.space(now.current)}))
        elif discard:
            print_data(json.dumps({"index": index, "discarded": discard_others(location)}))
        elif encoder:
            from lookalike.console import footage_bar
            from lookalike.encoder import Encoder
            from lookalike.ingest.reindex import reindex

            outcome = reindex(location, Encoder(encoder, device), partial(footage_bar, "reindexing"), without_missing)
            print_data(json.dumps({"index": index} | outcome.to_dict()))
            _explain(outcome)


def _explain(outcome: Outcome) -> None:
    """Exits with 1 if the index was not changed over."""
    from lookalike.console import say

    for source, why in outcome.missing:
        say(f"missing: {source}: {why}")
    for source, before, now in outcome.differing:
        say(f"differs: {source}: {before} frames before, {now} now")
    if not outcome.seen:
        say("the index is in use: frames of streams, and of recordings that were not read to the end, are left out")
    if outcome.before == outcome.now:
        say(f"{outcome.now} answers already; there was nothing to do")
        return
    if outcome.switched:
        say(f"{outcome.frames:,} frames of {outcome.sources:,} source(s); {outcome.now} answers now")
        return
    if outcome.differing:
        say("not changed over; forget what differs, and index it again, with the encoder before; then run it again")
    else:
        say("not changed over; bring back what is missing (in the folder where it was indexed), or --without-missing")
    sys.exit(1)
