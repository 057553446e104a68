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
    """Fill in --encoder and --index; only --index with --back or --discard, which exclude --encoder."""
    others = any(argument.tokens for argument in arguments if argument.name in ("--back", "--discard"))
    fill_in(app, commands, arguments, ("index",) if others else tuple(VARIABLES))


@app.command(config=_fill_in, help_epilogue="Example: `lookalike reindex --encoder encoder.onnx --index index/`")
def reindex(
    *,
    index: IndexAt,
    encoder: Annotated[Path | None, Parameter(help="ONNX file of the encoder to switch to.")] = None,
    without_missing: Annotated[
        bool, Parameter(negative="", help="Switch even if some indexed footage cannot be read any more.")
    ] = False,
    back: Annotated[bool, Parameter(negative="", help="Instead: switch back to the previous encoder.")] = False,
    discard: Annotated[
        bool, Parameter(negative="", help="Instead: remove the generations of all encoders but the current one.")
    ] = False,
    device: RunOn = "auto",
) -> None:
    """Embed all footage of an index with another encoder, then switch to it. Until then the index answers as before.

    Running services continue with their encoder; restart them with the new one afterwards. Run it again to resume, and
    to include what a service indexed in the meantime.
    """
    from lookalike.console import print_data, say
    from lookalike.index.generations import discard as discard_others
    from lookalike.index.generations import switch_back
    from lookalike.index.open import location_of

    if (encoder is not None) + back + discard != 1:
        fail("expected one of --encoder, --back and --discard", code=2)
    with closing(location_of(index, say)) as location:
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
    """Report the outcome. Exits with 1 if the index was not switched."""
    from lookalike.console import say

    for source, why in outcome.missing:
        say(f"missing: {source}: {why}")
    for source, before, now in outcome.differing:
        say(f"differs: {source}: {before} frames before, {now} now")
    if not outcome.seen:
        say("the index is in use: frames of streams, and of recordings that were not read to the end, are left out")
    if outcome.before == outcome.now:
        say(f"the index already uses {outcome.now}; there was nothing to do")
        return
    if outcome.switched:
        say(f"{outcome.frames:,} frames of {outcome.sources:,} source(s); the index uses {outcome.now} now")
        return
    if outcome.differing:
        say("not switched; forget the sources that differ, index them with the previous encoder, and run it again")
    else:
        say("not switched; restore the missing sources (in the folder where they were indexed), or --without-missing")
    sys.exit(1)
