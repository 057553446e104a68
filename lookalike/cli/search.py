"""The verb that asks: search."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from lookalike.cli.flags import Cameras, EncoderFile, IndexAt, Json, Sources, app, fail


@app.command(
    help_epilogue="Example: `lookalike search crop.jpg --encoder encoder.onnx --index index/ --top 5 --camera gate`"
)
def search(
    image: Annotated[Path | None, Parameter(help="Picture to look for.")] = None,
    *,
    encoder: EncoderFile,
    index: IndexAt,
    id_: Annotated[
        str | None, Parameter(name="--id", help="Instead of a picture: a stored frame, by the id in a hit.")
    ] = None,
    at: Annotated[
        str | None, Parameter(help="Instead of a picture: a moment of a recording, as gate.mp4@12.5, seconds.")
    ] = None,
    region: Annotated[
        str | None, Parameter(help="Look for this part of it only: x,y,w,h in pixels, or in shares as .5,0,.5,1.")
    ] = None,
    like: Annotated[
        tuple[str, ...],
        Parameter(help="More of what to look for: pictures, ids or moments; may be repeated.", negative=""),
    ] = (),
    unlike: Annotated[tuple[str, ...], Parameter(help="What not to look for; as --like.", negative="")] = (),
    top: Annotated[int, Parameter(help="How many moments to answer.")] = 10,
    camera: Cameras = (),
    source: Sources = (),
    since: Annotated[
        str | None, Parameter(help="Not before: seconds into the clip, or a date and time (ISO 8601).")
    ] = None,
    until: Annotated[str | None, Parameter(help="Not after; as --since.")] = None,
    json_: Json = False,
) -> None:
    """Find the moments that look most like a picture. Neighbouring frames are answered as one hit with its span."""
    from lookalike.console import print_data
    from lookalike.encoder import Encoder
    from lookalike.examples import Region, combine, vector_of
    from lookalike.index import Where, open_index
    from lookalike.index.schema import parse_moment

    try:
        start, end = (parse_moment(bound) if bound else None for bound in (since, until))
        where = Where(camera, start, end, source)
        part = Region.parse(region) if region else None
    except ValueError as error:
        fail(str(error), code=2)
    if top < 1:
        fail(f"--top is {top}, expected at least 1", code=2)
    asked = [str(one) for one in (image, id_, at) if one is not None]
    if len(asked) > 1 or (not asked and (region or not like)):
        fail("expected one of a picture, --id or --at; or --like alone, of which there is no --region", code=2)
    model = Encoder(encoder, "cpu")
    with open_index(index, model.spec) as store:
        wanted = [vector_of(one, model, store, part) for one in asked] + [vector_of(one, model, store) for one in like]
        try:
            vector = combine(wanted, [vector_of(one, model, store) for one in unlike])
        except ValueError as error:
            fail(str(error), code=2)
        hits = store.search(vector, top, where)
    if not json_:
        print_data(f"{'score':>6}  {'time':>9}  {'span':>15}  camera  source")
    for hit in hits:
        span = f"{hit.span_s[0]:.1f}-{hit.span_s[1]:.1f} s"
        line = f"{hit.score:6.3f}  {hit.time_s:7.1f} s  {span:>15}  {hit.camera}  {hit.source}"
        print_data(json.dumps(hit.to_dict()) if json_ else line)
